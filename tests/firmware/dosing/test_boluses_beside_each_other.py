"""Boluses beside each other: what was found to pass the highest rate after all."""

import pytest

from firmware.dosing import oracle, rig

HOUR = 3_600_000_000
PERIODIC = {"dose_ng": 5_000_000, "duration_us": HOUR, "every_us": 24 * HOUR, "first_us": 4 * HOUR}
PATIENT = {"dose_ng": 100_000, "duration_us": HOUR, "lockout_us": 1_000_000, "max_per_24h": 6}
EXTENDED = {"do": "bolus", "dose_ng": 10_000_000, "duration_us": 10_440_000_000, "extended": 1}  # 2.9 h


def played(patient_at_us, max_rate_pl_per_day):
    therapy = rig.therapy(periodic_boluses=[PERIODIC], patient_bolus=[PATIENT])
    therapy["max_rate_pl_per_day"] = max_rate_pl_per_day
    events = [
        {"at_us": 0, "do": "program", "therapy": therapy},
        dict(EXTENDED, at_us=HOUR),  # until 3.9 h: before the periodic one
        {"at_us": patient_at_us, "do": "patient_bolus"},
    ]
    scenario = {"start_us": 0, "day": 0, "second": 0, "end_us": 10 * HOUR, "events": events}
    times, refusals, _ = rig.play(scenario)
    assert times == oracle.Course(scenario, refusals).steps(2500)
    return refusals


@pytest.mark.req("BOL-01", "BOL-02")
def test_a_patient_bolus_that_pushes_an_extended_one_over_the_highest_rate_is_refused():
    """Extended and periodic bolus fit one after the other, not both at once on top of the basal rate."""
    assert played(2 * HOUR, 10_000_000_000) == [None, None, "max_rate"]
    assert played(2 * HOUR, 10_300_000_000) == [None, None, None]


@pytest.mark.req("BOL-02")
def test_it_is_not_when_the_extended_one_is_over_before_the_other_begins():
    events = 3_960_000_000  # 1.1 h: the extended one ends at 4.9 h, the periodic one begins at 4 h
    assert played(events, 10_300_000_000) == [None, None, None]
    assert played(5 * HOUR, 10_000_000_000) == [None, None, None]


@pytest.mark.req("BOL-05", part="no room to work it out: refused")
def test_a_bolus_whose_limits_cannot_be_worked_out_is_refused(monkeypatch: pytest.MonkeyPatch):
    pump = rig.Rig()
    therapy = rig.therapy(patient_bolus=[PATIENT])
    therapy["drugs"][0]["max_dose_24h_ng"] = 10_000_000
    pump.act({"do": "program", "therapy": therapy})
    pump.run_to(HOUR)

    def full(*_):
        raise MemoryError

    monkeypatch.setattr("pump.therapy.windows.exceeded", full)
    assert pump.act({"do": "patient_bolus"}) == "internal"
    assert pump.act(dict(EXTENDED)) == "internal"
    pump.run_to(25 * HOUR)
    pump.motor.settle()
    assert len(pump.motor.made) == 50_000
