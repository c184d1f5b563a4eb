"""A bolus refused for a limit: what the pump says is left is taken at once, and the whole bolus from when it
says on."""

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from firmware.dosing import rig
from firmware.dosing.test_limits import DAY, HOUR, scenarios
from pump.therapy import worst_case
from pump.therapy.bounds import Bounds, Refused
from pump.therapy.prescription import Prescription

MILLION = 1_000_000


def refusal(pump: rig.Rig, event: dict[str, Any]) -> Refused | None:
    """Why a bolus may not start now; it is not given."""
    boluses = pump.controller.boluses
    s, us = pump.now()
    try:
        if event["do"] == "bolus":
            boluses.check_clinician(event, s, us)
        else:
            boluses._check_patient(s, us)
    except Refused as refused:
        return refused
    return None


def instant_of(pump: rig.Rig, day: int, second: int) -> int:
    """When local time will be that, in us of the pump's clock."""
    local = pump.delivery.local
    offset_us = (local.offset_day * 86_400 + local.offset_s) * MILLION + local.offset_us
    return (day * 86_400 + second) * MILLION - offset_us


@pytest.mark.req("HOST-09")
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(scenarios(), st.integers(0, 4), st.integers(0, 1))
def test_what_is_left_fits_now_and_the_rest_when_it_says(scenario, boluses: int, extended: int):
    """The limit leaves room for so many of the patient's boluses beside the schedule."""
    therapy = scenario["events"][0]["therapy"]
    drug, bolus = therapy["drugs"][0], therapy["patient_bolus"][0]
    bolus["dose_ng"] = max(bolus["dose_ng"], drug["concentration_ng_per_ml"] // 100)
    drug["max_dose_1h_ng"] = 0
    drug["max_dose_24h_ng"] = 10**9
    try:
        whole = Prescription(copy.deepcopy(therapy), Bounds())
    except Refused:
        reject()  # a scenario may begin with a program that is refused
    scheduled = worst_case.scheduled_ng(whole, therapy["basal_dose_ng_per_day"], DAY)
    drug["max_dose_24h_ng"] = scheduled + boluses * bolus["dose_ng"] + 1000
    pump = rig.Rig(0)
    pump.delivery.local.set_at(0, 0, 9000, 0, 0)
    for event in scenario["events"]:
        pump.run_to(event["at_us"])
        if "bolus" in event["do"]:
            found = refusal(pump, event)
            if found is not None and found.reason.startswith("limit_"):
                check(pump, event, found, therapy, extended)
                return
        pump.act(event)


def check(pump: rig.Rig, event: dict[str, Any], found: Refused, therapy: dict[str, Any], extended: int):
    if not found.detail:
        return  # so much has changed in a day that a chip does not look at it all
    drug, left, day, second = found.detail.rsplit(" ", 3)
    assert drug == "morphine"
    bolus = event if event["do"] == "bolus" else therapy["patient_bolus"][0]
    assert 0 <= int(left) < bolus["dose_ng"]
    smaller = {**bolus, "do": "bolus", "dose_ng": int(left), "extended": extended}
    if event["do"] == "bolus" and int(left):
        now = refusal(pump, {**smaller, "extended": event["extended"]})
        assert now is None or now.reason != found.reason, (now.reason, now.detail)
    if int(day):
        at_us = instant_of(pump, int(day), int(second))
        assert 0 < at_us - pump.motor.now_us <= 2 * (DAY + bolus["duration_us"]) + 2 * MILLION
        pump.run_to(at_us)
        later = refusal(pump, event)
        assert later is None or later.reason != found.reason, (later.reason, later.detail)


def test_it_is_exact_where_the_past_is_plain():
    """2.4 mg a day and four boluses of 0.1 mg; 2.6 mg allowed: from the second after the oldest is out."""
    therapy = rig.therapy(basal_dose_ng_per_day=2_400_000)
    therapy["drugs"][0]["max_dose_24h_ng"] = 2_600_000
    bolus = {"dose_ng": 100_000, "duration_us": 300_000_000, "lockout_us": HOUR, "max_per_24h": 96}
    therapy["patient_bolus"] = [bolus]
    events: list[dict[str, Any]] = [{"at_us": 0, "do": "program", "therapy": therapy}]
    events += [{"at_us": at * HOUR, "do": "patient_bolus"} for at in (30, 32)]
    pump = rig.Rig(0)
    rig.follow(pump, {"start_us": 0, "day": 9000, "second": 0, "end_us": 34 * HOUR, "events": events})
    found = refusal(pump, {"do": "patient_bolus"})
    assert found is not None
    drug, left, day, second = found.detail.rsplit(" ", 3)
    assert (drug, int(left)) == ("morphine", 50)  # one step: limits hold to one (docs/explanation/dosing.md)
    wanted = 54 * 3600 + 300  # 24 h after the end of the first; some seconds sooner by that step
    at = (int(day) - 9000) * 86_400 + int(second)
    assert wanted - 301 <= at <= wanted + 2
