"""At most once, whatever the line does: the host's session against a pump in memory."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.link.fake_device import FakeLink, FakePump, frame_of
from thecal.errors import LinkError, ProtocolMismatch, Refused, SessionLost, ThecalError
from thecal.link.client import Client
from thecal.link.session import CommandOutcome
from thecal_protocol import framing, messages
from thecal_protocol.codec import encode

PATIENT_BOLUS, STOP, RESUME = messages.PATIENT_BOLUS, messages.STOP, messages.RESUME

fates = st.lists(
    st.sampled_from(["pass", "pass", "pass", "lose", "lose", "double", "flip", "hold", "late"]), max_size=60
)
fates_with_resets = st.lists(
    st.sampled_from(["pass", "pass", "lose", "lose", "double", "hold", "late", "reset"]), max_size=60
)

commands = st.lists(st.sampled_from(["patient_bolus", "stop", "resume", "status"]), min_size=1, max_size=6)


def client_of(pump: FakePump, fates: Iterable[str] = ()) -> Client:
    return Client(
        FakeLink(pump, fates), timeout_s=5.0
    )  # no test waits: the fake line tells when it is silent


def run(client: Client, command: str) -> bool | CommandOutcome:
    """True: answered. Otherwise what `resolve_outcome` says."""
    try:
        getattr(client, command)()
    except LinkError:
        for _ in range(50):
            try:
                return client.resolve_outcome()
            except LinkError:
                continue
        raise
    return True


@pytest.mark.req("SEC-02", part="repeated frames are carried out once")
@settings(max_examples=300)
@given(fates, commands)
def test_answered_is_exactly_once_and_otherwise_at_most_once(line: list[str], commands: list[str]):
    pump = FakePump()
    client = client_of(pump, line)
    try:
        client.hello()
    except LinkError:
        return
    for command in commands:
        before = len(pump.carried_out)
        try:
            getattr(client, command)()
        except LinkError:
            assert len(pump.carried_out) - before <= 1
            break
        assert len(pump.carried_out) - before == (command != "status")
    pump_drained(client)
    assert len(pump.carried_out) <= len(commands)


def pump_drained(client: Client) -> None:
    """Let everything arrive that is still on its way."""
    link = client._session.link
    while link.receive(0.0):
        pass


@pytest.mark.req("HOST-10", part="what is said happened, and stays so")
@settings(max_examples=300)
@given(fates, commands)
def test_settle_knows_what_happened_and_it_stays_so(line: list[str], commands: list[str]):
    pump = FakePump()
    pump.done = (7, 1, messages.STATUS)  # someone was here before
    client = client_of(pump, line)
    try:
        client.hello()
        for command in commands:
            before = len(pump.carried_out)
            told = run(client, command)
            if command == "status":
                continue
            pump_drained(client)
            happened = len(pump.carried_out) - before
            expected = {True: 1, CommandOutcome.CARRIED_OUT: 1, CommandOutcome.NOT_CARRIED_OUT: 0}
            assert told in expected
            assert happened == expected[told]
    except LinkError:
        return  # the line never let a session through


@settings(max_examples=300)
@given(fates_with_resets, commands)
def test_power_cuts_never_make_settle_tell_a_lie(line: list[str], commands: list[str]):
    pump = FakePump()
    client = client_of(pump, line)
    try:
        client.hello()
        for command in commands:
            before = len(pump.carried_out)
            told = run(client, command)
            if command == "status":
                continue
            pump_drained(client)
            happened = len(pump.carried_out) - before
            assert happened <= 1
            if told is not CommandOutcome.UNKNOWN:
                assert happened == (told in (True, CommandOutcome.CARRIED_OUT))
    except LinkError:
        return


def test_an_answer_lost_is_asked_for_again_not_done_again():
    pump = FakePump()
    client = client_of(pump, ["pass"] * 5 + ["lose", "pass", "lose"])
    client.hello()
    assert client.patient_bolus() == 0
    assert pump.carried_out == [(PATIENT_BOLUS, 0)]


@pytest.mark.parametrize(
    ("fate", "outcome"), [("request", CommandOutcome.NOT_CARRIED_OUT), ("answer", CommandOutcome.CARRIED_OUT)]
)
def test_settle_after_silence(fate: str, outcome: CommandOutcome):
    pump = FakePump()
    lost = ["lose"] * 5 if fate == "request" else ["pass", "lose"] * 5
    client = client_of(pump, ["pass"] * 6 + lost)
    client.hello()
    client.status()
    with pytest.raises(LinkError) as caught:
        client.stop()
    assert caught.value.silent
    assert client.resolve_outcome() is outcome
    assert client.resolve_outcome() is CommandOutcome.NOTHING_PENDING
    assert len(pump.carried_out) == (outcome is CommandOutcome.CARRIED_OUT)


@pytest.mark.req("HOST-10", part="a copy that is still on its way")
def test_settle_outruns_a_copy_that_is_still_on_its_way():
    pump = FakePump()
    client = client_of(pump, ["pass"] * 6 + ["lose"] * 5)
    client.hello()
    client.status()
    with pytest.raises(LinkError):
        client.stop()
    late_copy = client._session.link.sent[-1]  # type: ignore[attr-defined]
    assert client.resolve_outcome() is CommandOutcome.NOT_CARRIED_OUT
    pump.take(late_copy)
    assert pump.carried_out == []


def test_the_copy_may_win_the_race_and_settle_says_so():
    """It arrives after the new hello and before anything else: hello's own account is then out of date."""
    pump = FakePump()
    client = client_of(pump, ["pass"] * 6 + ["lose"] * 4 + ["late"])
    client.hello()
    client.status()
    with pytest.raises(LinkError):
        client.stop()
    assert client.resolve_outcome() is CommandOutcome.CARRIED_OUT
    assert len(pump.carried_out) == 1


def test_a_late_hello_of_another_time_disturbs_nobody():
    pump = FakePump()
    client = client_of(pump)
    client.hello()
    client.status()
    pump.take(hello_frame(pump, nonce=99))
    assert client.stop()
    assert len(pump.carried_out) == 1


def test_a_late_answer_to_another_hello_is_not_taken(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("secrets.randbits", lambda bits: 0x12345678)
    pump = FakePump()
    link = FakeLink(pump)
    for answer in pump.take(hello_frame(pump, nonce=99)):
        link._arrive(False, answer)
    assert Client(link).hello().session == pump.hello_session == 101


def test_a_question_in_between_does_not_make_settle_forget():
    pump = FakePump()
    client = client_of(pump, ["pass"] * 6 + ["lose"] * 5)
    client.hello()
    client.status()
    with pytest.raises(LinkError):
        client.stop()
    client.status()
    assert client.resolve_outcome() is CommandOutcome.UNKNOWN


def hello_frame(pump: FakePump, nonce: int) -> bytes:
    return frame_of(
        0,
        0,
        messages.HELLO,
        {"protocol": pump.protocol, "table_hash": pump.table_hash, "nonce": nonce},
    )


def test_questions_open_a_new_session_when_the_pump_has_restarted():
    pump = FakePump()
    client = client_of(pump)
    client.status()
    pump.reset()
    assert client.status().state == "infusing"


def test_commands_do_not_and_settle_cannot_tell():
    pump = FakePump()
    client = client_of(pump)
    client.status()
    pump.reset()
    with pytest.raises(SessionLost, match="no_session"):
        client.stop()
    assert client.resolve_outcome() is CommandOutcome.UNKNOWN
    client.stop()


def test_sequence_numbers_run_out_into_a_new_session():
    pump = FakePump()
    client = client_of(pump)
    client.hello()
    client._session._seq = 0xFFFE
    for _ in range(3):
        client.stop()
    assert len(pump.carried_out) == 3
    assert pump.session == 101


def test_repetitions_are_the_same_frame_after_a_delimiter():
    link = FakeLink(FakePump(), ["pass"] * 4 + ["lose", "lose"])
    client = Client(link)
    client.hello()
    client.status()
    hello, _, first, second, third = link.sent
    assert hello[0] == 0
    assert first[0] != 0
    assert second == third == b"\0" + first


# -- what is at the other end is no pump, or not ours


class Deaf(FakeLink):
    """A line at whose end something else is: `answer` says what comes back for what was sent."""

    def __init__(self, answer: bytes | None) -> None:
        super().__init__(FakePump())
        self.answer = answer

    def send(self, data: bytes) -> None:
        self._arrive(False, data if self.answer is None else self.answer)


@pytest.mark.parametrize(
    ("answer", "cause", "words"),
    [
        (b"", "silent", ["no answer", "hello", "5 times", "powered"]),
        (b">>> SyntaxError: invalid syntax\r\n", "garbage", ["not thecal's protocol", ">>> Syn"]),
        (None, "echo", ["sends back", "loopback"]),
        (frame_of(9, 9, messages.STATUS, {}, answer=True), "stranger", ["not this request"]),
    ],
)
def test_each_wrong_end_has_its_own_error(answer: bytes | None, cause: str, words: list[str]):
    with pytest.raises(LinkError) as caught:
        Client(Deaf(answer)).hello()
    assert caught.value.cause == cause
    assert caught.value.silent == (cause == "silent")
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text


def test_a_flood_of_strangers_does_not_outlast_the_time_out():
    class Flood(FakeLink):
        def receive(self, timeout_s: float) -> bool:
            frame = frame_of(9, 9, messages.STATUS, {}, answer=True)
            self.reader.feed(frame, 0, len(frame))
            return True

    with pytest.raises(LinkError) as caught:
        Client(Flood(FakePump()), timeout_s=0.01, tries=3).hello()
    assert caught.value.cause == "stranger"


@pytest.mark.parametrize(("protocol", "table_hash"), [(3, b"\x01" * 8), (2, b"\x02" * 8), (1, b"")])
@pytest.mark.parametrize("polite", [True, False])
def test_another_version_is_named_with_both(protocol: int, table_hash: bytes, polite: bool):
    pump = FakePump()
    if polite:  # refuses, and says what it speaks
        pump.protocol, pump.table_hash = protocol, table_hash
        link = FakeLink(pump)
    else:  # answers, but by a table that only begins like ours
        payload = bytes((protocol, len(table_hash))) + table_hash + b"whatever follows"
        link = Answering(payload)
    with pytest.raises(ProtocolMismatch) as caught:
        Client(link).hello()
    assert caught.value.pump == f"protocol {protocol}, table {table_hash.hex()}"
    assert "protocol_mismatch" in str(caught.value)
    assert caught.value.host in str(caught.value)
    assert caught.value.pump in str(caught.value)


class Answering(FakeLink):
    """Answers every request with this payload and result."""

    def __init__(self, payload: bytes, result: int = 0) -> None:
        super().__init__(FakePump())
        self.payload = payload
        self.result = result

    def send(self, data: bytes) -> None:
        at = self.pump.reader.feed(data, 0, len(data))
        assert at == len(data)
        reader = self.pump.reader
        buffer = bytearray(framing.FRAME_SIZE)
        end = framing.ANSWER_AT + len(self.payload)
        buffer[framing.ANSWER_AT : end] = self.payload
        count = framing.seal_answer(buffer, end, reader.session, reader.seq, reader.opcode, self.result)
        self._arrive(False, bytes(buffer[:count]))


@pytest.mark.parametrize(
    ("payload", "result"), [(b"", 0), (b"\x01", 0), (b"", 200), (b"\x05abc", 2), (b"\x01\x02\xff\xfe", 2)]
)
def test_answers_that_break_the_protocol_are_clear_errors(payload: bytes, result: int):
    with pytest.raises(ThecalError) as caught:
        Client(Answering(payload, result)).hello()
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, Refused if result == 200 else (LinkError, ProtocolMismatch))


def test_session_zero_is_none():
    pump = FakePump(first_session=0)
    with pytest.raises(LinkError, match="session 0"):
        client_of(pump).hello()


def test_encode_is_not_given_more_than_fits():
    """The largest piece of a proposal fills a payload exactly."""
    from thecal.link.proposals import PIECE

    buffer = bytearray(framing.FRAME_SIZE)
    request = {"kind": 1, "total": 1000, "offset": 0, "data": bytes(PIECE)}
    fields = messages.request_fields(messages.PROPOSE)
    assert encode(fields, request, buffer, framing.REQUEST_AT, framing.REQUEST_END) == framing.REQUEST_END
