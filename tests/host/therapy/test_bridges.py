"""Bridges asked for: filled in from the running program, worked out for every drug, refused by name."""
# ruff: noqa: E501 -- messages are quoted whole

from fractions import Fraction

import pytest

from host.therapy.samples import BASAL, DRUG, HEAD, MORPHINE, flex, morphine, wire, with_lines
from thecal.commands.program import prepare
from thecal.errors import TherapyError
from thecal.therapy.check import check
from thecal.therapy.checked import CheckedTherapy
from thecal.therapy.encode import to_wire
from thecal.therapy.judge import replacing
from thecal.therapy.load import parse_therapy
from thecal.therapy.settings_diff import from_wire

OLD = morphine(concentration="10 mg/mL", dose="5 mg/day")
NEW = with_lines(MORPHINE, dose="5 mg/day")
SECOND = '[[drug]]\nname = "bupivacaine"\nconcentration = "{}"\n'


def asking(dose: str = "", text: str = NEW) -> CheckedTherapy:
    return parse_therapy(text + "[bridge]\n" + (f'dose = "{dose}"\n' if dose else ""))


def wire_bridge(therapy: CheckedTherapy, running: CheckedTherapy = OLD) -> object:
    return wire(therapy, running)["bridge"]


@pytest.mark.req("DEL-11", part="host asks for the bridge")
def test_the_old_concentration_comes_from_the_running_program():
    assert wire_bridge(asking()) == [{"dose_ng_per_day": 5_000_000, "concentration_ng_per_ml": 10_000_000}]
    assert wire_bridge(asking("4 mg/day")) == [
        {"dose_ng_per_day": 4_000_000, "concentration_ng_per_ml": 10_000_000}
    ]
    shown = {row.field: row.text for row in from_wire(wire(asking(), OLD))}
    assert (shown["bridge.dose"], shown["bridge.concentration"]) == ("5 mg/day", "10 mg/mL")


@pytest.mark.parametrize(
    ("new", "running", "dose"),
    [
        # flex: the mean of 3/7 and 4/7 of a day at 1 and 2 mg/day, rounded down
        (flex(("00:00", "1 mg/day", ["mon", "tue", "wed"]), ("00:00", "2 mg/day", ["thu"])), OLD, 1_571_428),
        # another drug: the old program goes on
        (NEW.replace("morphine", "hydromorphone").replace("5 mg/day", "1 mg/day"), OLD, 5_000_000),
        # minimum rate: 48 uL/day of 20 mg/mL
        (HEAD + DRUG + '[basal]\nmode = "minimum"\n', OLD, 960_000),
    ],
)
def test_default_doses(new: str, running: CheckedTherapy, dose: int):
    assert wire_bridge(asking(text=new), running) == [
        {"dose_ng_per_day": dose, "concentration_ng_per_ml": 10_000_000}
    ]
    bridge = check(asking(text=new), running).bridge
    assert bridge is not None
    assert bridge.dose_ng_per_day == dose


def test_a_bridge_is_never_left_out_in_silence():
    with pytest.raises(TherapyError, match=r"^bridge: asks to bridge an old filling, and no program runs"):
        to_wire(asking())
    with pytest.raises(TherapyError, match=r"^bridge: "):
        prepare(asking(), None)
    assert [w.field for w in check(asking()).warnings] == ["bridge"]


def test_every_drug_of_a_mixture_with_and_without():
    """10 mg/mL + 7.5 mg/mL to 20 mg/mL + 5 mg/mL, clonidine gone: morphine exact, the others not."""
    old = (
        HEAD
        + DRUG.replace("20", "10")
        + SECOND.format("7.5 mg/mL")
        + ('[[drug]]\nname = "clonidine"\nconcentration = "0.1 mg/mL"\n' + BASAL)
    )
    new = HEAD + DRUG + SECOND.format("5 mg/mL") + BASAL
    bridge = check(asking(text=new), parse_therapy(old)).bridge
    assert bridge is not None
    table = {
        x.name: (x.bridge_ng_per_day, x.unbridged_ng_per_day, x.intended_ng_per_day) for x in bridge.drugs
    }
    assert table == {
        "morphine": (2_400_000, 1_200_000, 2_400_000),
        "bupivacaine": (1_800_000, 900_000, 600_000),
        "clonidine": (24_000, 12_000, 0),
    }
    assert bridge.others_percent == {"bupivacaine": 300}
    assert bridge.with_in_words() == (
        "with a bridge, 335.8 uL of morphine 10 mg/mL + bupivacaine 7.5 mg/mL + clonidine 100 mcg/mL at "
        "240 uL/day for 33.6 h: morphine 2.4 mg/day (100 % of the intended dose), bupivacaine 1.8 mg/day "
        "(300 % of the intended dose), clonidine 24 mcg/day (none is intended)"
    )


def test_its_duration_follows_its_own_dose():
    bridge = check(asking("4 mg/day"), OLD).bridge
    assert bridge is not None
    assert bridge.asked
    assert bridge.rate_pl_per_day == 400_000_000
    assert bridge.duration_s == Fraction(335_800_000 * 86400, 400_000_000)
    assert bridge.unbridged_s == Fraction(335_800_000 * 86400, 250_000_000)


REFUSED = [
    (asking(), morphine(dose="2 mg/day"), "bridge",
     "the filling stays the same, morphine 20 mg/mL: there is nothing to bridge; remove [bridge]"),
    (asking("20 mg/day", with_lines(NEW, max_dose_24h="19 mg")), OLD, "bridge.dose",
     "20 mg/day of morphine passes its limit for 24 h, 19 mg"),
    (asking("99 mg/day"), morphine(concentration="4 mg/mL"), "bridge",
     "its rate of 24.75 mL/day is above limits.max_rate: the pump cannot deliver it"),
    (asking("0.4 mg/day"), OLD, "bridge",
     "its rate of 0.04 mL/day is below the lowest basal rate: the pump cannot deliver it"),
    (asking(text=HEAD + DRUG + '[basal]\nmode = "stopped"\n'), OLD, "bridge.dose",
     "no dose is delivered, so no bridge from morphine 10 mg/mL can be computed; write the dose, or remove [bridge]"),
    (asking(text=HEAD + DRUG + SECOND.format("5 mg/mL") + BASAL), morphine(), "bridge",
     "morphine stays as it is: there is nothing to bridge; remove [bridge]"),
]  # fmt: skip


@pytest.mark.req("SEC-11", "DEL-11", part="bridges that cannot be")
@pytest.mark.parametrize(("therapy", "running", "field", "message"), REFUSED, ids=range(len(REFUSED)))
def test_bridges_that_cannot_be(therapy: CheckedTherapy, running: CheckedTherapy, field: str, message: str):
    change = replacing(therapy, to_wire(running)).change
    assert change is not None
    assert [tuple(problem) for problem in change.errors][:1] == [(field, message)]
    with pytest.raises(TherapyError):
        prepare(therapy, to_wire(running))


def test_what_is_prepared():
    prepared = prepare(asking(), to_wire(OLD))
    assert prepared.values == wire(asking(), OLD)
    assert prepared.bridge is not None
    assert prepared.bridge.asked
    assert [change.field for change in prepared.changes if change.changed] == [
        "drug[1].concentration",
        "bridge.dose",
        "bridge.concentration",
    ]
    assert prepared.large_changes == []
    assert not [w for w in prepared.warnings if "without a bridge" in w.message]
    assert [w for w in prepare(parse_therapy(NEW), to_wire(OLD)).warnings if "without a bridge" in w.message]


def test_no_delay_for_a_pump_that_infuses():
    delayed = parse_therapy(NEW + '[start]\ndelay = "1 h"\n')
    with pytest.raises(TherapyError, match=r"^start\.delay: the pump is infusing"):
        prepare(delayed, to_wire(morphine()), state="infusing")
    assert prepare(delayed, to_wire(morphine()), state="stopped").values["start_delay_s"] == 3600


def test_the_lowest_and_the_highest_rate_are_allowed():
    for old, new in (
        (OLD, asking("0.48 mg/day")),
        (morphine(concentration="4 mg/mL"), asking("96 mg/day", MORPHINE.partition("[limits]")[0])),
    ):
        change = replacing(new, to_wire(old)).change
        assert change is not None
        assert change.errors == ()
