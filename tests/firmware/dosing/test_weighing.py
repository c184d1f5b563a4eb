"""Commands that take long to weigh while the motor goes on, as on a chip: they take effect after that."""

from typing import Any

import pytest

from firmware.dosing import oracle, rig
from pump.therapy import boluses, therapy_controller

SECOND_US = 1_000_000
TAKES_US = 700_000
ASKED_US = 61 * SECOND_US
END_US = 600 * SECOND_US
THERAPY = rig.therapy(basal_dose_ng_per_day=60_000_007, patient_bolus=[])  # a step in 72 ms
BOLUS = {"dose_ng": 20_000, "duration_us": 60 * SECOND_US, "extended": 0}
CLOCK = {"absolute": 1, "day": 9000, "second": 3600, "us": 0, "offset_us": 0}


@pytest.fixture
def pump(monkeypatch: pytest.MonkeyPatch) -> rig.Rig:
    """One that infuses, and whose forecasts take a while."""
    pump = rig.Rig()
    assert pump.act({"do": "program", "therapy": THERAPY}) is None
    pump.run_to(ASKED_US)

    def slowly(*_: Any) -> str:
        pump.motor.now_us += TAKES_US
        return ""

    for module in (boluses, therapy_controller):
        monkeypatch.setattr(module.windows, "exceeded", slowly)
    return pump


@pytest.mark.req("DEL-07", part="a command takes effect when it has been weighed")
@pytest.mark.parametrize(
    "event", [{"do": "bolus", **BOLUS}, {"do": "program", "therapy": {**THERAPY, "name": "again"}}]
)
def test_every_step_is_that_of_a_command_at_the_end_of_weighing(pump: rig.Rig, event: dict[str, Any]):
    assert pump.act(event) is None
    assert pump.delivery.fault == 0
    effect_us = pump.delivery.at.s * SECOND_US + pump.delivery.at.us
    assert effect_us == ASKED_US + TAKES_US
    pump.run_to(END_US)
    events = [{"at_us": 0, "do": "program", "therapy": THERAPY}, {"at_us": effect_us, **event}]
    scenario = {"day": 0, "second": 0, "events": events, "end_us": END_US}
    assert pump.motor.made == oracle.Course(scenario, [None, None]).steps(2500)


def test_local_time_is_that_of_the_asking(pump: rig.Rig, monkeypatch: pytest.MonkeyPatch):
    check = pump.controller.check_clock

    def slowly(*values: Any) -> None:
        check(*values)
        pump.motor.now_us += TAKES_US

    monkeypatch.setattr(pump.controller, "check_clock", slowly)
    assert pump.act({"do": "clock", **CLOCK}) is None
    local = pump.delivery.local
    local.at(*pump.now())
    assert (local.day, local.second, local.us) == (9000, 3600, TAKES_US)
