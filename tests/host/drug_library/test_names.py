"""Drugs by the words of their names: whatever a person writes, the rules of what it means hold."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.cli.conftest import MORPHINE, Thecal
from host.therapy.samples import errors_of
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client
from thecal.therapy.drug_library import names, rules, store
from thecal.therapy.encode import to_wire
from thecal.therapy.load import parse_model, parse_therapy

TEXT = MORPHINE.read_text()
KNOWN = [drug.name for drug in store.load(store.SHIPPED).file.drugs]
SPELLINGS = (
    "baclofen, PF",
    "baclofen(PF)",
    "baclofen.",
    "Baclofen_hcl",
    "baclofen+mor",
    "PF-baclofen",
    "BACLOFEN",
    "bac-lofen",
    "b.a.c.l.o.f.e.n",
    "baclofene",
    "b\u00e1clofen",
    "\u0431aclofen".replace("\u0431", "b\u0323"),
    "bac\u200blofen",
    "ba\u0441lofen",  # a Cyrillic letter
    "\uff42\uff41\uff43lofen",
)


@pytest.mark.req("BOL-14", "HOST-17", part="baclofen in every spelling")
@pytest.mark.parametrize("name", [*SPELLINGS, "\uff42\uff41\uff43\uff4c\uff4f\uff46\uff45\uff4e"])
def test_every_spelling_means_the_drug(name: str):
    assert [KNOWN[index] for index in names.meant(name, KNOWN)] == ["baclofen"]
    if len(name.encode()) <= 15 and name.isprintable():
        text = TEXT.replace('"morphine"', f'"{name}"')
        errors = [problem for problem in errors_of(text) if problem.field == "patient_bolus"]
        assert any(f"is not allowed with {name} in the pump" in problem.message for problem in errors)


def spelled(name: str) -> st.SearchStrategy[str]:
    """A name with case, accents, width, punctuation and company of its own."""
    letter = st.sampled_from(
        [
            str.upper,
            str.lower,
            lambda c: c + "\u0301",
            lambda c: unicodedata.normalize("NFC", c + "\u0301"),
            lambda c: chr(ord(c) + 0xFEE0),
            lambda c: c + "\u200d",
        ]
    )
    between = st.sampled_from(["", " ", "_", "-", ".", "\u00ad", "\u2011"])
    ends = st.sampled_from(["", " HCl", ", PF", "(0.5%)", "+x", "/saline", "\u2122"])
    many = st.lists(st.tuples(letter, between), min_size=len(name), max_size=len(name))

    def join(how: list[tuple[Any, str]], end: str) -> str:
        return "".join(change(c) + gap for c, (change, gap) in zip(name, how, strict=True)) + end

    return st.builds(join, many, ends)


@pytest.mark.req("HOST-17")
@given(st.sampled_from(KNOWN).flatmap(lambda name: st.tuples(st.just(name), spelled(name))))
def test_a_name_is_known_however_it_is_written(drawn: tuple[str, str]):
    name, written = drawn
    assert KNOWN.index(name) in names.meant(written, KNOWN)


@pytest.mark.req("HOST-17", part="words that only look alike are not known")
@pytest.mark.parametrize("name", ["saline", "balofen", "mor", "clonazepam", "morphin", "\u2014", "12"])
def test_what_is_unknown_stays_unknown(name: str):
    assert names.meant(name, KNOWN) == []


def test_the_longest_name_is_meant():
    known = ["morphine", "hydromorphine", "morphine sulfate", "MO"]
    assert names.meant("hydromorphine", known) == [1]
    assert names.meant("Morphine-Sulfate", known) == [2]
    assert names.meant("morphine + hydromorphine", known) == [0, 1]
    assert names.meant("mo", known) == [3]
    assert names.meant("mono", known) == []


@pytest.mark.req("HOST-17", part="of several the strictest")
def test_of_several_the_strictest_holds(tmp_path: Path):
    library = store.load(store.SHIPPED)
    both = library.drug("bupivacaine+clonidine")
    assert both is not None
    one, other = library.drug("bupivacaine"), library.drug("clonidine")
    assert one is not None
    assert other is not None
    assert one.dose is not None
    assert both.dose is not None
    soft = [x.dose.soft_ng_per_day for x in (one, other) if x.dose and x.dose.soft_ng_per_day]
    assert both.dose.soft_ng_per_day == min(soft)
    assert both.dose.hard_ng_per_day == one.dose.hard_ng_per_day
    assert both.rule("withdrawal")
    assert not both.rule("no_patient_bolus")
    assert both.name == "bupivacaine and clonidine"
    mixed = library.drug("baclofen+clonidin")
    assert mixed is not None
    assert mixed.name == "baclofen"
    # how long a filling keeps: at every concentration the shorter one's days
    pair = library.drug("ziconotide, morphine")
    alone = library.drug("ziconotide")
    assert pair is not None
    assert alone is not None
    for row in alone.stability:
        for ng_per_ml in (1, row.up_to_ng_per_ml - 1, row.up_to_ng_per_ml, row.up_to_ng_per_ml + 1):
            mine, its = pair.keeps(ng_per_ml), alone.keeps(ng_per_ml)
            assert (mine.days if mine else None) == (its.days if its else None)


@pytest.mark.req("HOST-17", part="one drug under two names")
@pytest.mark.parametrize(
    ("second", "said"),
    [
        ("Morphine.", '"Morphine." stands twice'),
        ("morphine PF", '"morphine PF" and "morphine" are both morphine'),
        ("mor-phine+x", '"mor-phine+x" and "morphine" are both morphine'),
    ],
)
def test_a_drug_stands_once_under_whatever_names(second: str, said: str):
    text = TEXT.replace("[basal]", f'[[drug]]\nname = "{second}"\nconcentration = "1 mg/mL"\n\n[basal]', 1)
    assert any(said in problem.message for problem in errors_of(text))


def test_the_pump_takes_no_drug_twice_in_another_case(blank: Emulator):
    values = to_wire(parse_therapy(TEXT))
    drugs, [library] = values["drugs"], values["library"]  # type: ignore[misc]
    drugs.append({**drugs[0], "name": "MORPHINE"})  # type: ignore[union-attr,index]
    library["drugs"] *= 2  # type: ignore[index]
    with Client.connect(blank.port) as client, pytest.raises(Exception, match="inconsistent"):
        client.propose_program(values)


@pytest.mark.req("HOST-17", part="an unknown drug in review and record")
def test_an_unknown_drug_is_said_to_be_one(quick_thecal: Thecal, tmp_path: Path):
    path = tmp_path / "saline.toml"
    path.write_text(TEXT.replace('"morphine"', '"saline"'))
    with Emulator(seed=1) as emulator:
        shown = quick_thecal("program", path, port=emulator.port, stdin="y\n")
        assert shown.code == 0, shown.err
        assert '"saline" is not in the drug library: no limits are known for it' in shown.out
        assert "unknown: not in the drug library" in shown.out
        with Client.connect(emulator.port) as client:
            [event] = [event for event in client.events() if event.kind == "unknown_drug"]
        assert (event.actor, event.ref) == ("clinician", 1)
        assert "drug 1 is not in the program's drug library" in quick_thecal("log", port=emulator.port).out
        rows = json.loads(quick_thecal("program", path, "--yes", "--json", port=emulator.port).out)
        assert rows["warnings"][0]["message"].startswith('"saline" is not in the drug library')


def test_a_name_that_only_contains_a_drug_is_said_to_be_taken_for_it():
    problems = list(rules.name_warnings(parse_model(TEXT.replace('"morphine"', '"morphine+x"'))))
    assert [problem.message for problem in problems] == [
        '"morphine+x" is taken for morphine, whose limits and rules hold for it'
    ]
    assert list(rules.name_warnings(parse_model(TEXT.replace('"morphine"', '"Morphine."')))) == []


@pytest.mark.req("BOL-14", "DEL-14", part="a program without a library section")
def test_a_program_that_says_nothing_of_its_drugs_gets_no_patient_bolus(blank: Emulator):
    values = to_wire(parse_therapy(TEXT))
    values["library"] = []
    with Client.connect(blank.port) as client:
        with pytest.raises(Exception, match="drug_rule"):
            client.propose_program(values)
        values["patient_bolus"] = []
        client.commit(client.propose_program(values).digest)
        assert [x["name"] for x in client.running_program()["drugs"]] == ["morphine"]  # type: ignore[index,union-attr]


@pytest.mark.req("DEL-14", "DEL-04", part="the withdrawal rule of any drug, from outside")
@pytest.mark.parametrize(("name", "critical"), [("clonidine PF", True), ("fentanyl", False)])
def test_under_infusion_is_of_the_class_that_the_library_says(tmp_path: Path, name: str, critical: bool):
    text = TEXT.replace('"morphine"', f'"{name}"').replace(" mg", " mcg")
    with Emulator(seed=1) as emulator, Client.connect(emulator.port) as client:
        client.commit(client.propose_program(to_wire(parse_therapy(text))).digest)
        for _ in range(40):  # a fifth of the steps is missed, never enough in a row for a stall
            emulator.bench.motor_stall(10_000_000)
            emulator.bench.advance_by(50_000_000)
        [alarm] = client.alarms().standing
    assert (alarm.name, alarm.critical) == ("under_infusion", critical)
