"""What ends a `thecal` that runs as a process of its own, and what it says then (HOST-11, HOST-12)."""

import contextlib
import json
import os
import select
import signal
import subprocess
import termios
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path

import pytest

from host.cli.conftest import DEADLINE_S, MORPHINE, THECAL, program
from support.emulated_keys import keys_for
from support.one_pump import HOUR_US
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client

from .held_line import HeldLine

BOLUS = ("bolus", "--dose", "0.2 mg", "--duration", "10 min")
BOLUS_STEPS = 4000  # 10 uL of 2.5 nL
BASAL_STEPS = 2000  # an hour's


@pytest.fixture(scope="module")
def pump() -> Iterator[Emulator]:
    with Emulator(seed=1) as emulator:
        program(emulator, MORPHINE)
        yield emulator


@pytest.fixture(scope="module")
def commit(pump: Emulator) -> int:
    """Which frame of a bolus is its commit: the last one."""
    with HeldLine(pump) as line:
        with thecal(line.port, keys_for(pump.port), *BOLUS, "--yes", "--json") as process:
            out, err = process.communicate(timeout=DEADLINE_S)
        assert (process.returncode, err, json.loads(out)["outcome"]) == (0, "", "carried_out")
        assert given(pump)
        return line.frames


def heeding(*signals: signal.Signals) -> None:
    """As at a terminal: tests that run in the background of a shell are started deaf to SIGINT."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN if number in signals else signal.SIG_DFL)


def thecal(
    port: str, keys: dict[str, str], *words: str, ignoring: tuple[signal.Signals, ...] = ()
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [str(THECAL), *words, "--port", port],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **keys},
        preexec_fn=lambda: heeding(*ignoring),
    )


def given(pump: Emulator) -> bool:
    """Whether the motor made the bolus, counted by the bench an hour later."""
    before = pump.bench.truth().steps
    pump.bench.advance_by(HOUR_US)
    made = pump.bench.truth().steps - before
    assert made in (BASAL_STEPS, BASAL_STEPS + BOLUS_STEPS)
    return made > BASAL_STEPS


@pytest.mark.req("HOST-11", part="from outside: the motor's own steps against the exit code")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_answer_is_on_its_way(pump: Emulator, commit: int, number: signal.Signals):
    """The commit's answer is lost, and the signal comes."""
    with HeldLine(pump) as line:
        with thecal(line.port, keys_for(pump.port), *BOLUS, "--yes") as process:
            line.hold(commit, "answer", lambda: process.send_signal(number))
            out, err = process.communicate(timeout=DEADLINE_S)
        assert (process.returncode, out.count("\n")) == (0, 2)  # the review
        assert err == f"interrupted ({number.name}): the bolus was carried out\n"
        assert given(pump)


@pytest.mark.req("HOST-11", part="before a commit: 130, nothing changed")
def test_at_the_question(pump: Emulator):
    number = signal.SIGINT
    with thecal(pump.port, keys_for(pump.port), *BOLUS) as process:
        assert process.stderr is not None
        assert process.stderr.read(4) == "Give"
        process.send_signal(number)
        err = process.communicate(timeout=DEADLINE_S)[1]
    assert process.returncode == 130
    assert err.endswith(f"interrupted ({number.name}): nothing was changed\n")
    assert not given(pump)


@pytest.mark.req("HOST-11", part="a closed pipe, before and after the commit")
def test_nobody_reads_the_output(pump: Emulator):
    keys = keys_for(pump.port)
    with thecal(pump.port, keys, *BOLUS) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()  # the review cannot be shown, so nobody can say yes to it
        process.wait(DEADLINE_S)
    assert (process.returncode, err) == (130, "nobody reads the output any more: nothing was changed\n")
    assert not given(pump)
    with thecal(pump.port, keys, *BOLUS, "--yes", "--json") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
        process.wait(DEADLINE_S)
    assert (process.returncode, err) == (0, "nobody reads the output any more: the bolus was carried out\n")
    assert given(pump)


def test_a_full_disk_after_the_commit(pump: Emulator):
    environment = {**os.environ, **keys_for(pump.port)}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [THECAL, *BOLUS, "--yes", "--json", "--port", pump.port],
            stdout=full, stderr=subprocess.PIPE, text=True, env=environment, timeout=DEADLINE_S, check=False,
        )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr == "the output cannot be written: No space left on device: the bolus was carried out\n"
    assert given(pump)


@pytest.mark.req("HOST-11", part="the terminal goes away at the question")
def test_the_terminal_is_gone(pump: Emulator, tmp_path: Path):
    """The kernel sends SIGHUP, and what is written goes nowhere."""
    ours, theirs = os.openpty()
    log = tmp_path / "err"
    with log.open("w") as err:
        process = subprocess.Popen(
            [str(THECAL), *BOLUS, "--port", pump.port], stdin=theirs, stdout=theirs, stderr=err,
            env={**os.environ, **keys_for(pump.port)}, start_new_session=True,
            preexec_fn=lambda: (heeding(), ioctl(0, termios.TIOCSCTTY, 0)),
        )  # fmt: skip
    os.close(theirs)
    while "Give this bolus now?" not in log.read_text():
        assert process.poll() is None
        select.select([ours], [], [], 0.01)
    os.close(ours)
    assert process.wait(DEADLINE_S) == 130
    assert log.read_text().endswith("interrupted (SIGHUP): nothing was changed\n")
    assert not given(pump)


@pytest.mark.req("HOST-12", part="a signal that is ignored stays ignored")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_what_is_ignored_stays_ignored(pump: Emulator, number: signal.Signals):
    """`thecal bolus &`: a shell starts it deaf to Ctrl-C, `nohup thecal bolus` to a terminal that goes away;
    at the question and amid the commit. SIGTERM ends it."""
    with thecal(pump.port, keys_for(pump.port), *BOLUS, ignoring=(number,)) as process:
        assert process.stderr is not None
        assert process.stderr.read(4) == "Give"
        process.send_signal(number)
        process.send_signal(signal.SIGTERM)
        err = process.communicate(timeout=DEADLINE_S)[1]
    assert process.returncode == 130
    assert err.endswith("interrupted (SIGTERM): nothing was changed\n")


@pytest.mark.req("HOST-12", part="an ignored signal amid a commit")
def test_an_ignored_signal_while_the_answer_is_on_its_way(pump: Emulator, commit: int):
    with HeldLine(pump) as line:
        keys = keys_for(pump.port)
        with thecal(line.port, keys, *BOLUS, "--yes", ignoring=(signal.SIGHUP,)) as process:
            line.hold(commit, "pass", lambda: process.send_signal(signal.SIGHUP))
            err = process.communicate(timeout=DEADLINE_S)[1]
        assert (process.returncode, err) == (0, "")
        assert given(pump)


EMULATE = """
trap '' INT
: >"$2.err"
"$1" emulate --link "$2" >"$2.out" 2>"$2.err" &
pump=$!
until grep -q runs "$2.err"; do kill -0 $pump || exit 9; done
kill -INT $pump
"$1" status --port "$2" >"$2.status" || exit 8
kill -TERM $pump
wait $pump
"""


@pytest.mark.req("HOST-12", part="an emulated pump in the background of a script ends with SIGTERM")
def test_emulate_in_a_script(tmp_path: Path):
    link = tmp_path / "pump"
    done = subprocess.run(
        ["sh", "-c", EMULATE, "sh", str(THECAL), str(link)],
        capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "unprogrammed" in (tmp_path / "pump.status").read_text()
    assert not link.is_symlink()


@pytest.mark.req("HOST-12", part="the monitor ends with 0, on the screen and in lines")
@pytest.mark.parametrize(("number", "plain"), [(signal.SIGTERM, True), (signal.SIGTERM, False)])
def test_a_monitor_ends_with_0(pump: Emulator, number: signal.Signals, plain: bool):
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": "xterm", **keys_for(pump.port), "COLUMNS": "80", "LINES": "24"}
    command = [str(THECAL), "monitor", "--interval", "20ms", "--port", pump.port]
    process = subprocess.Popen(
        command + ["--plain"] * plain, stdin=theirs, stdout=theirs, stderr=theirs,
        env=environment, start_new_session=True, preexec_fn=heeding,
    )  # fmt: skip
    with process:
        os.close(theirs)
        seen = b""
        while b"infusing" not in seen:
            seen += os.read(ours, 65536)
        process.send_signal(number)
        with contextlib.suppress(OSError):  # until it has ended
            while data := os.read(ours, 65536):
                seen += data
        process.wait(DEADLINE_S)
    os.close(ours)
    assert process.returncode == 0
    assert b"Traceback" not in seen
    assert b"interrupted" not in seen


@pytest.mark.req("HOST-11", part="a document that says the outcome")
def test_json_says_the_outcome(pump: Emulator):
    keys = keys_for(pump.port)
    with thecal(pump.port, keys, "bolus", "--dose", "90 mg", "--duration", "10 min", "--yes", "--json") as no:
        out, err = no.communicate(timeout=DEADLINE_S)
    assert (no.returncode, json.loads(out)["outcome"]) == (1, "not_carried_out")
    assert err.startswith("the pump refused the proposal")


@pytest.mark.req("HOST-11", part="what comes after the commit is lost: the command was carried out")
def test_the_line_breaks_after_the_answer(pump: Emulator):
    """`stop` asks for the state afterwards. A line that is dead by then is no failed stop."""
    with HeldLine(pump) as line:
        line.hold(4, "dead", lambda: None)  # hello, auth, stop, status
        with thecal(line.port, keys_for(pump.port), "stop") as process:
            err = process.communicate(timeout=DEADLINE_S)[1]
    assert process.returncode == 0
    assert err.startswith("the stop was carried out; after that: no answer from")
    with Client.connect(pump.port) as client:
        assert client.status().state == "stopped"
