"""Guided workflows from the outside: typed at an emulated pump, scripted by flags, and wrong in every way."""

import re
from pathlib import Path

import pytest

from host.cli.conftest import MORPHINE, Thecal, changed, program
from host.workflows.helpers import NEW, running
from support.pressing import presses
from thecal.emulator.emulator import Emulator
from thecal.errors import ThecalError
from thecal.link.client import Client
from thecal.therapy.encode import to_wire
from thecal.therapy.load import load_therapy
from thecal.workflows.running import document_of, therapy_of

EXAMPLES = sorted(MORPHINE.parent.glob("*.toml"))


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


@pytest.mark.req("DEL-11", "DEL-13", part="the guided change of a concentration")
def test_another_concentration_with_its_bridge(
    quick_thecal: Thecal, therapy: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    presses(monkeypatch, therapy)
    weaker = changed(tmp_path, *NEW)
    before = running(therapy)
    label = "morphine 10 mg/mL\n40 mL\n\n\n"
    refused = quick_thecal("replace", weaker, port=therapy.port, stdin=f"40 mL\n39 mL\n{label}b\nn\n")
    assert "not confirmed" in refused.err
    assert running(therapy) == before
    with Client.connect(therapy.port) as client:
        assert not [event for event in client.events() if event.kind == "refilled"]
    done = quick_thecal("replace", weaker, port=therapy.port, stdin=f"40 mL\n39 mL\n{label}b\ny\n")
    assert done.code == 0, done.err
    assert "understood: 39 mL" in done.err
    assert "without a bridge, 200 % of the intended dose" in done.out
    now = running(therapy)
    assert now["drugs"][0]["concentration_ng_per_ml"] == 10_000_000
    assert now["bridge"] == [{"dose_ng_per_day": 2_400_000, "concentration_ng_per_ml": 20_000_000}]
    with Client.connect(therapy.port) as client:
        assert client.status().bolus == "bridge"
        both = [event for event in client.events() if event.kind in ("refilled", "program_committed")][1:]
    assert [event.kind for event in both] == ["refilled", "program_committed"]
    assert both[0].at == both[1].at
    assert both[0].ref == both[1].ref != 0


def test_another_concentration_by_flags_and_knowingly_without(
    quick_thecal: Thecal, therapy: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    presses(monkeypatch, therapy)
    weaker = changed(tmp_path, *NEW)
    flags = ("--volume", "40 mL", "--residual", "39 mL", "--yes")
    asked = quick_thecal("replace", weaker, *flags, "--no-input", port=therapy.port)
    assert "--bridge or --no-bridge" in asked.error
    done = quick_thecal("replace", weaker, *flags, "--no-bridge", port=therapy.port)
    assert done.code == 0, done.err
    assert running(therapy)["bridge"] == []


def test_nothing_to_replace(quick_thecal: Thecal, blank: Emulator):
    flags = ("--volume", "40 mL", "--residual", "1 mL", "--yes", "--no-input")
    assert (
        "there is no filling to replace" in quick_thecal("replace", MORPHINE, *flags, port=blank.port).error
    )


def test_an_implant(quick_thecal: Thecal, monkeypatch: pytest.MonkeyPatch):
    with Emulator(seed=1) as emulator:
        program(emulator, MORPHINE)
        presses(monkeypatch, emulator)
        done = quick_thecal("implant", port=emulator.port, stdin="x\nd\ny\n")
        assert done.code == 0, done.err
        assert '"x" is none of d, p' in done.err
        with Client.connect(emulator.port) as client:
            assert client.status().bolus == "prime"
            kinds = [event.kind for event in client.events()]
        assert "implant_flag_set" in kinds
    with Emulator(seed=1) as emulator:
        assert "no program" in quick_thecal("implant", "--dry", "--yes", port=emulator.port).error
