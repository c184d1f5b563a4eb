"""What the button guards: with a clinician's key and no press nothing rises; a press serves one request."""

import copy
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from firmware.records.script import BRIDGED, CONSTANT
from support.pressing import presser
from thecal.emulator.emulator import Emulator
from thecal.emulator.testbench import PumpReset
from thecal.errors import Refused
from thecal.link.client import Client
from thecal.link.pairing import agree
from thecal.link.session import Session
from thecal.link.transport import Transport
from thecal_protocol import messages
from thecal_protocol.roles import CLINICIAN

from .attacker import ask, plain

Values = dict[str, Any]
S = 1_000_000
CHIRP = 3
LIBRARY: Values = {
    "version": 5,
    "digest": bytes(8),
    "drugs": [{"max_concentration_ng_per_ml": 25_000_000, "max_dose_24h_ng": 8_000_000, "rules": 2}],
    "confirmed": [],
}


def therapy(**changes: Any) -> Values:
    """A program with every limit there is."""
    values = copy.deepcopy(CONSTANT)
    values |= {"periodic_boluses": [], "max_rate_pl_per_day": 20_000_000_000, "library": [LIBRARY]}
    values["drugs"] = [{**values["drugs"][0], "max_dose_24h_ng": 6_000_000, "max_dose_1h_ng": 1_000_000}]
    return copy.deepcopy({**values, **changes})


def drug(**changes: Any) -> list[Values]:
    return [{**therapy()["drugs"][0], **changes}]


def library(**changes: Any) -> list[Values]:
    """The library with these fields, of itself or of its drug, changed."""
    [entry] = LIBRARY["drugs"]
    own = {name: value for name, value in changes.items() if name in LIBRARY}
    return [{**LIBRARY, "drugs": [{**entry, **{k: v for k, v in changes.items() if k not in own}}], **own}]


@pytest.fixture
def pump() -> Iterator[Emulator]:
    with Emulator(seed=1) as emulator:
        yield emulator


@pytest.fixture
def client(pump: Emulator) -> Iterator[Client]:
    """A clinician, and a pump that runs the therapy. Nobody presses."""
    with Client.connect(pump.port) as client:
        client.commit(client.propose_program(therapy()).digest)  # the first one needs no press
        yield client


def program(client: Client, **changes: Any) -> None:
    client.commit(client.propose_program(therapy(**changes)).digest)


def refill(client: Client) -> None:
    """On record; needs no press."""
    client.commit(client.propose_refill(40_000_000_000, 39_000_000_000).digest)


def needs_press(action: Callable[[], object]) -> None:
    with pytest.raises(Refused) as refused:
        action()
    assert refused.value.name == "needs_button"


# -- what it guards


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
        pump.bench.inject("watchdog_bite")
    pump.restart_after(reset.value)
    client.hello()
    needs_press(high)
    pump.restart(world=pump.bench.power_cut())
    client.hello()
    needs_press(high)
    program(client, drugs=drug(max_dose_24h_ng=3_000_000))
    needs_press(lambda: program(client))
    pump.bench.inject("planner_fault")
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


# -- how the press serves


def implant(client: Client) -> None:
    client.set_implant_flag()


@pytest.mark.req("SEC-14", part="a press before the request counts for nothing")
def test_a_press_before_the_request(pump: Emulator, client: Client):
    for action in (implant, lambda client: program(client, step_volume_pl=1250)):
        pump.bench.press_button()
        needs_press(lambda action=action: action(client))
    client.button = presser(pump)
    implant(client)
    digest = client.propose_prime(dry=True).digest
    client.button = None
    pump.bench.press_button()
    needs_press(lambda: client.commit(digest))


@pytest.mark.req("SEC-14", part="one press, one act, once")
def test_one_press_serves_one_act_once(pump: Emulator, client: Client):
    needs_press(lambda: implant(client))
    pump.bench.press_button()
    assert "implant_flag_set" not in {event.kind for event in client.events()}  # it starts nothing itself
    implant(client)
    needs_press(lambda: implant(client))  # used up
    pump.bench.press_button()
    implant(client)
    digest = client.propose_prime(dry=True).digest  # a prime needs a press of its own
    needs_press(lambda: client.commit(digest))
    pump.bench.press_button()
    client.commit(digest)
    assert client.status().bolus == "prime"
    digest = client.propose_program(therapy(step_volume_pl=1250)).digest
    needs_press(lambda: client.commit(digest))
    pump.bench.press_button()
    client.commit(digest)
    pump.bench.press_button()
    needs_press(lambda: program(client))


@pytest.mark.req("SEC-14", part="60 s of the pump's time")
@pytest.mark.parametrize(("after_us", "served"), [(59_999_000, True), (60 * S - 1, True), (60 * S, False)])
def test_how_long_it_waits(pump: Emulator, client: Client, after_us: int, served: bool):
    needs_press(lambda: implant(client))
    pump.bench.advance_by(after_us)
    pump.bench.press_button()
    pump.bench.advance_by(2 * S)  # the host asks now and then
    if served:
        implant(client)
    else:
        needs_press(lambda: implant(client))


@pytest.mark.req("SEC-14", part="what was pressed for does not wait for ever")
def test_a_release_ends_too(pump: Emulator, client: Client):
    needs_press(lambda: implant(client))
    pump.bench.press_button()
    pump.bench.advance_by(61 * S)
    needs_press(lambda: implant(client))


@pytest.mark.req("SEC-14", part="the newest only")
def test_only_the_newest_waits(pump: Emulator, client: Client):
    first = client.propose_program(therapy(step_volume_pl=1250)).digest
    needs_press(lambda: client.commit(first))
    needs_press(lambda: implant(client))
    pump.bench.press_button()
    needs_press(lambda: client.commit(first))  # and this drops what was pressed for
    needs_press(lambda: implant(client))
    pump.bench.press_button()
    implant(client)


@pytest.mark.req("SEC-14", part="another proposal is another act")
def test_another_digest_is_not_served(pump: Emulator, client: Client):
    shown = client.propose_program(therapy(drugs=drug(max_dose_24h_ng=6_000_001))).digest
    needs_press(lambda: client.commit(shown))
    pump.bench.press_button()
    needs_press(lambda: program(client, step_volume_pl=100))
    assert client.running_program() == therapy()


@pytest.mark.req("SEC-14", part="not in another session, nor after a reset")
def test_it_ends_with_its_session(pump: Emulator, client: Client):
    needs_press(lambda: implant(client))
    pump.bench.press_button()
    client.hello()
    needs_press(lambda: implant(client))
    client.hello()
    pump.bench.press_button()
    needs_press(lambda: implant(client))
    pump.bench.press_button()
    client.abort()  # whoever breaks off
    needs_press(lambda: implant(client))
    pump.bench.press_button()
    pump.restart(world=pump.bench.power_cut())
    client.hello()
    needs_press(lambda: implant(client))
    pump.bench.press_button()
    implant(client)


@pytest.mark.req("SEC-14", part="two sessions: the newer one is served, once")
def test_two_sessions(pump: Emulator, client: Client):
    needs_press(lambda: implant(client))
    other = Client(client._session.link)
    needs_press(lambda: implant(other))
    pump.bench.press_button()
    implant(other)
    needs_press(lambda: implant(other))
    client.hello()
    needs_press(lambda: implant(client))


@pytest.mark.req("SEC-14", part="a copy of the request that was refused")
def test_the_refused_frame_itself_is_not_carried_out_later(pump: Emulator, client: Client):
    """The press released it, but its number has been answered: it takes a new one."""
    session = client._session
    needs_press(lambda: implant(client))
    frame = session._frame_of(session._session, session._seq, messages.IMPLANT, {})
    pump.bench.press_button()
    answer = ask(session.link, frame)  # type: ignore[arg-type]
    assert answer is not None
    assert answer.secured
    assert "implant_flag_set" not in {event.kind for event in client.events()}
    implant(client)


@pytest.mark.req("SEC-14", part="what is refused anyway asks nobody to press")
def test_what_would_be_refused_waits_for_nothing(pump: Emulator, client: Client):
    with pytest.raises(Refused, match="not_running"):
        client.request(messages.SKIP_BRIDGE)
    with pytest.raises(Refused, match="no_proposal"):
        client.commit(bytes(16))
    client.propose_program(therapy(step_volume_pl=1250))
    with pytest.raises(Refused, match="digest_mismatch"):
        client.commit(bytes(16))


@pytest.mark.req("SEC-14", part="skipping a bridge")
def test_leaving_a_bridge(pump: Emulator, client: Client):
    client.button = presser(pump)
    refill(client)
    client.commit(client.propose_program({**BRIDGED, "periodic_boluses": []}).digest)
    assert client.status().bolus == "bridge"
    client.button = None
    needs_press(lambda: client.request(messages.SKIP_BRIDGE))
    pump.bench.press_button()
    client.request(messages.SKIP_BRIDGE)
    assert client.status().bolus is None


@pytest.mark.req("SEC-18")
def test_a_press_that_is_taken_is_heard_and_on_record(pump: Emulator, client: Client):
    pump.bench.advance_by(60 * S)
    before = pump.bench.truth().buzzer_plays
    pump.bench.press_button()
    client.status()
    assert pump.bench.truth().buzzer_plays == before  # there was nothing to take it for
    needs_press(lambda: implant(client))
    pump.bench.press_button()
    client.status()
    truth = pump.bench.truth()
    assert (truth.buzzer, truth.buzzer_plays) == (CHIRP, before + 1)
    pump.bench.press_button()
    client.status()
    assert pump.bench.truth().buzzer_plays == before + 1  # a second one is not needed
    [taken] = [event for event in client.events() if event.kind == "press_taken"]
    assert taken.code == messages.IMPLANT
    assert taken.actor == "pump"


# -- pairing


def pair_frame(public: bytes, role: int = CLINICIAN) -> bytes:
    return plain(messages.PAIR, {"role": role, "public": public})


def pairs(line: Transport, public: bytes, role: int = CLINICIAN) -> str:
    answer = ask(line, pair_frame(public, role))
    assert answer is not None
    return answer.result


STRANGER, FRIEND = bytes(range(32)), bytes(range(1, 33))


@pytest.mark.req("SEC-17", part="a press for something else pairs nobody")
def test_a_stranger_does_not_pair_by_a_press_for_another_request(pump: Emulator, client: Client):
    line: Any = client._session.link
    assert pairs(line, STRANGER) == "needs_button"  # already there
    needs_press(lambda: implant(client))
    for _ in range(3):
        assert pairs(line, STRANGER) == "needs_button"
    pump.bench.press_button()
    for _ in range(3):
        assert pairs(line, STRANGER) == "needs_button"
    pump.bench.press_button()  # once more, to be sure
    assert pairs(line, STRANGER) == "needs_button"
    implant(client)
    for _ in range(3):
        assert pairs(line, STRANGER) == "needs_button"
    assert [event.code for event in client.events() if event.kind == "pairing_begun"] == [CLINICIAN]


@pytest.mark.req("SEC-17", part="role and public key")
def test_a_pairing_is_served_by_its_own_press_only(pump: Emulator, client: Client):
    line: Any = client._session.link
    pump.bench.press_button()
    assert pairs(line, STRANGER) == "needs_button"  # a press before it counts for nothing
    assert pairs(line, FRIEND) == "needs_button"  # the newest
    pump.bench.press_button()
    assert pairs(line, STRANGER) == "needs_button"
    assert pairs(line, FRIEND, role=2) == "needs_button"
    pump.bench.press_button()
    assert pairs(line, FRIEND) == "needs_button"  # it was for the patient's role
    pump.bench.press_button()
    assert pairs(line, FRIEND) in ("pairing", "ok")
    assert pairs(line, STRANGER) == "needs_button"


@pytest.mark.req("SEC-17", part="a pairing waits 60 s as well")
def test_how_long_a_pairing_waits(pump: Emulator, client: Client):
    line: Any = client._session.link
    assert pairs(line, FRIEND) == "needs_button"
    pump.bench.advance_by(60 * S)
    pump.bench.press_button()
    assert pairs(line, FRIEND) == "needs_button"


def test_an_emulated_pump_pairs_beside_a_request_that_waits(pump: Emulator, client: Client):
    """The helper of the tests themselves: it ends that session first."""
    needs_press(lambda: implant(client))
    patient = Client(client._session.link, role="patient")
    assert patient.status().state == "infusing"


@pytest.mark.req("SEC-17", part="the host waits until another request has gone")
def test_a_pairing_waits_for_another_request(pump: Emulator, client: Client):
    needs_press(lambda: implant(client))
    said: list[str] = []

    def busy() -> None:
        said.append("busy")
        pump.bench.advance_by(61 * S)

    def button() -> None:
        said.append("button")
        pump.bench.press_button()

    session = Session(client._session.link, role=CLINICIAN)
    hello = session.greet()
    assert len(agree(session, hello, CLINICIAN, button, busy=busy)) == 16
    assert said == ["busy", "button"]
