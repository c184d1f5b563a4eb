"""`check`: the figures of the contract and of the worked examples, and what it warns of."""
# ruff: noqa: E501 -- messages are quoted whole

import json
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import pytest

from host.therapy.samples import BASAL, CONSTANT, DRUG, HEAD, MORPHINE, flex, morphine, wire, with_lines
from thecal.therapy.check import check, check_files
from thecal.therapy.encode import to_wire
from thecal.therapy.load import parse_model, parse_therapy


def problems(found) -> list[tuple[str, str]]:
    return [tuple(problem) for problem in found]


def json_of(text: str, running: str | None = None) -> dict:
    report = check(parse_therapy(text), parse_therapy(running) if running else None)
    return json.loads(json.dumps(report.as_json()))


def periodic(dose: str, duration: str, every: str, first: str = "1 h") -> str:
    return f'[[periodic_bolus]]\ndose = "{dose}"\nduration = "{duration}"\nevery = "{every}"\nfirst = "{first}"\n'


@pytest.mark.req("HOST-04", part="worst case")
def test_the_example_of_the_contract():
    assert json_of(MORPHINE) == {
        "schema": 1,
        "ok": True,
        "errors": [],
        "warnings": [],
        "basal_ul_per_day": "120",
        "scheduled_24h_ng": {"morphine": "2400000"},
        "worst_case_24h_ng": {"morphine": "3000000"},
        "scheduled_1h_ng": {"morphine": "100000"},
        "dead_volume_ul": "335.8",
        "time_to_empty_s": 21888000,
        "time_to_empty_fast_s": 19116157,
        "refill_by": "2026-09-15T08:00:00",
        "start_delay_s": 0,
        "plan": [],
        "bridge": None,
        "changes": [],
    }


@pytest.mark.req("DEL-11", part="host")
def test_the_bridge_of_the_contract():
    """10 -> 20 mg/mL at 5 mg/day over 335.8 uL."""
    report = json_of(
        with_lines(MORPHINE, dose="5 mg/day"),
        with_lines(MORPHINE, dose="2.5 mg/day", concentration="10 mg/mL"),
    )
    assert report["bridge"] == {
        "asked": False,
        "dose_ng_per_day": "5000000",
        "volume_ul": "335.8",
        "rate_ul_per_day": "500",
        "duration_s": 58026,
        "unbridged_dose_percent": "50",
        "unbridged_duration_s": 116052,
        "other_drugs_percent": {},
        "drugs": {
            "morphine": {
                "bridge_ng_per_day": "5000000",
                "unbridged_ng_per_day": "2500000",
                "intended_ng_per_day": "5000000",
            }
        },
        "words": [
            "with a bridge, 335.8 uL of morphine 10 mg/mL at 500 uL/day for 16.1 h: "
            "morphine 5 mg/day (100 % of the intended dose)",
            "without a bridge, 50 % of the intended dose for 32.2 h",
        ],
    }
    assert report["changes"] == [
        {"field": "drug[1].concentration", "old": "10 mg/mL", "new": "20 mg/mL", "ratio": "2.0"},
        {"field": "basal.dose", "old": "2.5 mg/day", "new": "5 mg/day", "ratio": "2.0"},
    ]
    assert report["warnings"][:1] == [
        {
            "field": "drug[1].concentration",
            "message": "morphine 10 mg/mL is still in the catheter: without a bridge, 50 % of the intended dose for "
            "32.2 h; [bridge] asks the pump to bridge it",
        }
    ]


def test_the_worked_example_of_the_clinical_notes():
    """V_dead 0.336 mL: 0.5 mL/day for 16.128 h; without, 50 % for 32.256 h."""
    new = morphine(dose="5 mg/day", pump_tubing="140.2 uL")
    bridge = check(new, morphine(dose="5 mg/day", concentration="10 mg/mL", pump_tubing="140.2 uL")).bridge
    assert bridge is not None
    assert bridge.volume_pl == 336_000_000
    assert bridge.rate_pl_per_day == 500_000_000
    assert bridge.duration_s == Fraction(16128, 1000) * 3600
    assert bridge.unbridged_s == Fraction(32256, 1000) * 3600
    assert bridge.unbridged_percent == 50


def test_bridge_to_another_drug_goes_on_with_the_old_dose():
    report = check(
        parse_therapy(MORPHINE.replace("morphine", "hydromorphone").replace("2.4 mg", "1.2 mg")), morphine()
    )
    assert report.bridge is not None
    assert report.bridge.rate_pl_per_day == 120_000_000
    assert report.bridge.unbridged_percent == 0
    assert report.bridge.unbridged_s == Fraction(3358, 600) * 86400


def test_bridge_of_a_mixture_is_exact_for_the_primary_only():
    mixture = HEAD + DRUG + '[[drug]]\nname = "bupivacaine"\nconcentration = "5 mg/mL"\n' + BASAL
    report = check(parse_therapy(mixture), morphine(concentration="10 mg/mL"))
    assert report.bridge is not None
    assert report.bridge.others_percent == {"bupivacaine": 0}
    old = parse_therapy(with_lines(mixture, concentration="10 mg/mL"))
    bridge = check(parse_therapy(mixture), old).bridge
    assert bridge is not None
    assert bridge.others_percent == {"bupivacaine": 200}
    # morphine unchanged: nothing to bridge, and that is said
    report = check(parse_therapy(mixture), morphine())
    assert report.bridge is None
    assert problems(report.warnings)[1] == (
        "drug",
        "a bridge is exact for morphine only: meanwhile bupivacaine is at 0 % of the intended dose",
    )


def test_no_bridge_over_no_volume():
    none = MORPHINE.replace('"140 uL"', '"0 uL"').replace('"89 cm"', '"0 cm"')
    report = check(parse_therapy(none), morphine(concentration="10 mg/mL"))
    assert problems(report.errors) == [
        (
            "catheter",
            "the dead volume is 0, so no bridge from morphine 10 mg/mL can be computed; write the real one",
        )
    ]
    assert not report.ok
    assert check(parse_therapy(none)).ok


def test_no_bridge_without_a_dose():
    stopped = HEAD + DRUG + '[basal]\nmode = "stopped"\n'
    report = check(parse_therapy(stopped), morphine(concentration="10 mg/mL"))
    assert report.bridge is None
    assert (
        "basal.mode",
        "no dose is delivered, so no bridge from morphine 10 mg/mL can be computed",
    ) in problems(report.warnings)


def test_a_bridge_the_pump_cannot_deliver():
    report = check(
        morphine(dose="1 mg/day", concentration="10 mg/mL"),
        wire(parse_model(with_lines(MORPHINE, dose="1 mg/day", concentration="25 mg/mL"))),
    )
    assert problems(report.warnings)[-1] == (
        "bridge",
        "its rate of 0.04 mL/day is below the lowest basal rate: the pump cannot deliver it",
    )


def test_running_may_come_from_the_pump():
    old, new = morphine(concentration="10 mg/mL"), morphine()
    assert check(new, to_wire(old)) == check(new, old)


# Worked by hand: (therapy, scheduled ng, worst case ng, mean uL/day)
WINDOWS = [
    (CONSTANT, 2_400_000, 2_400_000, "120"),
    # a 24 h window holds five boluses 5 h apart: they start at 0, 5, 10, 15, 20 h
    (CONSTANT + periodic("0.1 mg", "5 min", "5 h"), 2_900_000, 2_900_000, "120"),
    # 10 h long every 20 h: one whole and 4 h of the next
    (CONSTANT + periodic("0.1 mg", "10 h", "20 h"), 2_540_000, 2_540_000, "120"),
    # every 36 h: one
    (CONSTANT + periodic("0.1 mg", "5 min", "36 h"), 2_500_000, 2_500_000, "120"),
    # two trains of 36 h that are 18 h apart always meet in some 24 h; 36 h with the same start do too
    (CONSTANT + periodic("0.1 mg", "5 min", "36 h") + periodic("0.2 mg", "5 min", "36 h", "19 h"),
     2_700_000, 2_700_000, "120"),
    # 72 h apart in opposite phase never do
    (CONSTANT + periodic("0.1 mg", "5 min", "72 h") + periodic("0.2 mg", "5 min", "72 h", "37 h"),
     2_600_000, 2_600_000, "120"),
    # weekend dose 4.8 mg/day from Saturday 00:00 to Monday 00:00 (set back by the Monday step)
    (flex(("00:00", "2.4 mg/day", ["mon", "tue", "wed", "thu", "fri"]), ("00:00", "4.8 mg/day", ["sat", "sun"])),
     4_800_000, 4_800_000, "154"),
    # half of Saturday and half of Sunday high: 12:00 to 12:00 holds it all; calendar days hold half
    (flex(("00:00", "2.4 mg/day", ["mon", "tue", "wed", "thu", "fri", "sat"]), ("12:00", "4.8 mg/day", ["sat"]),
          ("12:00", "2.4 mg/day", ["sun"])), 4_800_000, 4_800_000, "137"),
    # Sunday's last step runs on through a Monday without one, until Tuesday 06:00
    (flex(("06:00", "2.4 mg/day", ["tue", "wed", "thu", "fri", "sat"]), ("18:00", "7.2 mg/day", ["sun"])),
     7_200_000, 7_200_000, "171"),
    # patient: six in 24 h, or as many as the lockout lets
    (MORPHINE, 2_400_000, 3_000_000, "120"),
    (with_lines(MORPHINE, lockout="7 h"), 2_400_000, 2_800_000, "120"),
    (with_lines(MORPHINE, lockout="24 h"), 2_400_000, 2_500_000, "120"),
    # minimum rate: 48 uL/day of 20 mg/mL
    (HEAD + DRUG + '[basal]\nmode = "minimum"\n', 960_000, 960_000, "48"),
    (HEAD + DRUG + '[basal]\nmode = "stopped"\n', 0, 0, "0"),
]  # fmt: skip


@pytest.mark.req("HOST-04", "BOL-05", part="host's rolling 24 h")
@pytest.mark.parametrize(("text", "scheduled", "worst", "mean"), WINDOWS, ids=range(len(WINDOWS)))
def test_worst_24_hours(text: str, scheduled: int, worst: int, mean: str):
    report = json_of(text)
    assert report["errors"] == []
    assert report["scheduled_24h_ng"] == {"morphine": str(scheduled)}
    assert report["worst_case_24h_ng"] == {"morphine": str(worst)}
    assert report["basal_ul_per_day"] == mean


def test_every_drug_of_a_mixture():
    mixture = (
        HEAD
        + DRUG
        + '[[drug]]\nname = "bupivacaine"\nconcentration = "7 mg/mL"\n'
        + '[[drug]]\nname = "clonidine"\nconcentration = "1 mcg/mL"\n'
        + BASAL
    )
    report = json_of(mixture)
    assert report["scheduled_24h_ng"] == {"morphine": "2400000", "bupivacaine": "840000", "clonidine": "120"}


@pytest.mark.req("RES-04", part="prediction")
def test_time_to_empty_counts_every_permitted_bolus():
    # (40 - 2) mL / (120 + 4 x 5 uL/day), with one period of 12 h adding 2 x 5 uL/day
    text = with_lines(MORPHINE, lockout="6 h") + periodic("0.1 mg", "5 min", "12 h")
    assert json_of(text)["time_to_empty_s"] == round(Fraction(38_000, 150) * 86400)
    assert json_of(HEAD + DRUG + '[basal]\nmode = "stopped"\n')["time_to_empty_s"] is None


def test_start_moves_the_refill_date():
    report = check(morphine(), start=datetime(2026, 2, 1, 12, 30))
    assert report.as_json()["refill_by"] == "2026-10-12T20:30:00"


def test_stability_of_the_drug_comes_before_the_volume():
    text = with_lines(CONSTANT, dose="1.2 mcg/day", concentration="25 mcg/mL", name="x")
    report = json_of(text.replace('"morphine"', '"ziconotide"'))
    assert report["refill_by"] == "2026-02-14T00:00:00"


WARNINGS = [
    (with_lines(CONSTANT, concentration="25 mg/mL"), [
        ("drug[1].concentration", "25 mg/mL is above the usual highest concentration of morphine, 20 mg/mL (thecal "
                                  "clinical notes, drug table (provisional))"),
        ("limits.max_dose_24h", "is not set: the pump does not limit the dose of morphine in 24 h")]),
    (with_lines(MORPHINE, max_dose_24h="2.5 mg"), [
        ("limits.max_dose_24h", "2.5 mg of morphine is less than the worst case, 3 mg/day: the pump will refuse "
                                "boluses that pass it")]),
    (with_lines(MORPHINE, dose="15.1 mg/day", max_dose_24h="20 mg"), [
        ("drug[1]", "the worst 24 h hold 15.7 mg/day of morphine, above the usual highest dose, 15 mg/day (thecal "
                    "clinical notes, drug table (provisional))")]),
    (with_lines(MORPHINE, fill="2 mL"), [
        ("pump.fill", "is not above the low-reservoir volume, 2 mL: the alarm sounds at once")]),
    (with_lines(MORPHINE, low_reservoir="0.5 mL"), [
        ("alarms.low_reservoir", "is not above 500 uL, where the pump stops as empty")]),
    (with_lines(MORPHINE, reservoir="80 mL"), [
        ("pump.reservoir", "80 mL is more than any implanted pump holds")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), WARNINGS, ids=range(len(WARNINGS)))
def test_warnings(text: str, expected: list[tuple[str, str]]):
    report = check(parse_therapy(text))
    assert report.ok
    assert problems(report.warnings) == expected


def test_an_unknown_drug_is_said():
    report = check(parse_therapy(MORPHINE.replace('"morphine"', '"saline"')))
    assert problems(report.warnings) == [
        ("drug[1].name", '"saline" is not in the drug library: no limits are known for it')
    ]


@pytest.mark.req("HOST-03", part="named")
def test_large_changes_are_named():
    report = check(morphine(dose="5 mg/day"), morphine())
    assert problems(report.warnings)[-1] == (
        "basal.dose",
        "from 2.4 mg/day to 5 mg/day is more than twofold: it needs --confirm-large-change",
    )
    assert not [w for w in check(morphine(dose="4.8 mg/day"), morphine()).warnings if w.field == "basal.dose"]


def test_files(tmp_path: Path):
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(MORPHINE)
    bad.write_text(with_lines(MORPHINE, dose="2.4"))
    assert check_files(good).ok
    report = check_files(bad, good)
    assert not report.ok
    assert [problem.field for problem in report.errors] == ["basal.dose"]
    document = report.as_json()
    assert document["scheduled_24h_ng"] is None
    assert set(document) == set(check_files(good).as_json())
    report = check_files(good, bad)
    assert [problem.field for problem in report.errors] == ["running.basal.dose"]
    assert report.figures is not None
    assert not check_files(tmp_path / "none.toml").ok
