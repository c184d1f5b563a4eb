"""A session with a pump: retries, at-most-once requests, settling what a broken connection left open.

Called by `client.Client`, which gives the requests their meaning. The host sends one request, waits, and
repeats the very same frame when no answer comes; the pump carries a numbered request out once, however often
it arrives (docs/protocol.md). So a request that was answered was carried out exactly once, any other at most
once.
"""

import enum
import secrets
import time

from thecal.answers import Fields, Hello, Reply, hello_of, malformed
from thecal.errors import LinkError, PortError, ProtocolMismatch, Refused
from thecal.transport import Link
from wire import framing
from wire.codec import WireError, encode, name_of, table_hash, version_text
from wire.messages import (
    ACCOUNTS,
    EVENTS,
    HELLO,
    LIMITS,
    LOG_KEY,
    LOG_STATE,
    MESSAGES,
    PROGRAM,
    PROTOCOL_VERSION,
    READING,
    REFUSALS,
    REFUSED,
    SCHEMA,
    STATUS,
    answer_fields,
    request_fields,
)

TIMEOUT_S = 0.25
TRIES = 5

_OK = 0
_NO_SESSION = 3
_PROTOCOL_MISMATCH = 4
_LAST_SEQ = 0xFFFF
_NO_OPCODE = 0  # never an opcode: always refused
_TABLE_HASH = table_hash(SCHEMA)
# change nothing: may be repeated
_READS = frozenset((STATUS, LIMITS, READING, PROGRAM, EVENTS, ACCOUNTS, LOG_STATE, LOG_KEY))


class Outcome(enum.Enum):
    """What became of a command that got no answer."""

    NOTHING_PENDING = "every command was answered"
    CARRIED_OUT = "the pump carried it out"
    NOT_CARRIED_OUT = "the pump did not carry it out, and never will"
    UNKNOWN = "the pump cannot tell; look at its status and log"


class Session:
    """A conversation with one pump over one `Link`. Not for use from several threads."""

    def __init__(self, link: Link, *, timeout_s: float = TIMEOUT_S, tries: int = TRIES) -> None:
        self.link = link
        self._timeout_s = timeout_s
        self._tries = tries
        self._frame = bytearray(framing.FRAME_SIZE)
        self._session: int = 0
        self._seq: int = 0
        self._before = (0, 0, 0)  # (session, seq, opcode) of the last request carried out before this session
        self._pending: tuple[int, int, int] | None = None  # the same of the command without an answer

    def hello(self) -> Hello:
        """Open a new session. ProtocolMismatch when the pump speaks another protocol."""
        return self._hello(secrets.randbits(32))

    def settle(self) -> Outcome:
        """Right after a LinkError or PortError: a new session, and whether the unanswered command was done.

        Reopens the port when it vanished. Once this has returned, the old session is dead: a copy of the
        command that is still on its way will not be carried out any more.
        """
        pending, before = self._pending, self._before
        nonce = secrets.randbits(32)
        try:
            self._hello(nonce)
        except PortError:
            self.link.reopen()
            self._hello(nonce)
        if pending is None:
            return Outcome.NOTHING_PENDING
        # The first request of the new session ends the old one; being refused, it leaves the pump's record of
        # the last request carried out as it was. So what the same hello says now about the old one is final.
        self._seq += 1
        self._exchange(self._session, self._seq, _NO_OPCODE, (), {})
        last = _last(self._hello(nonce))
        self._pending = None
        if last == pending:
            return Outcome.CARRIED_OUT
        if last[0] == pending[0] and last[1] < pending[1]:
            return Outcome.NOT_CARRIED_OUT
        if last == before and last[0] != 0:  # nothing at all since that session began
            return Outcome.NOT_CARRIED_OUT
        return Outcome.UNKNOWN

    def _hello(self, nonce: int) -> Hello:
        values: dict[str, object] = {"protocol": PROTOCOL_VERSION, "table_hash": _TABLE_HASH, "nonce": nonce}
        # The seq is echoed: it tells the answer to this hello from a late one to another.
        result, payload = self._exchange(0, nonce & 0xFFFF, HELLO, request_fields(HELLO), values)
        if result == _PROTOCOL_MISMATCH:
            detail = Reply.decoded("hello", REFUSED, payload).text("detail")
            raise ProtocolMismatch(version_text(PROTOCOL_VERSION, _TABLE_HASH), detail)
        if result != _OK:
            raise _refused(HELLO, result, payload)
        # Of another version only the first two fields can be relied on.
        pump = version_text(payload[0], payload[2 : 2 + payload[1]]) if len(payload) >= 2 else "nothing"
        if pump != version_text(PROTOCOL_VERSION, _TABLE_HASH):
            raise ProtocolMismatch(version_text(PROTOCOL_VERSION, _TABLE_HASH), pump)
        hello = hello_of(Reply.decoded("hello", answer_fields(HELLO), payload))
        if hello.session == 0:
            raise malformed("hello", "session 0 is none")
        if hello.session != self._session:
            self._session = hello.session
            self._seq = 0
            self._before = _last(hello)
        return hello

    def request(self, opcode: int, values: dict[str, object]) -> Reply:
        """One request of the session, carried out at most once; opens a session when there is none."""
        if self._session == 0 or self._seq == _LAST_SEQ:
            self.hello()
        result, payload = self._numbered(opcode, values)
        if result == _NO_SESSION and opcode in _READS:  # the pump restarted, or another host took over
            self.hello()
            result, payload = self._numbered(opcode, values)
        if result != _OK:
            raise _refused(opcode, result, payload)
        return Reply.decoded(name_of(MESSAGES, opcode), answer_fields(opcode), payload)

    def _numbered(self, opcode: int, values: dict[str, object]) -> tuple[int, bytes]:
        self._seq += 1
        if opcode not in _READS:
            self._pending = (self._session, self._seq, opcode)
        result, payload = self._exchange(self._session, self._seq, opcode, request_fields(opcode), values)
        # "No session" may be the answer to a repetition: the first copy may have been carried out.
        if opcode not in _READS and result != _NO_SESSION:
            self._pending = None
        return result, payload

    def _exchange(
        self, session: int, seq: int, opcode: int, fields: Fields, values: dict[str, object]
    ) -> tuple[int, bytes]:
        """Send a request until its answer comes; (result, payload). LinkError when none does."""
        end = encode(fields, values, self._frame, framing.REQUEST_AT, framing.REQUEST_END)
        count = framing.seal_request(self._frame, end, session, seq, opcode)
        frame = bytes(self._frame[:count])
        link = self.link
        reader = link.reader
        link.clear_sample()
        echoes = strangers = 0
        for attempt in range(self._tries):
            # A 0x00 first parts the frame from whatever came before: noise, or a frame that was cut short.
            link.send(frame if attempt == 0 and opcode != HELLO else b"\0" + frame)
            deadline = time.monotonic() + self._timeout_s
            while (remaining_s := deadline - time.monotonic()) > 0 and link.receive(remaining_s):
                if not reader.flags & framing.FLAG_ANSWER:
                    echoes += 1
                elif (reader.session, reader.seq, reader.opcode) == (session, seq, opcode):
                    return reader.result, bytes(reader.buffer[reader.payload_at : reader.payload_end])
                else:
                    strangers += 1
        raise self._no_answer(opcode, echoes, strangers)

    def _no_answer(self, opcode: int, echoes: int, strangers: int) -> LinkError:
        request = name_of(MESSAGES, opcode) if opcode != _NO_OPCODE else "the first request of a session"
        link = self.link
        tried = f"{request} was sent {self._tries} times in {self._tries * self._timeout_s:g} s"
        if strangers:
            return LinkError(
                f"the pump on {link.name} answers, but not this request ({tried})",
                "another program may be talking to it, or the line loses too much",
                "stranger",
            )
        if echoes:
            return LinkError(
                f"{link.name} sends back what is sent to it ({tried})",
                "this is a loopback or an echoing terminal, not a pump: choose another port",
                "echo",
            )
        if link.sample:
            return LinkError(
                f"what comes from {link.name} is not thecal's protocol: {link.sample!r} ... ({tried})",
                "check that this is the pump's port and that it runs thecal's firmware",
                "garbage",
            )
        return LinkError(
            f"no answer from {link.name} ({tried})",
            "check that the pump is powered and that this is its port",
            "silent",
        )


def _last(hello: Hello) -> tuple[int, int, int]:
    return hello.last_session, hello.last_seq, hello.last_opcode


def _refused(opcode: int, result: int, payload: bytes) -> Refused | LinkError:
    request = name_of(MESSAGES, opcode)
    detail = Reply.decoded(request, REFUSED, payload).text("detail") if payload else ""
    try:
        return Refused(name_of(REFUSALS, result), result, opcode, request, detail)
    except WireError:
        return malformed(request, f"refusal {result} has no name")
