"""The button at the command line, from outside: a process that asks, somebody who presses, or nobody."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.emulated_keys import keys_for
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.link.client import Client

from .conftest import DEADLINE_S, THECAL, Thecal, heed_ctrl_c

FLAG = ("prime", "--dry", "--implant", "--yes")


@contextmanager
def waiting(pump: Emulator, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """The command, when it has asked for the button."""
    environment = {**os.environ, **keys_for(pump.port)}
    pipe = subprocess.PIPE
    command = [str(THECAL), *words, "--port", pump.port]
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment, preexec_fn=heed_ctrl_c
    ) as process:
        assert process.stderr is not None
        asked = process.stderr.readline()
        assert asked.startswith(f"Press the button of the pump {pump.serial_number} within 60 s"), asked
        yield process


def notes(pump: Emulator, kind: str) -> int:
    with Client.connect(pump.port) as client:
        return sum(event.kind == kind for event in client.events())


@pytest.mark.req("SEC-14", part="the command line asks, waits and says it again")
def test_it_asks_for_each_press(pump: Emulator):
    before = notes(pump, "implant_flag_set")
    with waiting(pump, *FLAG) as process:
        pump.bench.press_button()
        assert process.stderr is not None
        assert process.stderr.readline().endswith("to carry this out ...\n")  # the prime's own
        pump.bench.press_button()
        out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, err) == (0, "")
    assert out.endswith("The prime runs.\n")
    assert notes(pump, "implant_flag_set") == before + 1
    pump.bench.advance_by(3600 * 10**6)


@pytest.mark.req("SEC-14", part="nobody can be asked: one line, at once")
def test_without_input_it_ends_at_once(thecal: Thecal, pump: Emulator):
    done = thecal(*FLAG, "--no-input", port=pump.port)
    assert "needs_button, nobody pressed its button for this; nothing was changed" in done.error
    for answer in ("--json", "--no-store"):
        assert "needs_button" in thecal(*FLAG, answer, "--no-input", port=pump.port).error


@pytest.mark.req("SEC-14", part="whoever breaks off leaves nothing behind that a press could serve")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_broken_off_while_it_waits(pump: Emulator, number: signal.Signals):
    before = notes(pump, "press_taken")
    with waiting(pump, *FLAG) as process:
        process.send_signal(number)
        process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    pump.bench.press_button()
    assert notes(pump, "press_taken") == before
    with Client.connect(pump.port) as client, pytest.raises(Refused, match="needs_button"):
        client.set_implant_flag()


def test_nobody_presses(quick_thecal: Thecal, pump: Emulator, monkeypatch: pytest.MonkeyPatch):
    """After the minute (here: less) it says so, and the pump waits no longer."""
    monkeypatch.setattr("thecal.link.button.BUTTON_S", 0.2)
    done = quick_thecal(*FLAG, port=pump.port)
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith("the pump refused implant: needs_button")
    before = notes(pump, "press_taken")
    pump.bench.press_button()
    assert notes(pump, "press_taken") == before
