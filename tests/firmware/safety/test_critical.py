"""Critical values stored twice: any flipped bit is found before the next run."""

import pytest

from firmware.safety.rig import refused, rig
from pump.safety import critical, states
from thecal_protocol import alarms as alarm


def flip(name: str, bit: int) -> None:
    holder, key = critical.VALUES[name]
    if key is None:
        holder[bit // 15 % 4] ^= 1 << bit % 15
    elif isinstance(holder, dict):
        holder[key] ^= 1 << bit
    else:
        setattr(holder, key, getattr(holder, key) ^ 1 << bit)


ARRAYS = ["rate", "unit", "base_rate", "ceiling", "modulus", "stride_rest"]
ARRAYS += [f"stride_{k}" for k in range(7)]
NUMBERS = ["gap_s", "gap_us", "permit", "state"]


@pytest.mark.req("INT-05")
@pytest.mark.parametrize("name", ARRAYS + NUMBERS)
def test_one_flipped_bit_is_found_before_the_next_run(name: str):
    for bit in (0, 1, 5, 7) if name == "state" else (0, 1, 7, 14, 29):
        found = rig()
        flip(name, bit)
        handed = len(found.motor.made) + len(found.motor.queue)
        found.run_for(600)
        assert found.state() == states.FAULT, (name, bit)
        assert found.standing() == [alarm.MEMORY]
        assert not found.motor.enabled
        assert len(found.motor.made) + len(found.motor.queue) <= handed


@pytest.mark.req("INT-05", part="before a command works it out anew")
@pytest.mark.parametrize("name", ["rate", "unit", "stride_2", "base_rate"])
def test_a_flipped_bit_is_found_before_the_rate_changes(name: str):
    """A command would copy it, or take it for sound."""
    found = rig()
    flip(name, 3)
    made = len(found.motor.made)
    assert refused(found.bolus, 100_000, 600) == "alarm"
    assert found.state() == states.FAULT
    assert found.standing() == [alarm.MEMORY]
    found.run_for(600)
    assert len(found.motor.made) == made


PROGRAM = ["step_volume_pl", "max_rate_pl_per_day", "basal_dose_ng_per_day", "max_pause_s"]
PROGRAM += ["concentration_ng_per_ml_0", "max_dose_24h_ng_0", "patient_dose_ng", "patient_lockout_us"]
PROGRAM += ["low_reservoir_pl", "limit_1h", "limit_24h"]


@pytest.mark.req("INT-05", "INT-02", part="the program's numbers")
@pytest.mark.parametrize("name", PROGRAM)
def test_a_flipped_number_of_the_program_is_found(name: str):
    bolus = {"dose_ng": 50_000, "duration_us": 60_000_000, "lockout_us": 1_000_000, "max_per_24h": 9}
    for bit in (0, 3, 20):
        found = rig(patient_bolus=[dict(bolus)])
        flip(name, bit)
        assert not found.guard.check_values()
        found = rig(patient_bolus=[dict(bolus)])
        flip(name, bit)
        found.run_for(310)  # by the periodic check
        assert found.standing() == [alarm.MEMORY]


@pytest.mark.req("INT-05", part="nothing is found where nothing is")
def test_sound_values_are_sound():
    found = rig()
    assert found.guard.check_values()
    assert found.guard.critical.damaged_run() == 0
