"""Commands at awkward instants: while held, twice at one instant, after a fault, after very many steps."""

import pytest

from firmware.dosing import oracle, rig
from firmware.dosing.test_command_instant import SkewedRig
from pump.dosing.history import History

HOUR = 3_600_000_000
PLAN = [{"after_us": 24 * HOUR, "dose_ng_per_day": 2_000_000}]


@pytest.mark.req("DEL-10", part="two commands of one reading of the clock")
@pytest.mark.parametrize("skew_us", [-50_000, 0, 50_000])
def test_two_commands_of_one_instant_when_the_motor_is_ahead(skew_us: int):
    """The first one closes its segment at the motor's last step, later than both were read."""
    pump = SkewedRig()
    therapy = rig.therapy(basal_dose_ng_per_day=60_000_000)
    therapy["drugs"][0]["concentration_ng_per_ml"] = 10_000_000
    pump.act({"do": "program", "therapy": therapy})
    pump.run_to(10_000_000)
    events = [{"at_us": 0, "do": "program", "therapy": therapy}]
    read = pump.now()
    clock = pump.now
    pump.now = lambda: read
    pump.motor.now_us += skew_us
    for do in ("stop", "resume", "stop", "resume"):
        assert pump.act({"do": do}) is None
        events.append({"at_us": pump.delivery.at.total_us(), "do": do})
    pump.now = clock
    pump.motor.now_us = max(10_000_000, events[-1]["at_us"])
    pump.run_to(60_000_000)
    pump.motor.settle()
    scenario = {"day": 0, "second": 0, "events": events, "end_us": 60_000_000}
    assert pump.delivery.fault == 0
    assert pump.motor.made == oracle.Course(scenario, [None] * 5).steps(2500)


@pytest.mark.req("DEL-01", part="a plan cancelled while a stop holds it")
def test_a_plan_can_be_cancelled_during_a_stop():
    pump = rig.Rig()
    pump.act({"do": "program", "therapy": rig.therapy(plan=PLAN)})
    pump.run_to(HOUR)
    assert pump.act({"do": "stop"}) is None
    assert pump.act({"do": "cancel_plan"}) is None
    assert pump.act({"do": "cancel_plan"}) == "not_running"
    assert pump.act({"do": "resume"}) is None
    pump.run_to(49 * HOUR)
    pump.motor.settle()
    assert len(pump.motor.made) == 2000 * 49
    assert pump.controller.basal_ng_per_day() == 2_400_000


@pytest.mark.req("BOL-07", part="what is shown after a fault")
def test_a_bolus_that_a_fault_ended_shows_sane_figures_for_ever():
    pump = rig.Rig()
    pump.act({"do": "program", "therapy": rig.therapy()})
    pump.act({"do": "bolus", "dose_ng": 100_000, "duration_us": HOUR, "extended": 0})
    pump.run_to(HOUR // 2)
    pump.delivery.fail(1, 1, *pump.now())
    pump.run_to(9 * HOUR)
    source = pump.controller.shown_source()
    if source is not None:
        assert source.left_us(*pump.now()) == 0
        assert source.given_pl(*pump.now()) <= source.volume_pl


@pytest.mark.req("BOL-05", part="after 2^32 steps")
def test_history_goes_on_over_2_to_the_32_steps():
    """0.1 nL steps at 1 mL/day come there in 430 days."""
    history = History()
    history.mark(1000, 0, 2**32 - 10)
    history.mark(2000, 0, 2**32 + 5)
    now = (2_500_000_000, 2**32 + 9)
    found = [(history.entry_us(i), history.steps(i, now[1])) for i in history.since(0)]
    assert found == [(10**9, 2**32 - 10), (2 * 10**9, 2**32 + 5)]
