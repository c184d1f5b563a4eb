"""An oral dose of morphine as an intrathecal one: advice, exact, the smaller of two, in one direction."""

import json
import tomllib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.cli.conftest import MORPHINE, Thecal, changed, program, quick_thecal  # noqa: F401
from thecal.emulator.emulator import Emulator
from thecal.errors import ThecalError, TherapyError
from thecal.link.client import Client
from thecal.therapy.drug_library import store
from thecal.therapy.drug_library.model import read_model
from thecal.therapy.oral_dose import advise, parse_oral

MORPHINE_ORAL = ("--drug", "morphine", "--from", "oral")
REFUSED = (
    (("90 mg", *MORPHINE_ORAL), 2, '"90 mg" is a mass where a dose per time is due, for example "90 mg/day"'),
    (("90", *MORPHINE_ORAL), 2, '"90" has no unit'),
    (("90 mg/h", *MORPHINE_ORAL), 2, '"90 mg/h" is not said per day; add up what is taken in a day'),
    (("90 mL/day", *MORPHINE_ORAL), 2, "is a volume per time where a dose per time is due"),
    (("0 mg/day", *MORPHINE_ORAL), 2, '"0 mg/day" is zero'),
    (("90 mg/day", "--drug", "morphine"), 2, "Missing option '--from'"),
    (("90 mg/day", "--drug", "hydromorphone", "--from", "oral"), 1, "a ratio is known of morphine alone"),
    (("90 mg/day", "--drug", "diamorphine", "--from", "oral"), 1, 'nothing of intrathecal "diamorphine"'),
    (("90 mg/day", "--drug", "morphine+baclofen", "--from", "oral"), 1, "a ratio is known of morphine alone"),
    (("0.3 mg/day", "--drug", "morphine", "--from", "intrathecal"), 1, "could be an overdose of many times"),
    (("90 mg/day", "--drug", "morphine", "--from", "iv"), 1, 'no ratio is known from "iv"'),
)


@pytest.mark.req("HOST-32", part="figure, start dose, the smaller, ratio, dispute and source")
def test_the_worked_example(quick_thecal: Thecal):  # noqa: F811
    said = quick_thecal("convert", "90 mg/day", *MORPHINE_ORAL)
    for words in (
        "Oral 90 mg/day of morphine: 300 mcg/day intrathecally, at 300 to 1",
        "Usual start of morphine: 100 mcg/day to 500 mcg/day",
        "The smaller of the two: 300 mcg/day, by the ratio.",
        "disputed, 12 to 1 to 300 to 1",
        "the same oral dose would be 7.5 mg/day",
        "Advice, and no order",
    ):
        assert words in " ".join(said.out.split()), said
    document = json.loads(quick_thecal("convert", "240 mg/day", *MORPHINE_ORAL, "--json").out)
    assert document["intrathecal_ng_per_day"] == "800000"
    assert document["start_ng_per_day"]["high"] == document["smaller_ng_per_day"] == "500000"
    assert document["source"].startswith("thecal clinical notes")
    assert "check the unit" in quick_thecal("convert", "90 g/day", *MORPHINE_ORAL).out


@pytest.mark.req("HOST-32", part="all else is refused with the reason, in one line")
def test_what_is_refused(quick_thecal: Thecal):  # noqa: F811
    for words, code, said in REFUSED:
        done = quick_thecal("convert", *words)
        assert (done.code, done.out, done.err.count("\n")) == (code, "", 1), done
        assert said in done.err


@pytest.mark.req("HOST-32", part="exact, and never above figure or start")
@given(st.integers(1, 10**12))
def test_the_smaller_of_two(oral_ng: int):
    found = advise(oral_ng, "Morphine")
    assert found.smaller == min(Fraction(oral_ng, 300), Fraction(500_000))
    document = found.as_json()
    assert Fraction(str(document["smaller_ng_per_day"])) <= found.smaller
    assert document["unusual"] is (oral_ng > 300 * 15_000_000)
    assert parse_oral(f"{oral_ng} ng/day") == oral_ng


@pytest.mark.req("HOST-32", part="beside a review and in the menu; it fills in nothing")
def test_beside_a_review_and_in_the_menu(quick_thecal: Thecal, tmp_path):  # noqa: F811
    smaller = "advice: The smaller of the two: 300 mcg/day, by the ratio."
    other = changed(tmp_path, 'name = "morphine"', 'name = "fentanyl"')
    with Emulator(seed=1) as emulator:
        first = quick_thecal("program", MORPHINE, "--oral", "90 mg/day", port=emulator.port, stdin="n\n")
        assert "above the usual start of morphine" in first.out
        assert smaller in first.out
        for words in (("program", other), ("implant", "--dry", "--therapy", other)):
            done = quick_thecal(*words, "--oral", "90 mg/day", "--yes", port=emulator.port)
            assert "a ratio is known of morphine alone" in done.error
        with Client.connect(emulator.port) as client:
            assert client.running_program() is None
        program(emulator, MORPHINE)
        menu = quick_thecal("session", port=emulator.port, stdin="a\n90 mg\n90 mg/day\n0\n\n")
        assert "The smaller of the two: 300 mcg/day" in menu.out
        assert "Nothing was changed." in menu.out
        flags = ("session", "--dose", "2.5 mg/day", "--oral", "90 mg/day")
        assert smaller in quick_thecal(*flags, port=emulator.port, stdin="n\n").out
        document = json.loads(quick_thecal(*flags, "--yes", "--json", port=emulator.port).out)
        assert document["program"]["oral_advice"]["smaller_ng_per_day"] == "300000"
        with Client.connect(emulator.port) as client:
            program_now = client.running_program()
        assert program_now is not None
        assert program_now["basal_dose_ng_per_day"] == 2_500_000


@pytest.mark.req("HOST-32", part="a library has it for morphine alone, and may have none")
def test_the_library_says_it(monkeypatch: pytest.MonkeyPatch):
    document = tomllib.loads(store.SHIPPED.read_text())
    del document["signature"]
    morphine, hydromorphone = document["drug"][:2]
    hydromorphone["oral"] = morphine["oral"]
    with pytest.raises(TherapyError, match=r"take \[drug.oral\] out of hydromorphone"):
        read_model(document)
    del hydromorphone["oral"]
    morphine["oral"] = {**morphine["oral"], "least": 301}
    with pytest.raises(TherapyError, match="its least is above its ratio"):
        read_model(document)
    morphine["oral"] = {**morphine["oral"], "ratio": 0}
    with pytest.raises(TherapyError):
        read_model(document)
    del morphine["oral"]
    without = store.Library(store.SHIPPED, read_model(document), bytes(32), "")
    monkeypatch.setattr(store, "current", lambda: without)
    with pytest.raises(ThecalError, match="has not an oral ratio of morphine"):
        advise(90_000_000, "morphine")
