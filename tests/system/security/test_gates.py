"""What the button guards: with a clinician's key and no press nothing rises."""

import itertools

import pytest

from support.pressing import presser
from thecal.emulator.emulator import Emulator
from thecal.emulator.testbench import PumpReset
from thecal.errors import Refused
from thecal.link.client import Client

from .gates import LIBRARY, S, Values, drug, library, needs_press, program, refill, therapy


@pytest.mark.req("SEC-15", part="25 times the dose by smaller steps")
def test_the_step_volume_changes_neither_way(client: Client):
    for step_pl in (1250, 250, 100, 2499, 2501, 10_000):
        needs_press(lambda step_pl=step_pl: program(client, step_volume_pl=step_pl))
    assert client.accounts().step_volume_pl == 2500


@pytest.mark.req("SEC-15", part="a limit by way of another spelling")
def test_a_limit_does_not_rise_by_way_of_another_spelling(pump: Emulator, client: Client):
    refill(client)
    program(client, drugs=drug(name="Morphine"))  # the same drug
    refill(client)
    needs_press(lambda: program(client, drugs=drug(max_dose_24h_ng=8_000_000)))
    for name in ("morphine ", "morphine.", "Morphine-2", "mor phine", "hydromorphone", "\u0130morphine"[:10]):
        refill(client)
        needs_press(lambda name=name: program(client, drugs=drug(name=name)))
    assert client.accounts().fillings == client.accounts().fillings[:1]


@pytest.mark.req("SEC-15", part="the doses of another spelling count on")
def test_the_doses_given_under_another_spelling_count(pump: Emulator, client: Client):
    client.commit(client.propose_bolus(900_000, 600 * S).digest)
    pump.bench.advance_by(601 * S)
    refill(client)
    program(client, drugs=drug(name="MORPHINE"))
    with pytest.raises(Refused, match="limit_1h"):
        client.propose_bolus(200_000, 600 * S)


@pytest.mark.req("SEC-15", part="a filling declared weaker")
def test_a_concentration_is_not_declared_lower_or_higher(client: Client):
    for concentration in (2_000_000, 19_999_999, 20_000_001):
        refill(client)
        needs_press(lambda c=concentration: program(client, drugs=drug(concentration_ng_per_ml=c)))


NEEDED: dict[str, Values] = {
    "max_rate": {"max_rate_pl_per_day": 20_000_000_001},
    "24 h higher": {"drugs": drug(max_dose_24h_ng=6_000_001)},
    "1 h higher": {"drugs": drug(max_dose_1h_ng=1_000_001)},
    "1 h gone": {"drugs": drug(max_dose_1h_ng=0)},
    "24 h gone": {"drugs": drug(max_dose_24h_ng=0), "library": library(max_dose_24h_ng=0)},
    "a drug more": {
        "drugs": [*drug(), *drug(name="bupivacaine")],
        "library": library(drugs=LIBRARY["drugs"] * 2),
    },
    "hard dose higher": {"library": library(max_dose_24h_ng=8_000_001)},
    "hard dose gone": {"library": library(max_dose_24h_ng=0)},
    "hard concentration higher": {"library": library(max_concentration_ng_per_ml=25_000_001)},
    "hard concentration gone": {"library": library(max_concentration_ng_per_ml=0)},
    "a rule less": {"library": library(rules=0)},
    "another rule instead": {"library": library(rules=1), "patient_bolus": []},
    "no library": {"library": [], "patient_bolus": []},
    "an older one": {"library": library(version=4)},
    "far newer": {"library": library(version=5 + 1001)},
    "the last number": {"library": library(version=2**32 - 1)},
}
FREE: dict[str, Values] = {
    "nothing": {},
    "the name": {"name": "the same"},
    "max_rate lower": {"max_rate_pl_per_day": 19_999_999_999},
    "24 h lower": {"drugs": drug(max_dose_24h_ng=5_999_999)},
    "1 h lower": {"drugs": drug(max_dose_1h_ng=999_999)},
    "another case": {"drugs": drug(name="mORphine")},
    "more dose, within the limits": {"basal_dose_ng_per_day": 4_000_000},
    "no bolus": {"patient_bolus": []},
    "hard limits lower": {
        "library": library(max_dose_24h_ng=6_000_000, max_concentration_ng_per_ml=20_000_000)
    },
    "a rule more": {"library": library(rules=3), "patient_bolus": []},
    "an unknown drug is known": {"library": library(rules=6)},
    "newer": {"library": library(version=5 + 1000)},
}


@pytest.mark.req("SEC-15", "SEC-16", part="each change that needs a press, and those that do not")
def test_which_programs_need_a_press(pump: Emulator, client: Client):
    for what, changes in NEEDED.items():
        refill(client)  # so that drugs may change
        proposal = client.propose_program(therapy(**changes))
        with pytest.raises(Refused) as refused:
            client.commit(proposal.digest)
        assert refused.value.name == "needs_button", what
    for what, changes in FREE.items():
        pump.restart()  # what it needs is known from flash, too
        client.hello()
        back = {**therapy(), "library": library(version=2000)} if what == "newer" else therapy()
        assert client.commit(client.propose_program(therapy(**changes)).digest), what
        client.button = presser(pump)
        client.commit(client.propose_program(back).digest)
        client.button = None
    for what, changes in itertools.islice(NEEDED.items(), 0, None, 3):
        client.button = presser(pump)
        refill(client)
        client.commit(client.propose_program(therapy(**changes)).digest)
        assert client.running_program() == therapy(**changes), what
        refill(client)
        client.commit(client.propose_program(therapy()).digest)


@pytest.mark.req("SEC-15", part="what is lowered needs a press to rise again, after a reset and a fault too")
def test_limits_are_not_laundered(pump: Emulator, client: Client):
    def high() -> None:
        program(client, drugs=drug(max_dose_24h_ng=6_000_001))

    needs_press(high)
    client.stop()
    needs_press(high)
    client.abort()
    needs_press(high)
    refill(client)
    needs_press(high)
    client.resume()
    with pytest.raises(PumpReset) as reset:
        pump.bench.inject_raw("watchdog_bite")
    pump.restart_after(reset.value)
    client.hello()
    needs_press(high)
    pump.restart(world=pump.bench.power_cut())
    client.hello()
    needs_press(high)
    program(client, drugs=drug(max_dose_24h_ng=3_000_000))
    needs_press(lambda: program(client))
    pump.bench.inject_raw("planner_fault")
    pump.bench.advance_by(3600 * S)
    assert client.status().state == "fault"
    with pytest.raises(Refused, match="fault_latched"):
        high()
    client.clear_fault()
    needs_press(high)
    needs_press(lambda: program(client))


@pytest.mark.req("SEC-15", part="a bridge")
def test_a_bridge_needs_a_press(pump: Emulator, client: Client):
    """Else one of the same drug would begin beside what was given already."""
    refill(client)
    bridge = {"dose_ng_per_day": 5_000_000, "concentration_ng_per_ml": 20_000_000}
    needs_press(lambda: program(client, bridge=[bridge]))


def test_two_spellings_of_one_drug_are_no_mixture(pump: Emulator, client: Client):
    with pytest.raises(Refused, match="inconsistent"):
        client.propose_program(therapy(drugs=[*drug(), *drug(name="MORPHINE")], library=[], patient_bolus=[]))
