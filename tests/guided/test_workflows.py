"""Guided workflows from the outside: typed at an emulated pump, scripted by flags, and wrong in every way."""

import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import MORPHINE, Thecal, changed, program
from thecal.client import Client
from thecal.emulator import Emulator
from thecal.errors import ThecalError
from thecal.guided.calibration import Run, calibrate
from thecal.guided.prompts import Prompter
from thecal.guided.running import document_of, therapy_of
from thecal.therapy import load_therapy
from thecal.therapy_wire import to_wire

EXAMPLES = sorted(MORPHINE.parent.glob("*.toml"))


def running(emulator: Emulator) -> dict[str, Any]:
    with Client.connect(emulator.port) as client:
        found = client.running_program()
    assert found is not None
    return found


@pytest.fixture
def therapy() -> Any:
    with Emulator(seed=1) as emulator:
        program(emulator, MORPHINE)
        yield emulator


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_program_becomes_the_therapy_that_it_was(path: Path):
    values = to_wire(load_therapy(path))
    assert to_wire(therapy_of(document_of(values))) == values


def test_what_a_change_would_begin_anew_is_refused(tmp_path: Path):
    plan = changed(tmp_path, "[limits]", '[[plan]]\nafter = "1 d"\ndose = "3 mg/day"\n[limits]')
    with pytest.raises(ThecalError, match="plan of dose steps"):
        document_of(to_wire(load_therapy(plan)))


@pytest.mark.req("HOST-01", "HOST-02", part="the guided session")
def test_a_dose_change_takes_few_answers_and_shows_what_it_understood(
    quick_thecal: Thecal, therapy: Emulator
):
    answers = ["1", "2.6", "2.6 mg", "2,6 mg/day", "2.6 mg/day", "0", "y", ""]
    done = quick_thecal("session", port=therapy.port, stdin="\n".join(answers) + "\n")
    assert done.code == 0, done.err
    for words in ("has no unit", "is a mass where a dose per time is due", "has a comma"):
        assert words in done.err
    assert "understood: 2.6 mg/day" in done.err
    questions = len(re.findall(r"\?|\[y/N\]", done.err)) - 1  # "[y/N]" comes after a question mark
    assert questions - 3 < 10  # three of them were asked again
    line = next(line for line in done.out.splitlines() if "basal.dose" in line and "x " in line)
    assert line.split() == ["basal.dose", "2.4", "mg/day", "2.6", "mg/day", "x", "1.083"]
    assert running(therapy)["basal_dose_ng_per_day"] == 2_600_000


def test_the_same_by_flags_alone(quick_thecal: Thecal, therapy: Emulator, tmp_path: Path):
    flags = ("--dose", "2.6 mg/day", "--lockout", "3 h", "--low-reservoir", "3 mL", "--no-input", "--yes")
    report = tmp_path / "r.html"
    done = quick_thecal("session", *flags, "--report", report, port=therapy.port)
    assert done.code == 0, done.err
    now = running(therapy)
    assert now["basal_dose_ng_per_day"] == 2_600_000
    assert now["patient_bolus"][0]["lockout_us"] == 3 * 3600 * 10**6
    assert now["low_reservoir_pl"] == 3 * 10**9
    assert "2.6 mg/day" in report.read_text()
    done = quick_thecal("session", "--change", "+10 %", "--no-input", "--yes", port=therapy.port)
    assert done.code == 0, done.err
    assert running(therapy)["basal_dose_ng_per_day"] == 2_860_000


@pytest.mark.req("HOST-03", part="the guided session")
def test_large_changes_and_soft_limits_are_asked_for_by_themselves(quick_thecal: Thecal, therapy: Emulator):
    before = running(therapy)
    for flags, stdin, said in (
        (("--dose", "5.2 mg/day"), "n\n", "not confirmed"),
        (("--dose", "5.2 mg/day"), "y\nn\n", "not confirmed"),
        (("--dose", "5.2 mg/day", "--yes", "--no-input"), "", "--confirm-large-change"),
        (("--dose", "2.6 mg/day", "--no-input"), "", "--yes"),
        (("--dose", "2.6 mg/day"), "", "the input ended"),
        (("--no-input",), "", "--dose"),
        (("--dose", "2.6"), "", "has no unit"),
        (("--change", "10"), "", "is no change in percent"),
        (("--change", "+0.00001 %", "--yes"), "", "no whole number of"),
        (("--dose", "900 mg/day", "--yes"), "", "highest"),
    ):
        done = quick_thecal("session", *flags, port=therapy.port, stdin=stdin)
        assert done.code in (1, 2), done
        assert said in done.err, (said, done.err)
        assert running(therapy) == before
    done = quick_thecal("session", "--dose", "5.2 mg/day", port=therapy.port, stdin="y\ny\n\n")
    assert done.code == 0, done.err
    assert "MORE THAN TWOFOLD" in done.err
    assert running(therapy)["basal_dose_ng_per_day"] == 5_200_000


def test_nothing_changed_is_said(quick_thecal: Thecal, therapy: Emulator):
    before = running(therapy)
    done = quick_thecal("session", port=therapy.port, stdin="7\n0\n\n")
    assert done.code == 0, done.err
    assert '"7" is none of 1, 2, 3' in done.err
    assert "Nothing was changed." in done.out
    assert running(therapy) == before


def test_a_port_that_vanishes_amid_the_questions(quick_thecal: Thecal, monkeypatch: pytest.MonkeyPatch):
    with Emulator(seed=1) as emulator:
        program(emulator, MORPHINE)
        ask = Prompter.confirm

        def vanish(self: Prompter, *values: Any) -> None:
            emulator.kill()
            ask(self, *values)

        monkeypatch.setattr(Prompter, "confirm", vanish)
        done = quick_thecal("session", "--dose", "2.6 mg/day", "--yes", port=emulator.port)
    assert "look at `thecal status`" in done.error


NEW = ('"20 mg/mL"', '"10 mg/mL"')


@pytest.mark.req("DEL-11", part="the guided change of a concentration")
def test_another_concentration_with_its_bridge(quick_thecal: Thecal, therapy: Emulator, tmp_path: Path):
    weaker = changed(tmp_path, *NEW)
    before = running(therapy)
    refused = quick_thecal("replace", weaker, port=therapy.port, stdin="40 mL\n39 mL\nb\nn\n")
    assert "not confirmed" in refused.err
    assert running(therapy) == before
    with Client.connect(therapy.port) as client:
        assert not [event for event in client.events() if event.kind == "refilled"]
    done = quick_thecal("replace", weaker, port=therapy.port, stdin="40 mL\n39 mL\nb\ny\n")
    assert done.code == 0, done.err
    assert "understood: 39 mL" in done.err
    assert "without a bridge, 200 % of the intended dose" in done.out
    now = running(therapy)
    assert now["drugs"][0]["concentration_ng_per_ml"] == 10_000_000
    assert now["bridge"] == [{"dose_ng_per_day": 2_400_000, "concentration_ng_per_ml": 20_000_000}]
    with Client.connect(therapy.port) as client:
        assert client.status().bolus == "bridge"


def test_another_concentration_by_flags_and_knowingly_without(
    quick_thecal: Thecal, therapy: Emulator, tmp_path: Path
):
    weaker = changed(tmp_path, *NEW)
    flags = ("--volume", "40 mL", "--residual", "39 mL", "--yes", "--no-input")
    assert "--bridge or --no-bridge" in quick_thecal("replace", weaker, *flags, port=therapy.port).error
    done = quick_thecal("replace", weaker, *flags, "--no-bridge", port=therapy.port)
    assert done.code == 0, done.err
    assert running(therapy)["bridge"] == []


def test_nothing_to_replace(quick_thecal: Thecal, blank: Emulator):
    flags = ("--volume", "40 mL", "--residual", "1 mL", "--yes", "--no-input")
    assert (
        "there is no filling to replace" in quick_thecal("replace", MORPHINE, *flags, port=blank.port).error
    )


def test_an_implant(quick_thecal: Thecal):
    with Emulator(seed=1) as emulator:
        program(emulator, MORPHINE)
        emulator.bench.press_button()
        done = quick_thecal("implant", port=emulator.port, stdin="x\nd\ny\n")
        assert done.code == 0, done.err
        assert '"x" is none of d, p' in done.err
        with Client.connect(emulator.port) as client:
            assert client.status().bolus == "prime"
            kinds = [event.kind for event in client.events()]
        assert "implant_flag_set" in kinds
    with Emulator(seed=1) as emulator:
        assert "no program" in quick_thecal("implant", "--dry", "--yes", port=emulator.port).error


@pytest.mark.parametrize(("num", "den"), [(1, 1), (6, 5)])
def test_calibration_finds_what_the_motor_displaced(
    quick_thecal: Thecal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num: int, den: int
):
    """The balance shows what the simulated motor physically displaced, as water of 20 C weighed in air."""
    bench_therapy = changed(tmp_path, 'mode = "continuous"\ndose = "2.4 mg/day"', 'mode = "stopped"')
    with Emulator(seed=1) as emulator:
        program(emulator, bench_therapy)
        bench = emulator.bench
        monkeypatch.setattr("thecal.guided.counted._pause", lambda: bench.advance_by(20_000_000))
        bench.over_delivery(num, den)
        bench.set_step_volume(2500)
        bench.fill(40 * 10**9)
        before_pl = bench.truth().reservoir_pl
        b = (1 - 0.0012 / 8) / (1 - 0.0012 / 0.9982)

        def balance(self: Prompter, question: str, flag: str) -> str:
            assert question.startswith("Mass on the balance")
            return f"{round((before_pl - bench.truth().reservoir_pl) * 0.9982 / b)} ng"

        monkeypatch.setattr(Prompter, "line", balance)
        flags = ("--volume", "100 uL", "--duration", "20 min", "--density", "0.9982 g/mL")
        flags += ("--mass-uncertainty", "0.01 mg", "--json")
        done = quick_thecal("calibrate", *flags, port=emulator.port)
        assert done.code == 0, done.err
        assert "40000 steps were made" in done.err
    found = json.loads(done.out)
    assert found["set_pl"] == 2500
    assert found["step_volume_pl"] == 2500 * num // den
    assert found["change_it"] is (num != den)


def test_a_calibration_that_a_fault_cuts_short(
    quick_thecal: Thecal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What was counted by then is not offered as a run."""
    bench_therapy = changed(tmp_path, 'mode = "continuous"\ndose = "2.4 mg/day"', 'mode = "stopped"')
    with Emulator(seed=1) as emulator:
        program(emulator, bench_therapy)

        def fault() -> None:
            emulator.bench.inject("planner_fault", kind="runaway")
            emulator.bench.advance_by(60_000_000)

        monkeypatch.setattr("thecal.guided.counted._pause", fault)
        flags = ("--volume", "100 uL", "--duration", "20 min", "--density", "0.9982 g/mL")
        flags += ("--mass-uncertainty", "0.01 mg", "--mass", "99.8 mg", "--json")
        assert "did not come to its end" in quick_thecal("calibrate", *flags, port=emulator.port).error


def test_calibration_by_its_formula():
    runs = [Run(40_000, 99_900_000), Run(40_000, 100_100_000), Run(20_000, 50_050_000)]
    found = calibrate(
        runs, 998_200_000, mass_uncertainty_ng=20_000, density_uncertainty_ng_per_ml=200_000, set_pl=2500
    )
    b = (1 - 0.0012 / 8) / (1 - 0.0012 / 0.9982)
    volumes = [b * run.mass_ng * 10**9 / 998_200_000 / run.steps for run in runs]
    errors = [
        v * math.sqrt((20_000 / r.mass_ng) ** 2 + 1 / 3 / r.steps**2)
        for v, r in zip(volumes, runs, strict=True)
    ]
    weights = [e**-2 for e in errors]
    mean = sum(w * v for w, v in zip(weights, volumes, strict=True)) / sum(weights)
    scatter = sum(w * (v - mean) ** 2 for w, v in zip(weights, volumes, strict=True)) / 2 / sum(weights)
    u = math.sqrt(max(scatter, 1 / sum(weights)) + (mean * 0.0002 / 0.9982) ** 2)
    assert found.step_volume_pl == round(mean)
    assert found.uncertainty_pl == pytest.approx(2 * u)
    assert found.differs == (abs(round(mean) - 2500) > 2 * u)
    assert any("set is 2.5 nL" in line for line in found.words())


def test_calibration_of_weighed_runs(quick_thecal: Thecal):
    flags = ("--density", "0.9982 g/mL", "--mass-uncertainty", "0.02 mg", "--no-input")
    done = quick_thecal("calibrate", "--run", "40000:99.7 mg", "--run", "40000:99.8 mg", *flags)
    assert done.code == 0, done.err
    assert 'in the therapy file: step_volume = "2.5' in done.out
    for run, said in (
        ("40000", "is no run"),
        ("x:1 mg", "is no run"),
        ("40000:99.7", "has no unit"),
        ("40:0.1 mg", "too few to weigh"),
        ("40000:997 g", "above the highest step volume"),
    ):
        assert said in quick_thecal("calibrate", "--run", run, *flags).err, run
    heavy = ("--density", "20 g/mL", "--mass-uncertainty", "0.02 mg", "--no-input")
    assert "has this density" in quick_thecal("calibrate", "--run", "40000:99.7 mg", *heavy).error
    assert quick_thecal("calibrate").code == 2
    assert "--density" in quick_thecal("calibrate", "--run", "40000:99.7 mg", "--no-input").error


def test_answers_that_never_make_sense_end(monkeypatch: pytest.MonkeyPatch):
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO("q\n" * 20))
    with pytest.raises(ThecalError, match="in 5 tries: nothing was changed"):
        Prompter().choice("?", [("a", "b")], "--x")
    from thecal.quantities import MASS

    with pytest.raises(ThecalError, match="in 5 tries: nothing was changed"):
        Prompter().quantity("?", MASS, "--x")


class Person:
    """Answers questions by what they ask; may press the button, or pull the plug, before answering."""

    def __init__(self, emulator: Emulator, answers: dict[str, str], at: str = "", act: Any = None) -> None:
        self.answers, self.at, self.act = answers, at, act
        self.emulator = emulator
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
        if question.startswith("Press the pump's button") or "press the pump's button" in question:
            self.emulator.bench.press_button()
            return ""
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
    person = Person(therapy, answers)

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
    done = quick_thecal("session", "--dose", "2.6 mg/day", "--yes", port=therapy.port)
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
        person = Person(emulator, {"Program this": "y", "dry or primed": "d", "Prime now": "y"})
        monkeypatch.setattr(Prompter, "line", person.line)
        done = quick_thecal("implant", "--therapy", MORPHINE, port=emulator.port)
        assert done.code == 0, done.err
        assert "Press the pump's button, then Enter:" in person.asked
        with Client.connect(emulator.port) as client:
            assert client.status().bolus == "prime"
        assert commands_of(quick_thecal) == ["implant"]
        assert running(emulator)["name"] == "Constant morphine"


def test_an_implant_without_the_button_says_what_was_done(quick_thecal: Thecal, kept: Path):
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
        emulator.bench.press_button()
        assert quick_thecal("implant", *flags, port=emulator.port).code == 0
        with Client.connect(emulator.port) as client:
            assert client.status().bolus == "prime"


def test_a_limit_that_rises_asks_for_the_button(
    quick_thecal: Thecal, therapy: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    flags = ("--limit-24h", "7 mg", "--yes")
    done = quick_thecal("session", *flags, "--no-input", port=therapy.port)
    assert "needs_button" in done.err
    assert running(therapy)["drugs"][0]["max_dose_24h_ng"] == 6_000_000
    person = Person(therapy, {"Report to": ""})
    monkeypatch.setattr(Prompter, "line", person.line)
    assert quick_thecal("session", *flags, port=therapy.port).code == 0
    assert person.asked[0].startswith("Press the pump's button")
    assert running(therapy)["drugs"][0]["max_dose_24h_ng"] == 7_000_000


def test_a_new_filling_with_a_higher_limit_is_not_half_recorded(
    quick_thecal: Thecal, therapy: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    weaker = changed(tmp_path, *NEW)
    weaker.write_text(weaker.read_text().replace('max_dose_24h = "6 mg"', 'max_dose_24h = "7 mg"'))
    flags = ("--volume", "40 mL", "--residual", "39 mL", "--no-bridge", "--yes")
    done = quick_thecal("replace", weaker, *flags, "--no-input", port=therapy.port)
    assert "A limit rises: press the pump's button" in done.err
    with Client.connect(therapy.port) as client:
        assert not [event for event in client.events() if event.kind == "refilled"]
    person = Person(therapy, {})
    monkeypatch.setattr(Prompter, "line", person.line)
    done = quick_thecal("replace", weaker, *flags, port=therapy.port)
    assert done.code == 0, done.err
    assert running(therapy)["drugs"][0]["max_dose_24h_ng"] == 7_000_000


def test_guided_work_fills_the_store(quick_thecal: Thecal, therapy: Emulator, kept: Path, tmp_path: Path):
    weaker = changed(tmp_path, *NEW)
    flags = ("--volume", "40 mL", "--residual", "39 mL", "--bridge", "--yes", "--no-input")
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
        {"was filled in": "40 mL", "came out": "39 mL", "Bridge": "b", "Record": "y"},
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

            monkeypatch.setattr("thecal.cli.common.optional_answer_to", reply)
            monkeypatch.setattr("thecal.cli.service.optional_answer_to", reply)
            monkeypatch.setattr("thecal.cli.common.ask", reply)
        else:
            if workflow == "implant":
                emulator.bench.press_button()
            person = Person(emulator, answers, at, emulator.kill)
            monkeypatch.setattr(Prompter, "line", person.line)
        done = quick_thecal(*words, port=emulator.port)
        assert done.code == 1, done
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
        monkeypatch.setattr("thecal.guided.counted._pause", emulator.kill)
        flags = (
            "--volume",
            "1 uL",
            "--duration",
            "1 min",
            "--density",
            "1 g/mL",
            "--mass-uncertainty",
            "1 mcg",
        )
        done = quick_thecal("calibrate", *flags, port=emulator.port)
        assert "amid the run: the pump may go on with it" in done.error
