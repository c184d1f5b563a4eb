"""`thecal mri before` and `after`: what was noted, what was missed, how a person lets it go on."""

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from host.cli.conftest import MORPHINE, Thecal, program
from thecal.commands import mri
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client

MINUTE_US = 60_000_000
STEP_NG = 50  # 2.5 nL of 20 mg/mL


@pytest.fixture
def pump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """A pump that runs the morphine example; whoever waits lets half a minute of it pass."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("THECAL_STORE", str(tmp_path / "store.sqlite"))
    with Emulator(seed=1) as emulator:
        program(emulator, MORPHINE)
        monkeypatch.setattr("thecal.workflows.mri._pause", lambda: emulator.bench.advance_by(MINUTE_US // 2))
        yield emulator


def delivery(pump: Emulator) -> tuple[object, ...]:
    with Client.connect(pump.port) as client:
        status = client.status()
        return status.state, status.rate_pl_per_day, status.program_digest, status.reservoir_pl, status.steps


@pytest.mark.req("MOT-09", part="noted, labelled, waited for, counted, chosen: the stall of an MRI")
def test_an_mri_with_a_stall(quick_thecal: Thecal, pump: Emulator):
    pump.bench.advance_by(10 * MINUTE_US)
    before = delivery(pump)
    noted = quick_thecal("mri", "before", port=pump.port)
    assert noted.code == 0, noted
    assert delivery(pump) == before
    assert "Nothing was changed in the pump." in noted.out
    with Client.connect(pump.port) as client:
        path = mri.path_of(client.hello().serial)
        counted, made = client.status().steps, pump.bench.truth().steps
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    kept = json.loads(path.read_text())
    assert (kept["state"], kept["settings"]["basal.dose"]) == ("infusing", "2.4 mg/day")
    assert kept["reservoir_pl"] == before[3]

    pump.bench.motor_stall(40 * MINUTE_US)
    pump.bench.advance_by(20 * MINUTE_US)
    during = r"during MRI since \w{3} \d{4}-\d\d-\d\d \d\d:\d\d"
    alarms = quick_thecal("alarms", port=pump.port).out
    assert re.search(
        rf"motor_stall  critical.*cause\s+{during}: steps were driven", " ".join(alarms.split("\n"))
    )
    assert re.search(during, " ".join(quick_thecal("status", port=pump.port).out.split()))
    status = json.loads(quick_thecal("status", "--json", port=pump.port).out)
    assert [(one["id"], one["class"]) for one in status["alarms"]] == [("motor_stall", "critical")]
    assert re.match(during, status["alarms"][0]["cause"])
    still = quick_thecal("mri", "after", "--then", "bolus", "--wait", "0 s", "--yes", port=pump.port)
    assert still.code == 1
    assert "the motor was not seen to move: nothing was changed, and the MRI stays open" in still.err
    assert "NOT SEEN TO MOVE" in still.out

    done = quick_thecal("mri", "after", port=pump.port, stdin="x\nb\n")  # waits for the end of the field
    assert done.code == 0, done
    assert "it moves again; it stood" in done.out
    assert "Nothing was ordered. A bolus: thecal bolus --dose DOSE --duration DURATION" in done.out
    closed = json.loads(path.read_text())["after"]
    with Client.connect(pump.port) as client:
        driven = client.status().steps - counted
        assert client.status().bolus is None
        assert not [event for event in client.events() if event.kind == "bolus_started"]
        assert client.status().state == "infusing"
    moved = pump.bench.truth().steps - made
    assert Fraction(closed["missed_nl"]) == Fraction((driven - moved) * 5, 2)
    assert Fraction(closed["missed_ng"]["morphine"]) == (driven - moved) * STEP_NG
    assert Fraction(closed["given_ng"]["morphine"]) == moved * STEP_NG
    assert len(closed["stalls"]) == 1
    assert (closed["motor"], closed["chosen"]) == ("moves", "bolus")
    due, short = (Fraction(closed[name]["morphine"]) for name in ("due_ng", "short_ng"))
    assert abs(short - (due - moved * STEP_NG)) <= 1
    with Client.connect(pump.port) as client:
        span_us = client.status().now.total_us - kept["pump_us"]
    assert abs(due - Fraction(2_400_000 * span_us, 86_400_000_000)) <= 1
    assert "during MRI" not in quick_thecal("alarms", port=pump.port).out
    rows = json.loads(quick_thecal("history", "--json").out)["history"]
    assert [row["command"] for row in rows if row["what"] == "session"] == ["mri before", "mri after"]


@pytest.mark.req("MOT-09", part="resume, stay stopped, and a script says which")
def test_a_pump_that_was_stopped_for_it(quick_thecal: Thecal, pump: Emulator):
    assert quick_thecal("mri", "before", "--json", port=pump.port).code == 0
    quick_thecal("stop", port=pump.port)
    pump.bench.advance_by(20 * MINUTE_US)
    nobody = quick_thecal("mri", "after", "--no-input", port=pump.port)
    assert (nobody.code, "say it with --then resume" in nobody.err) == (1, True)
    assert "no steps are driven, so nobody sees it" in nobody.out
    no = quick_thecal("mri", "after", "--then", "resume", port=pump.port, stdin="n\n")
    assert "not confirmed: nothing was changed" in no.err
    assert quick_thecal("mri", "after", "--then", "sleep", port=pump.port).code == 2
    assert quick_thecal("mri", "after", "--then", "resume", "--json", port=pump.port).code == 2
    assert quick_thecal("mri", "after", "--wait", "5", port=pump.port).code == 2
    assert delivery(pump)[0] == "stopped"
    stay = json.loads(quick_thecal("mri", "after", "--then", "stop", "--yes", "--json", port=pump.port).out)
    assert (stay["state"], stay["chosen"], stay["motor"]) == ("stopped", "stop", "no_steps")
    assert Fraction(stay["short_ng"]["morphine"]) > 30_000  # 20 min of 2.4 mg/day
    quick_thecal("mri", "before", port=pump.port)
    again = quick_thecal("mri", "before", port=pump.port)
    assert "was open still: this takes its place" in again.out
    on = quick_thecal("mri", "after", port=pump.port, stdin="r\n")
    assert (on.code, delivery(pump)[0]) == (0, "infusing"), on


@pytest.mark.req("MOT-09", part="without a before, with a damaged one, and of a stall that is of no MRI")
def test_without_a_before(quick_thecal: Thecal, pump: Emulator):
    bare = quick_thecal("mri", "after", "--then", "resume", "--yes", port=pump.port)
    assert bare.code == 0, bare
    assert "Nobody noted this pump before an MRI (thecal mri before)" in bare.out
    assert "The pump is infusing." in bare.out
    pump.bench.motor_stall(30 * MINUTE_US)
    pump.bench.advance_by(20 * MINUTE_US)
    quick_thecal("mri", "before", port=pump.port)
    assert "during MRI" not in quick_thecal("alarms", port=pump.port).out  # it stood before that
    with Client.connect(pump.port) as client:
        path = mri.path_of(client.hello().serial)
    for text in (
        "",
        "{",
        "[]",
        '{"format": 2}',
        path.read_text().replace('"steps": ', '"steps": "x", "s": '),
    ):
        path.write_text(text)
        assert quick_thecal("status", port=pump.port).code == 0
        words = quick_thecal("mri", "after", "--then", "stop", "--wait", "0 s", port=pump.port, stdin="n\n")
        assert "is damaged, or of another thecal" in " ".join(words.out.split()), words
        assert "Traceback" not in words.err
    waited = quick_thecal("mri", "after", "--then", "stop", "--yes", port=pump.port)
    assert waited.code == 0, waited
    assert delivery(pump)[0] == "stopped"


@pytest.mark.req("MOT-09", part="a pump without a program, a board without feedback")
def test_what_can_be_shown_is_shown(quick_thecal: Thecal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with Emulator(settings={"seed": 1, "feedback": 0}) as emulator:
        assert "has no program" in quick_thecal("mri", "before", port=emulator.port).error
        program(emulator, MORPHINE)
        assert "nobody will see whether it stood" in quick_thecal("mri", "before", port=emulator.port).out
        done = quick_thecal("mri", "after", "--then", "resume", "--yes", port=emulator.port)
        assert "nobody sees whether it moves" in done.out
        assert "not known: the board has no feedback" in done.out
