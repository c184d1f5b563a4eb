"""The host's session against the real firmware on an emulated pump, over a line that loses frames."""

from collections.abc import Iterator

import pytest

from thecal.emulator.emulator import Emulator
from thecal.errors import LinkError, ProtocolMismatch, SessionLost
from thecal.link.client import Client
from thecal.link.session import CommandOutcome
from thecal.link.transport import Transport
from thecal_protocol import messages


class Lossy(Transport):
    """Loses every frame in one direction while told to."""

    lose_requests = False
    lose_answers = False

    def send(self, data: bytes) -> None:
        if not self.lose_requests:
            super().send(data)

    def receive(self, timeout_s: float) -> bool:
        return super().receive(timeout_s) and not self.lose_answers


@pytest.fixture(scope="module")
def pump() -> Iterator[Emulator]:
    with Emulator(clock="real", seed=1) as emulator:
        yield emulator


@pytest.fixture
def line(pump: Emulator) -> Iterator[Lossy]:
    with Lossy(pump.port) as line:
        yield line


def test_answers_decode_and_pages_add_up(line: Lossy):
    client = Client(line)
    hello = client.hello()
    assert hello.model == "thecal-unix"
    assert client.status().state == "unprogrammed"
    limits = {limit.name: limit for limit in client.limits()}
    assert limits["step_volume_pl"].low > 0
    assert client.running_program() is None
    assert client.events(1)[0].sequence == 1
    assert client.accounts().steps == 0


@pytest.mark.req("HOST-10", part="against the real firmware")
def test_a_lost_answer_settles_as_carried_out(line: Lossy):
    client = Client(line, timeout_s=0.05)
    client.status()
    line.lose_answers = True
    with pytest.raises(LinkError):
        client.abort()
    line.lose_answers = False
    assert client.resolve_outcome() is CommandOutcome.CARRIED_OUT


@pytest.mark.req("HOST-10", part="against the real firmware")
def test_a_lost_request_settles_as_not_carried_out(line: Lossy):
    client = Client(line, timeout_s=0.01)
    client.status()
    line.lose_requests = True
    with pytest.raises(LinkError):
        client.abort()
    line.lose_requests = False
    assert client.resolve_outcome() is CommandOutcome.NOT_CARRIED_OUT


def test_a_first_command_that_was_lost_settles_too(line: Lossy):
    """Nothing in this session tells; that the last request carried out is still the one before it does."""
    with_history = Client(line, timeout_s=0.01)
    with_history.status()
    client = Client(line, timeout_s=0.01)
    client.hello()
    line.lose_requests = True
    with pytest.raises(LinkError):
        client.abort()
    line.lose_requests = False
    assert client.resolve_outcome() is CommandOutcome.NOT_CARRIED_OUT


def test_a_repeated_frame_is_answered_alike_and_carried_out_once(line: Lossy):
    client = Client(line)
    client.status()
    before = client.status().now
    session, seq = client._session._session, client._session._seq
    frame = client._session._frame_of(session, seq + 1, messages.STATUS, {})
    answers: list[bytes] = []
    for _ in range(3):
        line.send(frame)
        assert line.receive(2)
        answers.append(bytes(line.reader.buffer[: line.reader.payload_end]))
    assert answers[0] == answers[1] == answers[2]
    client._session._seq += 1
    assert client.status().now.total_us > before.total_us


def test_a_restarted_pump_is_noticed(pump: Emulator):
    with Client.connect(pump.port) as client:
        client.status()
        pump.restart()
        with pytest.raises(SessionLost):
            client.stop()
        assert client.resolve_outcome() is CommandOutcome.UNKNOWN
        assert client.status().state == "unprogrammed"


def test_another_version_is_named_with_both(line: Lossy, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("thecal.link.session._TABLE_HASH", b"\x01" * 8)
    monkeypatch.setattr("thecal.link.session.PROTOCOL", "protocol 2, table 0101010101010101")
    with pytest.raises(ProtocolMismatch) as caught:
        Client(line).hello()
    assert caught.value.host == "protocol 2, table 0101010101010101"
    assert caught.value.pump.startswith(f"protocol {messages.PROTOCOL_VERSION}, table ")
    assert caught.value.pump != caught.value.host


def test_garbage_then_a_request(line: Lossy):
    client = Client(line, timeout_s=0.5)
    client.hello()
    line.send(b"garbage" * 100 + b"\0\0\0" + b"\xff" * 30)
    assert client.status().state == "unprogrammed"
