"""Prime, timed stop, the end of a plan: over the command line, asked for before they happen."""

import json
from pathlib import Path

import pytest

from support.pressing import presses
from thecal.emulator.emulator import Emulator

from .conftest import Thecal, changed, program

HOUR_US = 3_600_000_000


def test_prime_needs_the_implant_flag(quick_thecal: Thecal, pump: Emulator, monkeypatch: pytest.MonkeyPatch):
    refused = quick_thecal("prime", "--yes", port=pump.port)
    assert "implant_flag" in refused.error
    alone = quick_thecal("prime", "--dry", "--implant", "--yes", "--no-input", port=pump.port)
    assert "needs_button" in alone.error
    said = presses(monkeypatch, pump)
    asked = quick_thecal("prime", "--dry", "--implant", port=pump.port)
    assert asked.code == 1
    assert "tubing and catheter: 335.8 uL" in asked.out
    done = quick_thecal("prime", "--dry", "--implant", "--yes", port=pump.port)
    assert (done.code, done.out.splitlines()[-1]) == (0, "The prime runs.")
    flag, prime = (f"Press the button of the pump {pump.serial_number} within 60 s, {what} ..."
                   for what in ("to set the implant flag", "to carry this out"))  # fmt: skip
    assert said == [flag, flag, prime]
    pump.bench.advance_by(HOUR_US)
    status = json.loads(quick_thecal("status", "--json", port=pump.port).out)
    assert status["by_source_nl"]["prime"] == "335800"


def test_a_stop_that_ends_by_itself(quick_thecal: Thecal, pump: Emulator):
    assert quick_thecal("stop", "--for", "20 min", port=pump.port).out == "The pump is stopped.\n"
    pump.bench.advance_by(HOUR_US // 3 - 1)
    assert json.loads(quick_thecal("status", "--json", port=pump.port).out)["state"] == "stopped"
    pump.bench.advance_by(1)
    assert json.loads(quick_thecal("status", "--json", port=pump.port).out)["state"] == "infusing"


def test_cancel_plan(quick_thecal: Thecal, tmp_path: Path):
    with Emulator(seed=1) as emulator:
        plan = changed(tmp_path, "[limits]", '[[plan]]\nafter = "1 h"\ndose = "2 mg/day"\n[limits]')
        program(emulator, plan)
        assert quick_thecal("cancel-plan", port=emulator.port).code == 1  # nobody said yes
        done = quick_thecal("cancel-plan", "--yes", port=emulator.port)
        assert done.out == "The plan has ended; its present dose stays.\n"
        emulator.bench.advance_by(2 * HOUR_US)
        status = json.loads(quick_thecal("status", "--json", port=emulator.port).out)
        assert status["basal_ng_per_day"] == "2400000"
        assert "not_running" in quick_thecal("skip-bridge", "--yes", port=emulator.port).error


def test_help_names_every_command(thecal: Thecal):
    shown = thecal("--help")
    assert shown.code == 0
    for command in ("emulate simulate check status monitor log limits program bolus stop resume "
                    "refill prime cancel-plan skip-bridge clock").split():  # fmt: skip
        assert f" {command} " in shown.out
