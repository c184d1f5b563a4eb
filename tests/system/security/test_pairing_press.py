"""A pairing is served by its own press, and by no other."""

from collections.abc import Iterator
from typing import Any

import pytest

from thecal.emulator.emulator import Emulator
from thecal.link.client import Client
from thecal.link.pairing import agree
from thecal.link.session import Session
from thecal.link.transport import Transport
from thecal_protocol import messages
from thecal_protocol.roles import CLINICIAN

from .attacker import ask, plain
from .gates import S, implant, needs_press


@pytest.fixture
def pump() -> Iterator[Emulator]:
    """It has paired with its clinician by a press: no factory gave it keys."""
    with Emulator(seed=1, provisioned=False) as emulator:
        yield emulator


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
