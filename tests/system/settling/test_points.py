"""Whatever ends a command, at whatever frame: its exit code is the truth about the pump (HOST-11).

In this process, so that every point is tried; `test_processes.py` has the same from outside.
"""

import json
import os
import shlex
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from host.cli.conftest import MORPHINE, Done, Thecal, changed, program
from host.cli.test_comfort import leaves
from host.cli.test_every_command import GROUPS
from support.emulated_keys import keys_for
from support.pressing import presser, presses
from thecal import Pump
from thecal._io import interruption
from thecal._io.interruption import Ended
from thecal.cli.app import app
from thecal.commands.refill import Before, Wanted
from thecal.emulator.emulator import Emulator
from thecal.link import keyring
from thecal.link.client import Client
from thecal.link.proposals import refill_values
from thecal.therapy.encode import to_wire
from thecal.therapy.judge import checked
from thecal.therapy.load import load_therapy
from thecal.therapy.models import BridgeRequest
from thecal_protocol.messages import AUTH, PAIR, PROPOSAL_REFILL

from .held_line import HeldLine, Way

LONG = bool(os.environ.get("THECAL_SOAK"))
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
LOW_PL, FULL_PL = 20 * 10**9, 40 * 10**9
PLAN = '[[plan]]\nafter = "40 d"\ndose = "2.5 mg/day"\n[limits]'
CHANGES = {
    "program_committed", "bolus_started", "stopped", "resumed", "refilled", "clock_set", "plan_cancelled",
    "bridge_skipped", "alarm_confirmed", "alarms_silenced", "fault_cleared", "paired",
}  # fmt: skip
NAMES = {130: "not_carried_out", 0: "carried_out", 3: "unknown"}
CALIBRATE = "calibrate --volume '50 uL' --duration '10 min' --density '0.9982 g/mL' --mass '50 mg'"
COMMANDS = {
    "program": "program {other} --yes",
    "bolus": "bolus --dose '0.1 mg' --duration '10 min' --yes",
    "patient": "bolus --patient",
    "stop": "stop --for '20 min'",
    "resume": "resume",
    "clock set": "clock set --offset +1min --yes",
    "refill": "refill --volume '40 mL' --residual '39 mL' --yes",
    "session": "session --dose {dose} --yes",
    "replace": "replace {other} --volume '40 mL' --residual '39 mL' --no-bridge --yes",
    "prime": "prime --dry --implant --yes",
    "implant": "implant --therapy {other} --primed --yes",
    "calibrate": CALIBRATE + " --mass-uncertainty '0.02 mg' --yes",
    "alarms confirm": "alarms confirm all",
    "alarms silence": "alarms silence",
    "cancel-plan": "cancel-plan --yes",
    "skip-bridge": "skip-bridge --yes",
    "fault clear": "fault clear --yes",
}
APART = (
    "cancel-plan",
    "skip-bridge",
    "fault clear",
)  # on a pump of their own: others would miss what they leave
# What ends within the hour and has no rule of a day; the others wait a day.
SOON = {
    "program", "bolus", "stop", "resume", "clock set", "refill", "alarms confirm", "alarms silence", *APART,
}  # fmt: skip
PARTS = {"replace": 2, "implant": 2}  # records of a change that it makes; of replace in one commit
# What changes no pump, though maybe the world around an emulated one; `mri after` does it by `stop` and
# `resume`. `pair` and a first program have tests
# of their own below, what a monitor does in tests/host/monitor, `flash` in tests/host/firmware_build.
OTHERS = {
    "check", "convert", "simulate", "ports", "campaign",
    "status", "limits", "clock show", "monitor", "alarms",
    "alarms test", "fault show", "log", "mri before", "mri after",
    "report", "history", "trend", "store info", "store import",
    "store export", "keys", "keys forget", "emulate", "pair", "bringup", "flash", "web", "library show",
    "library make-key",
    "library make", "library sign", "library trust", "library verify", "library use", "examples",
    "bench truth", "bench advance", "bench power-cut", "bench press", "bench inject",
}  # fmt: skip


def test_no_command_is_left_out():
    every = {path for path, _ in leaves(typer.main.get_command(app)) if path not in GROUPS}
    assert every == OTHERS | (set(COMMANDS) - {"patient"})


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
        """An hour or a day later; what the command ends or notes has begun."""
        self.line.clean()
        with Client.connect(self.line.port) as client:
            client.button = presser(self.emulator)
            status = client.status()
            if status.state == "stopped":
                client.resume()
            if status.reservoir_pl < LOW_PL:
                client.commit(
                    client.propose(PROPOSAL_REFILL, refill_values(FULL_PL, status.reservoir_pl)).digest
                )
            if name.startswith("alarms"):
                client.stop()  # for longer than the therapy allows
            elif name == "session":  # wants one without a plan
                client.commit(client.propose_program(to_wire(load_therapy(MORPHINE))).digest)
            elif name == "cancel-plan":
                plan = changed(self.folder, "[limits]", PLAN)
                client.commit(client.propose_program(to_wire(load_therapy(plan))).digest)
            elif name == "skip-bridge" and status.bolus != "bridge":
                self.bridge(client)
        if name == "fault clear":
            self.emulator.bench.inject_raw("planner_fault", kind="runaway")
        self.emulator.bench.advance_by(HOUR_US if name in SOON else DAY_US)
        if name == "resume":
            with Client.connect(self.line.port) as client:
                client.stop()

    def bridge(self, client: Client) -> None:
        """Another concentration is filled in, and the catheter still holds the one before."""
        before = Before.ask(client)
        weak = before.program["drugs"][0]["concentration_ng_per_ml"] == 10**7
        therapy = load_therapy(changed(self.folder, '"20 mg/mL"', '"20 mg/mL"' if weak else '"10 mg/mL"'))
        wanted = checked(therapy.model.model_copy(update={"bridge": BridgeRequest()}))
        before.propose(Wanted(FULL_PL, before.status.reservoir_pl), wanted).commit()

    def changes(self) -> int:
        """How many changes the pump has on record."""
        self.line.clean()
        with Client.connect(self.line.port) as client:
            events = client.events(self.read)
        self.read = events[-1].sequence + 1
        self.changed += sum(event.kind in CHANGES for event in events)
        return self.changed


@contextmanager
def rigged(folder: Path) -> Iterator[Rig]:
    with Emulator(seed=1) as emulator, pytest.MonkeyPatch.context() as patch:
        program(emulator, MORPHINE)
        for name, value in keys_for(emulator.port).items():
            patch.setenv(name, value)
        with HeldLine(emulator) as line:
            yield Rig(emulator, line, folder)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rigged(tmp_path_factory.mktemp("settling")) as rig:
        yield rig


@pytest.fixture(scope="module")
def other_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rigged(tmp_path_factory.mktemp("apart")) as rig:
        yield rig


@pytest.fixture(autouse=True)
def _heeded() -> Iterator[None]:
    """However the tests were started: in the background of a script SIGINT is ignored, under nohup SIGHUP."""
    before = {number: signal.getsignal(number) for number in interruption.SIGNALS}
    for number in interruption.SIGNALS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, found in before.items():
        signal.signal(number, found)


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
    parts = PARTS.get(name, 1)
    assert done.code == (0 if made == parts else 130) or (way == "dead" and done.code == 3), where
    assert made in (0, parts) or name == "implant", where  # a refill and its program are one commit
    document = json.loads(done.out)
    assert document["outcome"] == NAMES[done.code], where
    *counted, said = done.err.splitlines()
    assert all(line.endswith("steps were made") for line in counted), where
    assert signal.Signals(number).name in said, where
    partly = "the program was carried out, and the prime was not"
    expected = {0: "carried out", 130: partly if made else "nothing was changed", 3: "is not known; look at"}
    assert expected[done.code] in said, where
    return done.code


def frames_of(rig: Rig, thecal: Thecal, name: str) -> int:
    rig.ready(name)
    rig.line.clean()
    done = thecal(*rig.words(name), port=rig.line.port)
    assert (done.code, json.loads(done.out)["outcome"]) == (0, "carried_out"), done
    return rig.line.frames


@pytest.mark.req("HOST-11", part="every command, ended at every frame of its conversation by each signal")
@pytest.mark.parametrize("name", COMMANDS)
def test_the_exit_code_is_the_truth(
    request: pytest.FixtureRequest, quick_thecal: Thecal, name: str, monkeypatch: pytest.MonkeyPatch
):
    rig: Rig = request.getfixturevalue("other_rig" if name in APART else "rig")
    presses(monkeypatch, rig.emulator)
    monkeypatch.setattr(
        "thecal.workflows.counted._pause", lambda: rig.emulator.bench.advance_by(HOUR_US // 6)
    )
    count = frames_of(rig, quick_thecal, name)
    codes: list[int] = []
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    for point in range(count, 0, -1):  # what comes after the commit is less than what comes before it
        for way in ("request", "answer"):
            for number in numbers if LONG else [numbers[len(codes) % 3]]:
                codes.append(ended_at(rig, quick_thecal, name, point, way, number))
        if not LONG and point < count and len(set(codes)) == 2:
            break
    assert set(codes) == {0, 130}


@pytest.mark.req("HOST-11", part="a pairing: the key that is kept is one that the pump takes")
@pytest.mark.parametrize(
    ("opcode", "way", "code"),
    [(PAIR, "answer", 130), (AUTH, "request", 0), (AUTH, "answer", 0), (AUTH, "dead", 3)],
)
def test_a_pairing(
    rig: Rig, quick_thecal: Thecal, monkeypatch: pytest.MonkeyPatch, opcode: int, way: Way, code: int
):
    press = presser(rig.emulator)
    monkeypatch.setattr("thecal.cli.keys.at_the_button", lambda: press)
    words = ("pair", "--role", "patient", "--json")
    rig.line.clean()
    if keyring.stored(rig.emulator.serial_number, "patient") is None:
        assert quick_thecal(*words, port=rig.line.port).code == 0
    before = rig.changes()
    rig.line.clean()
    number = 2 if opcode == AUTH else 1  # the first one asks whether the pump has the old key
    rig.line.hold(number, way, lambda: send(signal.SIGTERM), opcode=opcode)
    done = quick_thecal(*words, port=rig.line.port)
    made = rig.changes() - before
    assert done.code == code, done
    assert made == int(code == 0) or code == 3
    assert json.loads(done.out)["outcome"] == NAMES[code]
    if code == 3:  # it is kept, and whoever looks finds out
        assert "whether the pump took the new key is not known" in done.err
        rig.line.clean()
        keyring.remove(rig.emulator.serial_number, "patient")
    else:
        assert done.err.startswith("interrupted (SIGTERM): "), done
        Client.connect(rig.line.port, role="patient").close()


@pytest.mark.req("HOST-11", part="a command of two commits: the clock of a new pump is a part of no program")
def test_a_part_is_no_whole(quick_thecal: Thecal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    words = ("program", MORPHINE, "--yes", "--json")

    def ended(point: int, way: Way) -> tuple[int, int, Done]:
        with Emulator(seed=1) as emulator, monkeypatch.context() as patch:
            for name, value in keys_for(emulator.port).items():
                patch.setenv(name, value)
            with HeldLine(emulator) as line:
                line.hold(point, way, lambda: send(signal.SIGTERM))
                done = quick_thecal(*words, port=line.port)
                frames = line.frames
                line.clean()
                with Client.connect(line.port) as client:
                    kinds = {event.kind for event in client.events()}
        return frames, len(kinds & {"clock_set", "program_committed"}), done

    count, made, done = ended(0, "request")
    assert (done.code, made) == (0, 2)
    seen: set[int] = set()
    for point in range(1 if LONG else count - 4, count + 1):
        for way in ("request", "answer"):
            _, made, done = ended(point, way)
            seen.add(made)
            assert done.code == (0 if made == 2 else 130), (point, way, done)
            document = json.loads(done.out)
            assert document["outcome"] == NAMES[done.code]
            assert document["carried_out"] == ["setting the clock", "the program"][:made]
            if made == 1:
                assert done.err == (
                    "interrupted (SIGTERM): setting the clock was carried out, and the program was not\n"
                )
    assert seen >= {1, 2}


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
