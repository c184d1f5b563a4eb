"""A command that sends several changes, ended at the question between them (HOST-11); `test_points.py` ends
it at the frames of its conversation."""

import json
import os
import signal
from collections.abc import Iterator

import pytest

from host.cli.conftest import MORPHINE, Thecal
from support.emulated_keys import keys_for
from support.pressing import presses
from thecal._io import interruption
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client
from thecal.workflows.prompts import Prompter

HALF = "setting the clock and the program were carried out, and the prime was not"


@pytest.fixture(autouse=True)
def _heeded() -> Iterator[None]:
    """However the tests were started."""
    before = {number: signal.getsignal(number) for number in interruption.SIGNALS}
    for number in interruption.SIGNALS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, found in before.items():
        signal.signal(number, found)


@pytest.fixture
def blank(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """A new pump, and somebody beside it."""
    with Emulator(seed=1) as emulator:
        presses(monkeypatch, emulator)
        for name, value in keys_for(emulator.port).items():
            monkeypatch.setenv(name, value)
        yield emulator


@pytest.mark.req("HOST-11", part="between program and prime: by a signal, by an output that is gone")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, 0])
def test_at_the_question_about_the_prime(
    blank: Emulator, quick_thecal: Thecal, monkeypatch: pytest.MonkeyPatch, number: int
):
    def ended(prompter: Prompter, question: str, flag: str, yes: bool) -> None:
        if question.startswith("Prime"):
            if not number:
                raise BrokenPipeError
            os.kill(os.getpid(), number)

    monkeypatch.setattr(Prompter, "confirm", ended)
    done = quick_thecal("implant", "--therapy", MORPHINE, "--dry", port=blank.port)
    how = f"interrupted ({signal.Signals(number).name})" if number else "nobody reads the output any more"
    assert (done.code, done.err) == (130, f"{how}: {HALF}\n")
    with Client.connect(blank.port) as client:
        assert client.status().bolus is None
        assert client.running_program() is not None


@pytest.mark.req("HOST-11", part="a line that breaks between program and prime is no success")
def test_the_line_is_gone_at_the_prime(
    blank: Emulator, quick_thecal: Thecal, monkeypatch: pytest.MonkeyPatch
):
    def gone(prompter: Prompter, question: str, flag: str, yes: bool) -> None:
        if question.startswith("Prime"):
            blank.kill()

    monkeypatch.setattr(Prompter, "confirm", gone)
    done = quick_thecal("implant", "--therapy", MORPHINE, "--dry", "--yes", "--json", port=blank.port)
    assert done.code in (1, 3)
    document = json.loads(done.out)
    assert document["carried_out"] == ["setting the clock", "the program"]
    assert document["outcome"] != "carried_out"


@pytest.mark.req("HOST-12", part="an ignored signal is neither held nor raised")
def test_an_ignored_signal_is_not_held():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interruption.raising():
        os.kill(os.getpid(), signal.SIGHUP)
        with interruption.holding() as held:
            os.kill(os.getpid(), signal.SIGHUP)
    assert held == []
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
