"""What the benchmarks measure, a pump carries out."""

from typing import Any

import pytest
from benchmarks.workloads import constant, mixed

from thecal import Emulator
from thecal.link.client import Client


@pytest.mark.parametrize(("therapy", "steps"), [(constant(1000), 400_000), (mixed(), 391_800)])
def test_a_pump_takes_it(therapy: dict[str, Any], steps: int):
    with Emulator(seed=1) as pump, Client.connect(pump.port) as client:
        client.commit(client.propose_program(therapy).digest)
        pump.bench.advance("24 h")
        assert pump.bench.truth().steps == steps
