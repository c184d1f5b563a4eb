"""`thecal refill`: what is expected, what came out, the trend, lot and stability, pocket fill, next date."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.pressing import presses
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client

from .conftest import MORPHINE, Thecal, changed, program

DAY_US = 86_400_000_000
SET = ("--volume", "40 mL", "--residual")


@pytest.fixture
def filled() -> Iterator[Emulator]:
    """A pump that runs the morphine example, on 2026-01-05, its reservoir full."""
    with Emulator(seed=1) as emulator:
        program(emulator, MORPHINE)
        yield emulator


@pytest.fixture
def quickly(tmp_path: Path) -> Iterator[Emulator]:
    """The same with a fifth of the concentration, so in a fifth of the days, and in large steps."""
    path = changed(tmp_path, '"20 mg/mL"', '"4 mg/mL"')
    path.write_text(path.read_text().replace('"2.5 nL"', '"25 nL"'))
    with Emulator(seed=1) as emulator:
        program(emulator, path)
        yield emulator


def refilled(thecal: Thecal, pump: Emulator, *arguments: str) -> dict[str, object]:
    done = thecal("refill", *arguments, "--yes", "--json", port=pump.port)
    assert done.code == 0, done
    document: dict[str, object] = json.loads(done.out)
    return document


@pytest.mark.req("RES-03", part="at the command line")
def test_a_refill_that_is_off_is_flagged_before_it_is_recorded(quick_thecal: Thecal, filled: Emulator):
    asked = quick_thecal("refill", *SET, "35 mL", port=filled.port, stdin="n\n")
    assert asked.code == 1
    assert "The pump counts 40 mL left." in asked.out
    assert "the pump counted 40 mL left" in asked.out
    assert "That is 5 mL less than counted." in asked.out
    assert "ATTENTION: more than 2 mL apart" in asked.out
    status = json.loads(quick_thecal("status", "--json", port=filled.port).out)
    assert status["reservoir_nl"] == "40000000"  # nothing was recorded


def test_the_document(quick_thecal: Thecal, quickly: Emulator):
    quickly.bench.advance_by(20 * DAY_US)
    document = refilled(
        quick_thecal, quickly, *SET, "28.1 mL", "--lot", "A-17", "--stable", "40 d", "--measured", "39.8 mL"
    )
    day = document.pop("stable_until")
    assert document == {
        "schema": 1,
        "volume_nl": "40000000",
        "filled_nl": "40000000",
        "counted_nl": "28000000",
        "residual_nl": "28100000",
        "difference_nl": "100000",
        "missed_nl": "0",
        "ratio": "0.992",
        "suspicious": False,
        "trend": {"refills": 1, "ratio": "0.992", "suspicious": False, "ratios": ["0.992"]},
        "outcome": "carried_out",
        "lot": "A-17",
        "label": None,
        "measured_nl": "39800000",
        "pocket_fill": False,
        "refill_by": f"{day}T00:00:00",
        "refill_reason": "stability",
    }
    status = json.loads(quick_thecal("status", "--json", port=quickly.port).out)
    assert status["reservoir_nl"] == "40000000"
    assert status["refill_reason"] == "stability"
    shown = json.loads(quick_thecal("refill", "--show", "--json", port=quickly.port).out)
    assert (shown["lot"], shown["filled_nl"]) == ("A-17", "40000000")
    assert [check["ratio"] for check in shown["checks"]] == ["0.992"]


@pytest.mark.req("RES-03", part="small differences that all go one way show in the trend")
def test_the_trend(quick_thecal: Thecal, quickly: Emulator):
    for days in (6, 6, 6):  # 3.6 mL by count, a fifth more in truth
        quickly.bench.advance_by(days * DAY_US)
        document = refilled(quick_thecal, quickly, *SET, "35.68 mL")
    assert document["suspicious"] is False
    assert document["trend"] == {
        "refills": 3,
        "ratio": "1.2",
        "suspicious": True,
        "ratios": ["1.2", "1.2", "1.2"],
    }
    words = quick_thecal("refill", "--show", port=quickly.port).out
    assert "Flow over the last 3 refills: +20.0 %" in words
    assert "ATTENTION" in words


def test_what_is_missing_is_asked_for(quick_thecal: Thecal, filled: Emulator):
    answers = "39.9 mL\n40 mL\nmorphine 20 mg/mL\n40 mL\nB-2\n2030-01-31\ny\n"
    done = quick_thecal("refill", port=filled.port, stdin=answers)
    assert done.out.splitlines()[-1] == "The refill is on record."
    assert "Lot B-2, good until 2030-01-31." in done.out
    assert "What came out" in done.err
    assert quick_thecal("refill", "--yes", port=filled.port).code == 2
    assert "--residual is missing" in quick_thecal("refill", "--yes", port=filled.port).err


def test_a_pocket_fill_stops_the_pump(quick_thecal: Thecal, filled: Emulator):
    asked = quick_thecal("refill", *SET, "40 mL", "--measured", "37 mL", port=filled.port, stdin="y\n")
    assert "POSSIBLE POCKET FILL" in asked.out
    filled.bench.advance_by(60_000_000)
    assert "pocket_fill  critical" in quick_thecal("alarms", port=filled.port).out
    assert json.loads(quick_thecal("status", "--json", port=filled.port).out)["state"] == "halted"


def weaker(folder: Path) -> str:
    """The same doses at half the concentration."""
    path = folder / "weaker.toml"
    path.write_text(MORPHINE.read_text().replace("20 mg/mL", "10 mg/mL"))
    return str(path)


def state_of(pump: Emulator) -> tuple[object, ...]:
    with Client.connect(pump.port) as client:
        program = client.running_program()
        assert program is not None
        drugs: Any = program["drugs"]
        kinds = [e.kind for e in client.events() if e.kind in ("refilled", "program_committed")]
        return drugs[0]["concentration_ng_per_ml"], client.status().reservoir_pl, kinds


@pytest.mark.req("DEL-13", part="at the command line")
def test_a_refill_with_its_program(
    quick_thecal: Thecal, filled: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    therapy = weaker(tmp_path)
    before = state_of(filled)
    no = quick_thecal(
        "refill", *SET, "40 mL", "--program", therapy, port=filled.port, stdin="A\n2030-01-31\nn\n"
    )
    assert no.code == 1
    assert "10 mg/mL" in no.out
    assert state_of(filled) == before
    said = presses(monkeypatch, filled)
    document = refilled(quick_thecal, filled, *SET, "40 mL", "--lot", "A", "--program", therapy)
    assert len(said) == 1  # one press for both
    assert document["lot"] == "A"
    assert isinstance(document["program"], dict)
    assert state_of(filled) == (
        10_000_000,
        40_000_000_000,
        ["program_committed", "refilled", "program_committed"],
    )
    with Client.connect(filled.port) as client:
        both = [e for e in client.events() if e.kind in ("refilled", "refill_checked", "program_committed")]
    assert len({(e.at.total_us, e.ref) for e in both[1:]}) == 1
    assert both[-1].ref


@pytest.mark.req("DEL-13", part="refused as a whole, in one line")
def test_a_refill_with_a_program_that_is_refused(quick_thecal: Thecal, filled: Emulator, tmp_path: Path):
    before = state_of(filled)
    flags = (*SET, "40 mL", "--yes", "--program")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(MORPHINE.read_text().replace("2.4 mg/day", "0.001 mg/day"))
    for more, said in (
        ([str(wrong)], "basal"),
        (
            [weaker(tmp_path), "--measured", "30 mL"],
            "no program starts out of a pocket, and nothing was changed",
        ),
    ):
        done = quick_thecal("refill", *flags, *more, port=filled.port)
        assert done.code == 1, done
        assert said in done.error
        assert state_of(filled) == before


def test_wrong_usage(quick_thecal: Thecal, filled: Emulator):
    assert quick_thecal("refill", "--volume", "30", "--residual", "1 mL", port=filled.port).code == 2
    assert quick_thecal("refill", *SET, "1 mL", "--expiry", "soon", port=filled.port).code == 2
    expired = quick_thecal("refill", *SET, "40 mL", "--expiry", "1999-01-01", "--yes", port=filled.port)
    assert expired.code in (1, 2)


def test_a_pump_without_a_program(quick_thecal: Thecal, blank: Emulator):
    assert "has no program" in quick_thecal("refill", *SET, "1 mL", "--yes", port=blank.port).error
