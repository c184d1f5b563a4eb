"""Which pump a command is for when nobody named its port: the only one that is here, and for a change only
after a yes."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from serial.tools import list_ports

from thecal.cli.app import app
from thecal.cli.declare import ACTS, CHANGES, READS

from .conftest import MORPHINE, THECAL, Thecal
from .test_bench import ask, ready
from .test_comfort import PICO, leaves

QUESTION = "Is this for the pump {serial_number} on {port}? [y/N] "
# What stops, starts, doses, sets or confirms; all others only look.
CHANGING = {
    "alarms confirm", "alarms silence", "alarms test", "bolus", "calibrate", "cancel-plan", "clock set",
    "fault clear", "implant", "mri after", "pair", "prime", "program", "refill", "replace", "resume",
    "session", "skip-bridge", "stop",
}  # fmt: skip
LOOKING = {"alarms", "clock show", "fault show", "limits", "log", "monitor", "mri before", "report", "status"}
OTHERWISE = {"bringup", "flash", "store import"}  # they take no port that was not named


@pytest.fixture(autouse=True)
def no_board(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is plugged in where the tests run."""
    monkeypatch.setattr(list_ports, "comports", list)


@pytest.fixture(scope="module")
def only() -> Iterator[dict[str, Any]]:
    with ready("--speed", "0") as document:
        yield document


def steps(document: dict[str, Any]) -> int:
    return int(ask(document, "truth")["steps"])


def test_every_command_with_a_port_says_what_it_does():
    ported = {
        path
        for path, command in leaves(typer.main.get_command(app))
        if any("--port" in option.opts for option in command.params) and not path.startswith("bench ")
    }
    ported |= {"alarms"}
    assert ported == CHANGING | LOOKING | OTHERWISE
    assert {path for path in ported - OTHERWISE if ACTS.get(path, READS) == CHANGES} == CHANGING


@pytest.mark.req("HOST-26", part="who only reads takes the only one, and says which")
def test_who_reads_takes_the_only_one(only: dict[str, Any], quick_thecal: Thecal):
    said = f"This is the emulated pump {only['serial_number']} on {only['port']}.\n"
    for words in ("status --json", "log --json", "limits --json", "clock show --json", "alarms --json",
                  "fault show --json", "monitor --once --json"):  # fmt: skip
        done = quick_thecal(*words.split())
        assert (done.code, done.err) == (0, said), words
        json.loads(done.out)
    done = quick_thecal("refill", "--show", "--json")  # the one form of a command that changes
    assert done.err.startswith(said)


LINES = {
    "alarms confirm": ["all"],
    "bolus": ["--patient"],
    "calibrate": ["--volume", "50 uL", "--density", "1 g/mL"],
    "clock set": ["--to", "now"],
    "implant": ["--dry"],
    "mri after": ["--then", "stop"],
    "prime": ["--implant", "--dry"],
    "program": [str(MORPHINE)],
    "refill": ["--volume", "40 mL", "--residual", "1 mL"],
    "replace": [str(MORPHINE), "--volume", "40 mL", "--residual", "1 mL", "--bridge"],
    "session": ["--dose", "2 mg/day"],
}


@pytest.mark.req("HOST-26", part="no change goes unasked to a pump that nobody named")
@pytest.mark.parametrize("path", sorted(CHANGING))
def test_a_change_is_made_to_no_pump_that_nobody_named(
    path: str, only: dict[str, Any], quick_thecal: Thecal, monkeypatch: pytest.MonkeyPatch
):
    before = ask(only, "truth")
    words = [*path.split(), *LINES.get(path, [])]
    options = {
        name for option in dict(leaves(typer.main.get_command(app)))[path].params for name in option.opts
    }
    silent: list[list[str]] = [["--no-input"]]
    silent += [["--yes"]] if "--yes" in options else [["--json"]]
    silent += [["--yes", "--json"]] if "--yes" in options else []
    for more in silent:
        done = quick_thecal(*words, *more)
        assert (done.code, done.out) == (2, ""), done
        assert f"thecal {path}: which pump? Give its --port" in done.err
        assert f"Emulated pumps here: {only['port']}." in done.err
        assert "nobody named" in done.err
        assert done.err.count("\n") == 1
    done = quick_thecal(*words, stdin="n\n")
    assert done.code == 1, done
    assert QUESTION.format(**only) in done.err
    assert "not confirmed: nothing was changed" in done.err
    done = quick_thecal(*words)  # nobody is there
    assert done.code == 1
    monkeypatch.setenv("THECAL_NO_INPUT", "1")
    assert quick_thecal(*words).code == 2
    assert {**ask(only, "truth"), "waits": 0, "heap_used": 0, "heap_live": 0} == {
        **before, "waits": 0, "heap_used": 0, "heap_live": 0
    }  # fmt: skip


def test_a_yes_is_for_the_pump_that_was_shown(
    thecal: Thecal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with ready("--speed", "0") as document:
        done = thecal("program", MORPHINE, stdin="y\ny\n", port="")
        assert done.code == 0, done
        assert QUESTION.format(**document) in done.err
        assert f"Program this on {document['port']}? [y/N]" in done.err
        ask(document, "advance", duration="1 h")
        assert steps(document) == 2000
        assert thecal("stop", stdin="y\n").out == "The pump is stopped.\n"


def test_of_two_none_is_taken(only: dict[str, Any], quick_thecal: Thecal, tmp_path: Path):
    link = tmp_path / "second"
    with ready("--speed", "0", "--link", link):
        done = quick_thecal("status")
        assert done.code == 2
        assert re.search(rf"which pump\? .* Emulated pumps here: .*{link}", done.err)
        listed = json.loads(quick_thecal("ports", "--json").out)["ports"]
        assert {one["device"] for one in listed} == {only["port"], str(link)}
        assert {one["description"] for one in listed} == {"emulated pump"}
        done = quick_thecal("status", port=str(link))
        assert (done.code, done.err) == (0, "")


def test_a_board_and_an_emulated_pump_are_two(
    only: dict[str, Any], quick_thecal: Thecal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(list_ports, "comports", lambda: [PICO])
    done = quick_thecal("status")
    assert done.code == 2
    assert f"Boards here: /dev/ttyACM1. Emulated pumps here: {only['port']}." in done.err
    assert "Boards here: /dev/ttyACM1." in quick_thecal("flash").err


def test_the_only_board_is_taken(quick_thecal: Thecal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    board = SimpleNamespace(**{**vars(PICO), "device": str(tmp_path / "ttyACM9")})
    monkeypatch.setattr(list_ports, "comports", lambda: [board])
    done = quick_thecal("status")
    assert done.code == 1
    assert done.err.startswith(f"This is the board E66 on {board.device}.\nthere is no port {board.device};")
    done = quick_thecal("stop")  # it is asked who it is before anybody says yes
    assert "there is no port" in done.error


def test_ports_are_completed(only: dict[str, Any]):
    done = subprocess.run(
        [THECAL],
        env={**os.environ, "_THECAL_COMPLETE": "complete_bash", "COMP_WORDS": "thecal status --port ",
             "COMP_CWORD": "3"},
        capture_output=True, text=True, timeout=40, check=False,
    )  # fmt: skip
    assert only["port"] in done.stdout.split()


def test_a_folder_that_others_can_write_to_names_no_pump(
    only: dict[str, Any], quick_thecal: Thecal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    shared = tmp_path / "thecal"
    shared.mkdir(mode=0o777)
    shared.chmod(0o777)
    (shared / "1.json").write_text(json.dumps({k: v for k, v in only.items() if k != "schema"}))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert quick_thecal("status").code == 2
