"""What the syringe's label says, against program and reservoir, before anything is recorded."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.pressing import presses
from thecal import Pump
from thecal.emulator.emulator import Emulator
from thecal.errors import ThecalError
from thecal.link.client import Client
from thecal.therapy.refill_label import Label, check, parse_drugs

from .conftest import MORPHINE, Thecal, changed, program

FILL = ("refill", "--volume", "40 mL", "--residual", "40 mL")
TOGETHER = "refill and program go together: thecal refill --program THERAPY.toml"
# label, its volume, what is said against it
DIFFERENT = (
    ("morphine 10 mg/mL", "", "the label says morphine 10 mg/mL, the program morphine 20 mg/mL"),
    ("morphine 19.999999 mg/mL", "", "the program morphine 20 mg/mL"),
    ("hydromorphone 20 mg/mL", "", "the label says hydromorphone 20 mg/mL, the program morphine 20 mg/mL"),
    ("diamorphine 20 mg/mL", "", "the label says diamorphine 20 mg/mL, the program morphine 20 mg/mL"),
    ("saline 20 mg/mL", "", "the label says saline 20 mg/mL, the program morphine 20 mg/mL"),
    ("morphine 20 mg/mL + bupivacaine 5 mg/mL", "", "bupivacaine 5 mg/mL, which the program does not have"),
    ("morphine+bupivacaine 20 mg/mL", "", '"morphine" says no concentration'),
)
BAD = (
    ("morphine 20 mg", "", '"20 mg" is a mass where a concentration is due'),
    ("morphine 800 mg/40 mL", "", '"800 mg/40 mL" is not a concentration'),
    ("morphine 2 %", "", 'no unit "%" is known'),
    ("morphine 20", "", '"20" has no unit'),
    ("morphine", "", '"morphine" says no concentration; write each drug with its concentration'),
    ("20 mg/mL", "", '"20 mg/mL" names no drug'),
    ("morphine 20 mg/mL +", "", "a label says drug and concentration"),
    ("morphine 20 mg/mL", "40 mg", '"40 mg" is a mass where a volume is due'),
)


@pytest.fixture(scope="module")
def filled() -> Iterator[Emulator]:
    with Emulator(seed=1) as emulator:
        program(emulator, MORPHINE)
        yield emulator


def recorded(pump: Emulator) -> list[str]:
    """The programs and refills on record."""
    with Client.connect(pump.port) as client:
        return [event.kind for event in client.events() if event.kind in ("refilled", "program_committed")]


@pytest.mark.req("RES-08", part="refused with words, nothing recorded, with every yes")
def test_a_label_that_differs_is_passed_by_no_yes(quick_thecal: Thecal, filled: Emulator):
    before = recorded(filled)
    yes = ("--yes", "--confirm-large-change", "--confirm-soft-limits")
    for label, _, said in DIFFERENT:
        done = quick_thecal(*FILL, "--label", label, *yes, port=filled.port)
        assert said in done.err, done
        if done.code == 1:
            assert TOGETHER in done.error
        assert recorded(filled) == before
    for volume, said in (
        ("41 mL", "the label says 41 mL, and the reservoir holds 40 mL"),
        ("20 mL", "the label says 20 mL, and 40 mL was filled in"),
    ):
        done = quick_thecal(
            *FILL, "--label", "morphine 20 mg/mL", "--label-volume", volume, *yes, port=filled.port
        )
        assert said in done.error
    done = quick_thecal(*FILL, "--expiry", "2025-12-31", *yes, port=filled.port)
    assert "the drug expired on 2025-12-31, and today is" in done.error
    assert recorded(filled) == before


@pytest.mark.req("RES-08", part="what is no label")
def test_a_label_in_other_units_is_wrong_usage(quick_thecal: Thecal, filled: Emulator):
    for label, volume, said in BAD:
        flags = ("--label-volume", volume) if volume else ()
        done = quick_thecal(*FILL, "--label", label, *flags, "--yes", port=filled.port)
        assert (done.code, done.err.count("\n")) == (2, 1), done
        assert said in done.err
    alone = quick_thecal(*FILL, "--label-volume", "40 mL", "--yes", port=filled.port)
    assert (alone.code, "--label-volume goes with --label" in alone.err) == (2, True)


@pytest.mark.req("RES-08", part="asked of a person, who cannot answer it away")
def test_a_person_is_asked(quick_thecal: Thecal, filled: Emulator):
    before = recorded(filled)
    said = quick_thecal(
        "refill", port=filled.port, stdin="40 mL\n40 mL\nmorphine 10 mg\nmorphine 10 mg/mL\n40 mL\n\n\ny\ny\n"
    )
    assert said.code == 1
    assert "The syringe's label: drug and concentration" in said.err
    assert '"10 mg" is a mass where a concentration is due' in said.err
    assert TOGETHER in said.err
    assert recorded(filled) == before
    no = quick_thecal(
        "refill", port=filled.port, stdin="40 mL\n40 mL\nMorphine-Sulfate 20000 mcg/mL\n40 mL\nA\n\nn\n"
    )
    assert "The label says Morphine-Sulfate 20 mg/mL, 40 mL: as the program." in no.out
    unread = quick_thecal("refill", port=filled.port, stdin="40 mL\n40 mL\n\n\n\nn\n")
    assert "not read: what was filled in is not held against the program" in unread.err
    assert "The label says" not in unread.out
    assert recorded(filled) == before


@pytest.mark.req("RES-08", part="with a program the label is held against that one; replace too")
def test_with_the_program_of_what_is_in_the_syringe(
    quick_thecal: Thecal, filled: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    weaker = changed(tmp_path, '"20 mg/mL"', '"10 mg/mL"')
    presses(monkeypatch, filled)
    before = recorded(filled)
    for command in ((*FILL, "--program", weaker), ("replace", weaker, *FILL[1:], "--no-bridge")):
        done = quick_thecal(*command, "--label", "morphine 20 mg/mL", "--yes", port=filled.port)
        assert "the label says morphine 20 mg/mL, the program morphine 10 mg/mL" in done.error
        assert "take the therapy file of what is in the syringe" in done.error
        assert recorded(filled) == before
    answers = "40 mL\n40 mL\nmorphine 20 mg/mL\n40 mL\n\n\n"
    guided = quick_thecal("replace", weaker, port=filled.port, stdin=answers)
    assert "the program morphine 10 mg/mL" in guided.err
    assert recorded(filled) == before
    label = ("--label", "morphine 10 mg/mL", "--label-volume", "40 mL", "--lot", "L-3")
    done = quick_thecal(*FILL, "--program", weaker, *label, "--yes", "--json", port=filled.port)
    document = json.loads(done.out)
    drugs = [{"name": "morphine", "concentration_ng_per_ml": "10000000"}]
    assert document["label"] == {"drugs": drugs, "volume_nl": "40000000"}
    assert document["lot"] == "L-3"
    assert recorded(filled) == [*before, "refilled", "program_committed"]
    with Pump(filled.port) as pump:
        with pytest.raises(ThecalError, match="the program morphine 10 mg/mL"):
            pump.propose_refill("40 mL", residual="40 mL", label="morphine 20 mg/mL")
        with pytest.raises(ThecalError, match="said without its drug"):
            pump.propose_refill("40 mL", residual="40 mL", label_volume="20 mL")


@pytest.mark.req("RES-08", part="mixtures, drug by drug")
def test_every_drug_of_a_mixture():
    drugs = [
        {"name": "Morphine HCl", "concentration_ng_per_ml": 10_000_000},
        {"name": "bupivacaine", "concentration_ng_per_ml": 5_000_000},
        {"name": "adjuvant X", "concentration_ng_per_ml": 1_000},
    ]

    def against(text: str) -> str:
        try:
            check(Label(parse_drugs(text)), drugs, reservoir_pl=1, filled_pl=1, with_program=False)
        except ThecalError as error:
            return error.message
        return ""

    right = "adjuvant-x 1 mcg/mL + bupivacaine 5000 mcg/mL + morphine: 10 mg/mL"
    assert against(right) == ""
    assert against(right.replace("1 mcg", "1 mg")) == (
        "the label says adjuvant-x 1 mg/mL, the program adjuvant X 1 mcg/mL"
    )
    assert against(right.replace("adjuvant-x", "adjuvant Y")).endswith("the program adjuvant X 1 mcg/mL")
    assert against("morphine 10 mg/mL + bupivacaine 5 mg/mL") == (
        "the label says nothing of adjuvant X 1 mcg/mL, which the program has"
    )
    assert against("fentanyl 10 mg/mL") == (
        "the label says fentanyl 10 mg/mL, the program Morphine HCl 10 mg/mL + bupivacaine 5 mg/mL + "
        "adjuvant X 1 mcg/mL"
    )
