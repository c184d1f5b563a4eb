"""The bench's planner faults and those that the host can name are the same ones."""

import ast
from pathlib import Path

from thecal.simulation.scenario.faults import PLANNER_FAULTS

FIRMWARE_FAULTS = Path(__file__).resolve().parents[3] / "boards/unix/testbench/firmware_faults.py"


def test_the_bench_has_the_planner_faults_that_the_host_names():
    assigned = {
        node.targets[0].id: node.value
        for node in ast.parse(FIRMWARE_FAULTS.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert ast.literal_eval(assigned["KINDS"]) == PLANNER_FAULTS
