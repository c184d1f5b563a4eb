"""How a press of the button serves: one request, once, within a minute."""

import pytest

from firmware.records.script import BRIDGED
from support.pressing import presser
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.link.client import Client
from thecal_protocol import messages

from .attacker import ask
from .gates import S, drug, implant, needs_press, program, refill, therapy

CHIRP = 3


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
