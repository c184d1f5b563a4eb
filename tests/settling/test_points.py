"""Whatever ends a command, at whatever frame: its exit code is the truth about the pump (HOST-11).

In this process, so that every point is tried; `test_processes.py` has the same from outside.
"""

import json
import os
import shlex
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.conftest import MORPHINE, Thecal, changed, program
from emulated_keys import keys_for
from thecal import Pump
from thecal.client import Client
from thecal.emulator import Emulator
from thecal.ending import Ended

from .held_line import HeldLine, Way

LONG = bool(os.environ.get("THECAL_SOAK"))
DAY_US = 24 * 3_600_000_000
CHANGES = {"program_committed", "bolus_started", "stopped", "resumed", "refilled", "clock_set"}
NAMES = {130: "not_carried_out", 0: "carried_out", 3: "unknown"}
COMMANDS = {
    "program": "program {other} --yes",
    "bolus": "bolus --dose '0.1 mg' --duration '10 min' --yes",
    "patient": "bolus --patient",
    "stop": "stop --for '20 min'",
    "resume": "resume",
    "clock": "clock set --offset +1min --yes",
    "refill": "refill --volume '40 mL' --residual '39 mL' --yes",
    "session": "session --dose {dose} --yes",
    "replace": "replace {other} --volume '40 mL' --residual '39 mL' --no-bridge --yes",
}


@dataclass
class Rig:
    """A programmed pump behind a line that can be held."""

    emulator: Emulator
    line: HeldLine
    folder: Path
    turn: int = 0
    read: int = 0
    changed: int = 0

    def words(self, name: str) -> list[str]:
        """The command line; a program that is another each time."""
        self.turn += 1
        dose = f"2.{400 + self.turn % 500} mg/day"
        other = changed(self.folder, '"2.4 mg/day"', f'"{dose}"')
        return [*shlex.split(COMMANDS[name].format(other=other, dose=f"'{dose}'")), "--json"]

    def ready(self, name: str) -> None:
        """A day later; what resume ends has begun."""
        self.line.clean()
        self.emulator.bench.advance_by(DAY_US)
        with Client.connect(self.line.port) as client:
            if name == "resume":
                client.stop()

    def changes(self) -> int:
        """How many changes the pump has on record."""
        self.line.clean()
        with Client.connect(self.line.port) as client:
            events = client.events(self.read)
        self.read = events[-1].sequence + 1
        self.changed += sum(event.kind in CHANGES for event in events)
        return self.changed


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Emulator(seed=1) as emulator, pytest.MonkeyPatch.context() as patch:
        program(emulator, MORPHINE)
        for name, value in keys_for(emulator.port).items():
            patch.setenv(name, value)
        with HeldLine(emulator) as line:
            yield Rig(emulator, line, tmp_path_factory.mktemp("settling"))


@pytest.fixture(autouse=True)
def _heeded() -> Iterator[None]:
    """In the background of a script SIGINT is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def send(number: int) -> None:
    """To the thread that waits, as the kernel does where there is but one."""
    ident = threading.main_thread().ident
    assert ident is not None
    signal.pthread_kill(ident, number)


def ended_at(rig: Rig, thecal: Thecal, name: str, point: int, way: Way, number: int) -> int:
    """The exit code of the command that is sent a signal at this point; it has been compared with the pump's
    own record."""
    rig.ready(name)
    before = rig.changes()
    rig.line.clean()
    rig.line.hold(point, way, lambda: send(number))
    done = thecal(*rig.words(name), port=rig.line.port)
    made = rig.changes() - before
    where = (name, point, way, signal.Signals(number).name, done)
    assert done.code == (0 if made else 130) or (way == "dead" and done.code == 3), where
    assert made in (0, 2 if name == "replace" else 1), where  # a refill and its program are one commit
    document = json.loads(done.out)
    assert document["outcome"] == NAMES[done.code], where
    assert done.err.count("\n") == 1, where
    assert signal.Signals(number).name in done.err, where
    said = {0: "carried out", 130: "nothing was changed", 3: "is not known; look at `thecal status`"}
    assert said[done.code] in done.err, where
    return done.code


def frames_of(rig: Rig, thecal: Thecal, name: str) -> int:
    rig.ready(name)
    rig.line.clean()
    done = thecal(*rig.words(name), port=rig.line.port)
    assert (done.code, json.loads(done.out)["outcome"]) == (0, "carried_out"), done
    return rig.line.frames


@pytest.mark.req("HOST-11", part="every command, ended at every frame of its conversation by each signal")
@pytest.mark.parametrize("name", COMMANDS)
def test_the_exit_code_is_the_truth(rig: Rig, quick_thecal: Thecal, name: str):
    count = frames_of(rig, quick_thecal, name)
    points = range(1 if LONG else count - 1, count + 1)
    codes: list[int] = []
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    for point in points:
        for way in ("request", "answer"):
            for number in numbers if LONG else [numbers[len(codes) % 3]]:
                codes.append(ended_at(rig, quick_thecal, name, point, way, number))
    assert set(codes) == {0, 130}


@pytest.mark.req("HOST-11", part="a second signal while it is being settled")
def test_a_second_signal_ends_the_settling(rig: Rig, quick_thecal: Thecal):
    count = frames_of(rig, quick_thecal, "bolus")
    assert ended_at(rig, quick_thecal, "bolus", count, "dead", signal.SIGINT) == 3


@pytest.mark.req("HOST-11", part="the Python API")
@pytest.mark.parametrize(("way", "outcome"), [("request", "not_carried_out"), ("answer", "carried_out")])
def test_the_python_api_says_it_too(rig: Rig, way: Way, outcome: str):
    rig.ready("bolus")
    before = rig.changes()
    rig.line.clean()
    with Pump(rig.line.port) as pump:
        bolus = pump.propose_bolus("0.1 mg", over="10 min")
        rig.line.hold(1, way, lambda: send(signal.SIGINT))
        with pytest.raises(Ended) as caught:
            bolus.commit()
    assert caught.value.outcome == outcome
    assert str(caught.value) == f"interrupted: the bolus was {outcome.replace('_', ' ')}"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert rig.changes() - before == (way == "answer")


def test_somebody_else_s_handler_raises_what_it_likes(rig: Rig):
    """It is not held: its exception goes on, after the command was settled, with a note."""

    def leave(number: int, frame: object) -> None:
        raise SystemExit(9)

    rig.ready("bolus")
    signal.signal(signal.SIGINT, leave)
    with Pump(rig.line.port) as pump:
        bolus = pump.propose_bolus("0.1 mg", over="10 min")
        rig.line.hold(1, "answer", lambda: send(signal.SIGINT))
        with pytest.raises(SystemExit) as caught:
            bolus.commit()
    assert caught.value.__notes__ == ["thecal: the bolus was carried out"]
