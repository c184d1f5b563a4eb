"""Tests of a therapy, and of a host of your own, against the real firmware: pip install thecal pytest; pytest

Each test has a pump of its own. Time stands still but for `bench.advance`, so a day takes a fraction of a
second and the same test makes the same steps in every run. How to: docs/howto/ci.md.
"""

import json
import subprocess
from pathlib import Path

import pytest

from thecal import Emulator, Pump, ThecalError

THERAPY = Path(__file__).parents[1] / "morphine-constant.toml"  # 0.12 mL a day, in steps of 2.5 nL
A_DAY = 48_000  # steps


@pytest.fixture
def infusing(thecal_pump: Emulator) -> Emulator:
    """A pump that gives the therapy."""
    with Pump(thecal_pump.port) as pump:
        pump.propose_program(THERAPY).commit()
    return thecal_pump


def test_a_day_is_exact_to_the_step(infusing: Emulator):
    infusing.bench.advance("24 h")
    assert infusing.bench.truth().steps == A_DAY


def test_a_stalled_motor_sounds_an_alarm(infusing: Emulator):
    infusing.bench.inject("motor_stall", lasting="10 min")
    infusing.bench.advance("5 min")
    with Pump(infusing.port) as pump:
        assert "motor_stall" in {alarm.name for alarm in pump.client.alarms().standing}


def test_a_power_cut_never_makes_a_dose_larger(infusing: Emulator):
    infusing.bench.advance("12 h")
    infusing.bench.cut_power("1 min")
    infusing.bench.advance("12 h")
    assert A_DAY - 2_000 < infusing.bench.truth().steps <= A_DAY


def test_a_second_bolus_is_refused_within_the_lockout(infusing: Emulator):
    infusing.bench.advance("2 h")
    with Pump(infusing.port) as pump:
        pump.patient_bolus()
        infusing.bench.advance("10 min")
        with pytest.raises(ThecalError, match="lockout"):
            pump.patient_bolus()


def test_a_host_in_any_language_finds_the_pump_and_its_key(infusing: Emulator):
    """Here it is the command line; `port` opens like any serial device, and $THECAL_KEYS is set."""
    command = ["thecal", "status", "--port", infusing.port, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["state"] == "infusing"
