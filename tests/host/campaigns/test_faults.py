"""The fault campaign: every fault of the bench once, each in another state; and that its judge is strict."""

import pytest

from thecal.campaigns import base, faults
from thecal.campaigns.fault_states import STATES
from thecal.campaigns.fault_table import FAULTS

# Of `make soak`, by its cheapest faults first; those that need a day (code_damage) are left to it.
_SLOW = ("code_damage",)
_SEED = 1


def seed_of(number: int) -> int:
    return base.seed_of("faults", _SEED, number, faults.CELLS)


@pytest.mark.req("MOT-01", "MOT-02", "MOT-03", part="injected in a state of the pump, judged by the trace")
@pytest.mark.req("INT-07", "DEL-03", "ALM-07", part="injected in a state of the pump, judged by the trace")
@pytest.mark.parametrize("number", [n for n, name in enumerate(FAULTS) if name not in _SLOW])
def test_every_fault_in_one_state(number: int):
    row = base.run_once(faults.CAMPAIGN, number, seed_of(number))
    assert row["outcome"] == base.PASSED, (row["fault"], row["state"], row["failure"])


def test_every_fault_meets_every_state():
    cells = {faults.cell_of(seed_of(number)) for number in range(faults.CELLS)}
    assert len(cells) == faults.CELLS == len(FAULTS) * len(STATES)
    assert {fault for fault, _ in cells} == set(FAULTS)
    assert {state for _, state in cells} == set(STATES)
