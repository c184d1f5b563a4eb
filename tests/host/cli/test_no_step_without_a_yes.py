"""No command makes a step that nobody agreed to: every command that talks to a pump, all flags but --yes.

Commands and flags are taken from the command line itself, so that a new one is tried as soon as it is there.
What moved is the bench's truth. Scripted (the input closed, or --no-input), and on a terminal where a person
says no to everything.
"""

import io
import os
import pty
import sys
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from thecal import cli
from thecal.cli.app import app
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client

from .conftest import MORPHINE, changed, program
from .test_comfort import leaves

# Each is its own yes: it starts nothing but what a reviewed program prescribes (decision 0030).
OWN_YES = ("resume", "bolus --patient")
# They end by a signal or change the board's files; what they do to a pump is tested with them.
ELSEWHERE = ("bringup", "flash", "pair")
SPAN_US = 6 * 60 * 1_000_000
BASAL_STEPS = 200  # of the example in that time

# What a person would write for an option of this name; a new option that has a value needs a line here.
VALUES = {
    "--dose": {"session": "2.6 mg/day", "bolus": "0.2 mg"},
    "--change": "+10 %",
    "--bolus-dose": "0.2 mg",
    "--lockout": "1 h",
    "--limit-24h": "7 mg",
    "--low-reservoir": "3 mL",
    "--therapy": "{w}",
    "--oral": "90 mg/day",
    "--then": "resume",
    "--wait": "0 s",
    "--report": "{d}/r.html",
    "--volume": {"calibrate": "50 uL", "refill": "40 mL", "replace": "40 mL"},
    "--duration": "5 min",
    "--for": {"stop": "1 min", "report": "1 h"},
    "--residual": "39 mL",
    "--label": "morphine 20 mg/mL",
    "--label-volume": "40 mL",
    "--lot": "L1",
    "--expiry": "2026-09-30",
    "--program": "{w}",
    "--stable": "40 d",
    "--measured": "40 mL",
    "--run": "40000:99.8 mg",
    "--mass": "50 mg",
    "--density": "0.9982 g/mL",
    "--mass-uncertainty": "0.02 mg",
    "--density-uncertainty": "0.0002 g/mL",
    "--to": "now",
    "--offset": "+1h",
    "--interval": "1 s",
    "--from": "1",
    "--range": "1..2",
    "--count": "3",
    "--out": "{d}/r.html",
    "--pdf": "{d}/r.pdf",
    "--save": "{d}/r.json",
    "--log": "{d}/none.json",
    "--serial": "P",
    "--simulate": "{w}",
    "--events": "{d}/none.toml",
    "--start": "2026-01-05T00:00",
    "--seed": "1",
    "--flow": "{d}/none.csv",
    "--rate": "0.12 mL/day",
    "--pump": "P",
    "--last": "7 d",
    "--bringup": "{d}/none.json",
    "therapy": "{w}",
    "name": "all",
    "files": "{d}/none.csv",
}
# what the command is of no use without
NEEDED = {
    "bolus": ("--dose", "--duration"),
    "calibrate": ("--volume", "--duration", "--density", "--mass", "--mass-uncertainty"),
    "clock set": ("--to",),
    "prime": ("--dry", "--implant"),
    "refill": ("--volume", "--residual"),
    "replace": ("--volume", "--residual", "--bridge"),
    "implant": ("--dry",),
    "mri after": ("--then",),
    "session": ("--low-reservoir",),
    "monitor": ("--once",),
}
# --follow only ends by a signal; --reason is wrong usage where the store is off, as here
NOT_TRIED = ("--port", "--yes", "--help", "--follow", "--reason")


def talking() -> dict[str, Any]:
    """Every command that takes a port."""
    found = {
        path: command
        for path, command in leaves(typer.main.get_command(app))
        if any("--port" in option.opts for option in command.params)
    }
    assert set(ELSEWHERE) < set(found)
    return {
        path: command
        for path, command in found.items()
        if path not in ELSEWHERE and not path.startswith("bench ")  # the world's, and not the pump's
    }


COMMANDS = talking()
ASKING = [path for path, command in COMMANDS.items() if any("--yes" in x.opts for x in command.params)]


def value_of(path: str, name: str, folder: Path) -> str:
    value = VALUES[name]  # a KeyError: say above what a person would write
    text = value[path] if isinstance(value, dict) else value
    return text.format(w=folder / "changed.toml", d=folder)


def flags_of(path: str, folder: Path) -> tuple[list[str], dict[str, list[str]]]:
    """(arguments, words of each option by its name)."""
    arguments: list[str] = []
    options: dict[str, list[str]] = {}
    for param in COMMANDS[path].params:
        name = param.opts[0]
        if name in NOT_TRIED:
            continue
        if not name.startswith("-"):
            arguments.append(value_of(path, name, folder))
        elif param.is_flag:
            options[name] = [name]
            options |= {other: [other] for other in param.secondary_opts}
        else:
            options[name] = [name, value_of(path, name, folder)]
    return arguments, options


def lines_of(path: str, folder: Path) -> Iterator[list[str]]:
    """The command as it is of use, with each other flag beside, without each of its own, and with all."""
    arguments, options = flags_of(path, folder)
    needed = NEEDED.get(path, ())

    def line(*names: str) -> list[str]:
        return [*path.split(), *arguments, *(word for name in names for word in options[name])]

    yield line(*needed)
    yield line(*options)
    if path in ASKING:
        for name in options:
            yield line(*(x for x in needed if x != name)) if name in needed else line(*needed, name)


def moved(emulator: Emulator) -> int:
    """Steps that happened in the next minutes, and how many had happened."""
    before = emulator.bench.truth().steps
    emulator.bench.advance_by(SPAN_US)
    return emulator.bench.truth().steps - before


class Input:
    """Who is at the other end of the input."""

    def __init__(self, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.how = how
        self.monkeypatch = monkeypatch

    def run(self, words: list[str], port: str) -> int:
        self.monkeypatch.setenv("THECAL_PORT", port)
        if self.how != "terminal":
            self.monkeypatch.setattr(sys, "stdin", io.StringIO(""))
            return cli.run([*words, *(["--no-input"] if self.how == "no input" else [])])
        ours, theirs = pty.openpty()
        tty.setcbreak(theirs)
        os.write(ours, b"n\n" * 12)
        with os.fdopen(theirs, encoding="utf-8") as stdin:
            self.monkeypatch.setattr(sys, "stdin", stdin)
            try:
                return cli.run(words)
            finally:
                os.close(ours)


@pytest.fixture(scope="module")
def infusing() -> Iterator[Emulator]:
    with Emulator(seed=1) as emulator:
        program(emulator, MORPHINE)
        yield emulator


@pytest.fixture(scope="module")
def stopped() -> Iterator[Emulator]:
    with Emulator(seed=2) as emulator:
        program(emulator, MORPHINE)
        with Client.connect(emulator.port) as client:
            client.stop()
        yield emulator


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("THECAL_STORE", "off")
    monkeypatch.setattr("thecal.link.button.BUTTON_S", 0.2)  # nobody presses, and nobody waits for it
    monkeypatch.chdir(tmp_path)  # a report goes where one stands
    return changed(tmp_path, '"2.4 mg/day"', '"2.6 mg/day"').parent


def is_own_yes(words: list[str]) -> bool:
    return any(" ".join(words).startswith(own) for own in OWN_YES) or {"bolus", "--patient"} <= set(words)


def goes_on(emulator: Emulator) -> None:
    """After a `stop` of the sweep."""
    with Client.connect(emulator.port) as client:
        if client.status().state == "stopped":
            client.resume()


@pytest.mark.req("HOST-15", part="scripted, with every flag but --yes")
@pytest.mark.parametrize("how", ["closed", "no input"])
def test_scripted_nothing_moves_before_a_yes(
    how: str, infusing: Emulator, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
):
    for path in COMMANDS if how == "closed" else ASKING:
        for words in lines_of(path, folder) if how == "closed" else [next(lines_of(path, folder))]:
            if is_own_yes(words):
                continue
            code = Input(how, monkeypatch).run(words, infusing.port)
            steps = moved(infusing)
            assert steps <= BASAL_STEPS + 1, (words, code, steps)
            if path in ASKING and words == next(lines_of(path, folder)):
                assert code in (1, 2), words
            if path == "stop":
                goes_on(infusing)


@pytest.mark.req("HOST-15", part="on a terminal where the answer is no")
def test_on_a_terminal_nothing_moves_before_a_yes(
    infusing: Emulator, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
):
    for path in ASKING:
        words = next(lines_of(path, folder))
        code = Input("terminal", monkeypatch).run(words, infusing.port)
        steps = moved(infusing)
        assert (code, steps <= BASAL_STEPS + 1) == (1, True), (words, steps)


@pytest.mark.req("HOST-15", "DEL-15", part="a stopped pump stays stopped")
def test_nothing_starts_a_stopped_pump_before_a_yes(
    stopped: Emulator, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
):
    for path in COMMANDS:
        for words in list(lines_of(path, folder))[:2]:
            if not is_own_yes(words) and path != "stop":
                Input("closed", monkeypatch).run(words, stopped.port)
                assert moved(stopped) == 0, words
    for path in ("session", "program"):
        Input("terminal", monkeypatch).run(next(lines_of(path, folder)), stopped.port)
        assert moved(stopped) == 0, path


def test_the_sweep_sees_a_dose(infusing: Emulator, monkeypatch: pytest.MonkeyPatch, folder: Path, capfd: Any):
    words = [*next(lines_of("bolus", folder)), "--yes"]
    assert Input("closed", monkeypatch).run(words, infusing.port) == 0
    assert moved(infusing) > 2 * BASAL_STEPS
