"""Questions of the guided workflows: how many, what is asked for, and a port or an input that ends at one."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from host.cli.conftest import MORPHINE, Thecal, changed, program
from host.workflows.helpers import NEW, running
from support.pressing import presses
from thecal.emulator.emulator import Emulator
from thecal.errors import ThecalError
from thecal.link.client import Client
from thecal.workflows.prompts import Prompter


def test_a_port_that_vanishes_amid_the_questions(quick_thecal: Thecal, monkeypatch: pytest.MonkeyPatch):
    with Emulator(seed=1) as emulator:
        program(emulator, MORPHINE)
        ask = Prompter.confirm

        def vanish(self: Prompter, *values: Any) -> None:
            emulator.kill()
            ask(self, *values)

        monkeypatch.setattr(Prompter, "confirm", vanish)
        done = quick_thecal("session", "--dose", "2.6 mg/day", "--yes", port=emulator.port)
    assert (done.code, "look at `thecal status`" in done.err) == (3, True)


def test_answers_that_never_make_sense_end(monkeypatch: pytest.MonkeyPatch):
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO("q\n" * 20))
    with pytest.raises(ThecalError, match="in 5 tries: nothing was changed"):
        Prompter().choice("?", [("a", "b")], "--x")
    from thecal.units.quantities import MASS

    with pytest.raises(ThecalError, match="in 5 tries: nothing was changed"):
        Prompter().quantity("?", MASS, "--x")


class Person:
    """Answers questions by what they ask; may pull the plug before answering."""

    def __init__(self, answers: dict[str, str], at: str = "", act: Any = None) -> None:
        self.answers, self.at, self.act = answers, at, act
        self.asked: list[str] = []

    @property
    def line(self) -> Any:
        """In place of `Prompter.line`."""
        return lambda prompter, question, flag: self(prompter, question, flag)

    def __call__(self, prompter: Prompter, question: str, flag: str) -> str:
        prompter.asked += 1
        self.asked.append(question)
        if self.at and question.startswith(self.at):
            self.act()
        return next(answer for part, answer in self.answers.items() if part in question)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "store.sqlite"
    monkeypatch.setenv("THECAL_STORE", str(path))
    return path


def commands_of(quick_thecal: Thecal) -> list[str]:
    rows = json.loads(quick_thecal("history", "--json").out)["history"]
    return [row["command"] for row in rows if row["what"] == "session"]


@pytest.mark.req("HOST-02", part="from the start of a session to its reviewed program: 5 questions")
def test_the_questions_of_a_dose_change_are_counted(
    quick_thecal: Thecal, therapy: Emulator, monkeypatch: pytest.MonkeyPatch
):
    choices = iter(["1", "0"])
    answers = {"New basal dose": "2.6 mg/day", "Program this": "y", "Report to": ""}
    person = Person(answers)

    def line(self: Prompter, question: str, flag: str) -> str:
        if question == "What shall change?":
            self.asked += 1
            person.asked.append(question)
            return next(choices)
        return person(self, question, flag)

    monkeypatch.setattr(Prompter, "line", line)
    assert quick_thecal("session", port=therapy.port).code == 0
    assert len(person.asked) == 5 < 10
    assert person.asked[-1].startswith("Report")  # the program is committed before it


def test_after_the_commit_nobody_says_that_nothing_was_changed(quick_thecal: Thecal, therapy: Emulator):
    """The input ends at the last question, which is about the report."""
    done = quick_thecal("session", "--dose", "2.6 mg/day", port=therapy.port, stdin="y\n")
    assert done.code == 1
    assert "Constant morphine runs, and nothing after that was done" in done.err
    assert "nothing was changed" not in done.err
    assert running(therapy)["basal_dose_ng_per_day"] == 2_600_000
    flags = ("--dose", "2.7 mg/day", "--yes", "--no-input", "--report", "/nowhere/r.html")
    done = quick_thecal("session", *flags, port=therapy.port)
    assert done.err.startswith("Constant morphine runs; of the report: /nowhere/r.html cannot be written")
    assert running(therapy)["basal_dose_ng_per_day"] == 2_700_000


def test_an_implant_asks_for_the_button(quick_thecal: Thecal, monkeypatch: pytest.MonkeyPatch, kept: Path):
    """A blank pump: programmed, then whoever is there is asked for the button, and it is primed."""
    with Emulator(seed=1) as emulator:
        person = Person({"Program this": "y", "dry or primed": "d", "Prime now": "y"})
        said = presses(monkeypatch, emulator)
        monkeypatch.setattr(Prompter, "line", person.line)
        done = quick_thecal("implant", "--therapy", MORPHINE, port=emulator.port)
        assert done.code == 0, done.err
        assert len(said) == 2  # for the flag, and for the prime
        with Client.connect(emulator.port) as client:
            assert client.status().bolus == "prime"
        assert commands_of(quick_thecal) == ["implant"]
        assert running(emulator)["name"] == "Constant morphine"


def test_an_implant_without_the_button_says_what_was_done(
    quick_thecal: Thecal, monkeypatch: pytest.MonkeyPatch, kept: Path
):
    with Emulator(seed=1) as emulator:
        flags = ("--dry", "--yes", "--no-input")
        done = quick_thecal("implant", "--therapy", MORPHINE, *flags, port=emulator.port)
        assert done.code == 1
        last = done.err.splitlines()[-1]
        assert last.startswith(
            "Constant morphine runs, without a prime: the pump refused implant: needs_button"
        )
        assert last.endswith("then say `thecal implant` again, without --therapy")
        assert commands_of(quick_thecal) == ["implant"]
        presses(monkeypatch, emulator)
        assert quick_thecal("implant", "--dry", "--yes", port=emulator.port).code == 0
        with Client.connect(emulator.port) as client:
            assert client.status().bolus == "prime"


def test_a_limit_that_rises_asks_for_the_button(
    quick_thecal: Thecal, therapy: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    flags = ("--limit-24h", "7 mg", "--yes")
    done = quick_thecal("session", *flags, "--no-input", port=therapy.port)
    assert "needs_button" in done.err
    assert running(therapy)["drugs"][0]["max_dose_24h_ng"] == 6_000_000
    said = presses(monkeypatch, therapy)
    monkeypatch.setattr(Prompter, "line", Person({"Report to": ""}).line)
    assert quick_thecal("session", *flags, port=therapy.port).code == 0
    assert len(said) == 1
    assert running(therapy)["drugs"][0]["max_dose_24h_ng"] == 7_000_000


def test_a_new_filling_with_a_higher_limit_is_not_half_recorded(
    quick_thecal: Thecal, therapy: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    weaker = changed(tmp_path, *NEW)
    weaker.write_text(weaker.read_text().replace('max_dose_24h = "6 mg"', 'max_dose_24h = "7 mg"'))
    flags = ("--volume", "40 mL", "--residual", "39 mL", "--no-bridge", "--yes")
    done = quick_thecal("replace", weaker, *flags, "--no-input", port=therapy.port)
    assert "needs_button" in done.error
    with Client.connect(therapy.port) as client:
        assert not [event for event in client.events() if event.kind == "refilled"]
    presses(monkeypatch, therapy)
    monkeypatch.setattr(Prompter, "line", Person({}).line)
    done = quick_thecal("replace", weaker, *flags, port=therapy.port)
    assert done.code == 0, done.err
    assert running(therapy)["drugs"][0]["max_dose_24h_ng"] == 7_000_000


def test_guided_work_fills_the_store(
    quick_thecal: Thecal, therapy: Emulator, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    presses(monkeypatch, therapy)
    weaker = changed(tmp_path, *NEW)
    flags = ("--volume", "40 mL", "--residual", "39 mL", "--bridge", "--yes")
    for words in (
        ("session", "--dose", "2.6 mg/day", "--yes", "--no-input"),
        ("stop",),
        ("resume",),
        ("session", "--no-store", "--change", "+10 %", "--yes", "--no-input"),
        ("replace", weaker, *flags),
    ):
        done = quick_thecal(*words, port=therapy.port)
        assert done.code == 0, done.err
    assert sorted(commands_of(quick_thecal)) == ["replace", "resume", "session", "stop"]
    rows = json.loads(quick_thecal("history", "--json").out)["history"]
    refills = [row for row in rows if row["what"] == "refill"]
    assert [row["volume_nl"] for row in refills] == ["40000000"]
    assert len([row for row in rows if row["what"] == "program"]) >= 2
    assert json.loads(quick_thecal("store", "info", "--json").out)["pumps"][0]["records"] > 10


WORKFLOWS = {
    "session": (("session", "--dose", "2.6 mg/day"), {"Program this": "y", "Report to": ""}),
    "refill": (("refill",), {}),
    "replace": (
        ("replace", "{weaker}"),
        {
            "was filled in": "40 mL",
            "came out": "39 mL",
            "label: drug": "morphine 10 mg/mL",
            "Volume on": "40 mL",
            "lot": "",
            "expiry": "",
            "Bridge": "b",
            "Record": "y",
        },
    ),
    "implant": (("implant",), {"dry or primed": "d", "Prime now": "y"}),
}
MOMENTS = (
    ("refill", "What was filled"),
    ("refill", "Record"),
    ("session", "Program this"),
    ("replace", "Bridge"),
    ("replace", "Record"),
    ("implant", "Is the pump dry"),
    ("implant", "Prime now"),
)


@pytest.mark.parametrize(("workflow", "at"), MOMENTS)
def test_a_port_that_vanishes_at_any_question(
    workflow: str, at: str, quick_thecal: Thecal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """The pump dies while a person thinks: one line, no traceback, and the flash has the old program."""
    words, answers = WORKFLOWS[workflow]
    flash = tmp_path / "flash"
    with Emulator(seed=1, flash=flash) as emulator:
        program(emulator, MORPHINE)
        before = running(emulator)
        words = tuple(word.format(weaker=changed(tmp_path, *NEW)) for word in words)
        if workflow == "refill":
            replies = {"What came out": "39 mL", "What was filled": "40 mL", "Record": "y"}

            def reply(question: str, *_: object) -> str:
                if question.startswith(at):
                    emulator.kill()
                return next((text for start, text in replies.items() if question.startswith(start)), "")

            monkeypatch.setattr(Prompter, "line", lambda self, question, flag: reply(question))
            monkeypatch.setattr("thecal.cli.common.ask", reply)
        else:
            presses(monkeypatch, emulator)
            person = Person(answers, at, emulator.kill)
            monkeypatch.setattr(Prompter, "line", person.line)
        done = quick_thecal(*words, port=emulator.port)
        assert done.code == (3 if "not known" in done.err else 1), done
        assert "Traceback" not in done.err
        last = done.err.splitlines()[-1]
        assert "vanished while in use" in last or "no answer from" in last, done.err
        assert re.search("before anything was committed|not known", last), last
    with Emulator(seed=1, flash=flash) as emulator:
        assert running(emulator) == before
        with Client.connect(emulator.port) as client:
            kinds = {event.kind for event in client.events()}
            assert client.status().bolus is None
        assert "refilled" not in kinds


def test_a_port_that_vanishes_amid_a_calibration(quick_thecal: Thecal, monkeypatch: pytest.MonkeyPatch):
    with Emulator(seed=1) as emulator:
        program(emulator, MORPHINE)
        monkeypatch.setattr("thecal.workflows.counted._pause", emulator.kill)
        flags = (
            "--yes",
            "--volume",
            "5 uL",
            "--duration",
            "1 min",
            "--density",
            "1 g/mL",
            "--mass-uncertainty",
            "1 mcg",
        )
        done = quick_thecal("calibrate", *flags, port=emulator.port)
        assert "amid the run: the pump may go on with it" in done.error
