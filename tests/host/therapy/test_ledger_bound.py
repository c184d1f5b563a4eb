"""The host's bound on the ledger is the pump's reservation."""

import pytest

from pump.dosing.planner import LOW_WATER, RUN_STEPS
from pump.records.ledger import reserve_steps
from thecal.commands.delivered import bound_steps


@pytest.mark.req("INT-06", part="the bound that the host states")
@pytest.mark.parametrize("step_volume_pl", [100, 156, 157, 2487, 2500, 20_000, 20_001, 10_000_000])
def test_bound_is_one_reservation_and_what_the_motor_holds(step_volume_pl: int):
    assert bound_steps(step_volume_pl) == reserve_steps(step_volume_pl) + RUN_STEPS + LOW_WATER
