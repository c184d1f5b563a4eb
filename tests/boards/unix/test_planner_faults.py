"""Each planner fault that the host can name is one of the bench's."""

import re
from pathlib import Path

from thecal_protocol.bench import PLANNER_FAULTS

FIRMWARE_FAULTS = Path(__file__).resolve().parents[3] / "boards/unix/testbench/firmware_faults.py"


def test_the_bench_has_the_planner_faults_that_the_host_names():
    kinds = FIRMWARE_FAULTS.read_text().split("# --- the kinds ---")[1].split("# --- memory ---")[0]
    assert re.findall(r"^    def _(\w+)\(self\)", kinds, re.MULTILINE) == list(PLANNER_FAULTS)
