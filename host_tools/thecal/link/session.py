"""A session with a pump: keys proved both ways, sealed frames, retries, at-most-once requests, settling what
a broken connection left open.

The host sends one request, waits, and repeats the very same frame when no answer comes; the pump carries a
numbered request out once, however often it arrives (docs/reference/protocol.md). So a request that was
answered was carried out exactly once, any other at most once.
"""

import enum
import secrets
import time
from collections.abc import Callable

from thecal._io import interruption
from thecal.errors import LinkError, PortError, ProtocolMismatch, Refused, SessionLost, WrongArgument
from thecal.link import key_lookup, no_answer
from thecal.link.cipher import Cipher, both
from thecal.link.patience import Patience
from thecal.link.responses.pump import Hello, Reply, hello_of, malformed, unknown
from thecal.link.transport import Link
from thecal.units import bound_text
from thecal_protocol import framing
from thecal_protocol.codec import WireError, encode, name_of, table_hash, version_text
from thecal_protocol.messages import (
    AUTH,
    HELLO,
    KIND,
    MESSAGES,
    OPENS,
    PROTOCOL_VERSION,
    READS,
    REFUSED,
    SCHEMA,
    WEIGHED,
    answer_fields,
    request_fields,
)
from thecal_protocol.refusals import NO_SESSION, OK, PROTOCOL_MISMATCH, REFUSALS, SESSION_EXPIRED
from thecal_protocol.roles import CLINICIAN
from thecal_protocol.secure import (
    CHALLENGE_SIZE,
    KEY_SIZE,
    PROOF_SIZE,
    SALT_SIZE,
    TAG_SIZE,
    session_secrets,
    version_of,
)

FindKey = Callable[["Session", Hello, int], bytes]

TIMEOUT_S = 0.25
TRIES = 5

_LAST_SEQ = 0xFFFF
_OFFERS = 3  # tries to take one up: the pump may restart in between, or offer the next one to somebody else
_TABLE_HASH = table_hash(SCHEMA)
PROTOCOL = version_text(PROTOCOL_VERSION, _TABLE_HASH)  # what a pump must speak too
_READS = frozenset(row[0] for row in MESSAGES if row[4] & KIND == READS)  # may be repeated
# each try waits twice as long as the one before
_WEIGHED = frozenset(row[0] for row in MESSAGES if row[4] & WEIGHED)
_DOUBLINGS = 4  # but no longer than so
_PLAIN = frozenset(row[0] for row in MESSAGES if row[4] & KIND == OPENS)  # outside of sessions
_MOST_ENTRIES = 256  # of a list of alarms, limits, refills, fillings: numbers of names have 8 bits
_FAIR = 0.2  # of a time-out: an answer that takes longer is a late one
_LATE = 8  # times all of a request's time-outs: the lateness that a device may gather in all
_SLICE_S = 0.1  # where a signal is held, somebody has to look for it
_EARLY_S = 0.01


class CommandOutcome(enum.Enum):
    """What became of a command that got no answer."""

    NOTHING_PENDING = "every command was answered"
    CARRIED_OUT = "the pump carried it out"
    NOT_CARRIED_OUT = "the pump did not carry it out, and never will"
    UNKNOWN = "the pump cannot tell; look at its status and log"


class Session:
    """A conversation with one pump over one `Link`. Not for use from several threads."""

    def __init__(
        self,
        link: Link,
        *,
        role: int = CLINICIAN,
        find_key: "FindKey" = key_lookup.find,
        timeout_s: float = TIMEOUT_S,
        tries: int = TRIES,
    ) -> None:
        """`role`: of thecal_protocol.roles. `find_key(session, hello, role)`: the key to prove it with, or
        raises NoKey.
        """
        self.link = link
        self.role = role
        self._find_key = find_key
        self._sealer = self._opener = Cipher(bytes(KEY_SIZE), bytes(SALT_SIZE))  # until a session is open
        self._timeout_s = timeout_s
        self._tries = tries
        self._patience = Patience(_LATE * tries * timeout_s, _FAIR * timeout_s)
        self._frame = bytearray(framing.FRAME_SIZE)
        self.serial = ""  # of the pump that said hello
        self._session: int = 0
        self._offered: int = 0
        self._seq: int = 0
        self.asked = 0  # requests in sessions: the pump gives each role so many (docs/reference/security.md)
        self._before = (0, 0, 0)  # (session, seq, opcode) of the last request carried out before this session
        self._pending: tuple[int, int, int] | None = None  # the same of the command without an answer
        self._pending_before = self._before
        self._pending_until = 0.0  # the pump may be at it so long

    def hello(self) -> Hello:
        """Open a new session. ProtocolMismatch when the pump speaks another protocol, NoKey without a key for
        it, Refused when the pump does not take the key."""
        role = self.role  # sessions that the search for the key opens may be in another
        for _ in range(_OFFERS):
            hello = self.greet()
            key = self._find_key(self, hello, role)
            if self._offered != hello.session:  # to find the key took sessions of its own
                hello = self.greet()
            try:
                return self._open_with_any(hello, role, key)
            except Refused as refused:
                if refused.name != "no_session":
                    raise
        raise SessionLost("auth", self.link.name)

    def _open_with_any(self, hello: Hello, role: int, key: bytes) -> Hello:
        """`open` with this key, or with one that is kept beside it and that the pump takes."""
        try:
            return self.open(hello, role, key)
        except Refused as refused:
            if refused.name != "wrong_key":
                raise
            for other in key_lookup.beside(self, hello.serial, role, key):
                try:
                    opened = self.open(self.greet(), role, other)
                except Refused as again:
                    if again.name != "wrong_key":
                        raise
                    continue
                key_lookup.proved(hello.serial, role, other)
                return opened
            raise

    def greet(self) -> Hello:
        """Who is there, and its offer of a session; nothing is proved yet, nothing has changed."""
        nonce = secrets.randbits(32)
        values: dict[str, object] = {"protocol": PROTOCOL_VERSION, "table_hash": _TABLE_HASH, "nonce": nonce}
        # The seq is echoed: it tells the answer to this hello from a late one to another.
        result, payload = self._exchange(0, nonce & 0xFFFF, HELLO, values)
        if result == PROTOCOL_MISMATCH:
            detail = Reply.decoded("hello", REFUSED, payload).text("detail")
            raise ProtocolMismatch(PROTOCOL, detail)
        if result != OK:
            raise refused(HELLO, result, payload)
        # Of another version only the first two fields can be relied on.
        pump = version_text(payload[0], payload[2 : 2 + payload[1]]) if len(payload) >= 2 else "nothing"
        if pump != PROTOCOL:
            raise ProtocolMismatch(PROTOCOL, pump)
        hello = hello_of(Reply.decoded("hello", answer_fields(HELLO), payload))
        if hello.session == 0:
            raise malformed("hello", "session 0 is none")
        self._offered = hello.session
        self.serial = hello.serial
        return hello

    def open(self, hello: Hello, role: int, key: bytes) -> Hello:
        """Take up the offered session: both ends prove that they have the key. The hello, completed.

        From here on the session before is dead: none of its frames is carried out any more.
        """
        version = version_of(PROTOCOL_VERSION, _TABLE_HASH, hello.serial)
        nonce = secrets.token_bytes(CHALLENGE_SIZE)
        derived = session_secrets(key, hello.challenge, nonce, hello.session, role, version)
        self._session = 0
        to_pump, self._opener = both(derived)
        values: dict[str, object] = {"role": role, "nonce": nonce, "proof": derived[:PROOF_SIZE]}
        result, payload = self._exchange(hello.session, 0, AUTH, values)
        if result != OK:
            raise refused(AUTH, result, payload)
        reply = Reply.decoded("auth", answer_fields(AUTH), payload)
        self.role = role
        self._sealer = to_pump
        self._session = hello.session
        self._seq = 0
        self._before = (reply.number("last_session"), reply.number("last_seq"), reply.number("last_opcode"))
        return hello._replace(firmware=reply.text("firmware"))

    def plain(self, opcode: int, values: dict[str, object]) -> Reply:
        """A request outside of sessions that may be repeated at will."""
        result, payload = self._exchange(0, secrets.randbits(16), opcode, values)
        if result != OK:
            raise refused(opcode, result, payload)
        return Reply.decoded(name_of(MESSAGES, opcode), answer_fields(opcode), payload)

    def resolve_outcome(self) -> CommandOutcome:
        """Right after a LinkError or PortError: a new session, and whether the unanswered command was done.

        Reopens the port when it vanished. After a signal, waits for a pump that may still be at the command.
        Once this has returned, the old session is dead: a copy of the command that is still on its way will
        not be carried out any more. What the pump says is authenticated.
        """
        pending, before = self._pending, self._pending_before
        while True:
            try:
                self.hello()
                break
            except PortError:
                self.link.reopen()
                self.hello()
                break
            except LinkError as error:
                early = interruption.came() and time.monotonic() < self._pending_until
                if error.cause == "interrupted" or not early:
                    raise
        if pending is None:
            return CommandOutcome.NOTHING_PENDING
        last = self._before
        self._pending = None
        if last == pending:
            return CommandOutcome.CARRIED_OUT
        if last[0] == pending[0] and last[1] < pending[1]:
            return CommandOutcome.NOT_CARRIED_OUT
        if last == before and last[0] != 0:  # nothing at all since that session began
            return CommandOutcome.NOT_CARRIED_OUT
        return CommandOutcome.UNKNOWN

    def request(self, opcode: int, values: dict[str, object]) -> Reply:
        """One request of the session, carried out at most once; opens a session when there is none, or when
        the pump says, authenticated, that the session has timed out and this request was not carried out."""
        if self._session == 0 or self._seq == _LAST_SEQ:
            self.hello()
        try:
            result, payload = self._numbered(opcode, values)
        except SessionLost:  # the pump restarted, or another host took over
            if opcode not in _READS:
                raise
            self.hello()
            result, payload = self._numbered(opcode, values)
        if result == SESSION_EXPIRED:
            self.hello()
            result, payload = self._numbered(opcode, values)
        if result != OK:
            raise refused(opcode, result, payload)
        return Reply.decoded(name_of(MESSAGES, opcode), answer_fields(opcode), payload)

    def pages(self, opcode: int, first: str, group: str, total: str) -> list[Reply]:
        """A list that comes in pages, all of them: `first` is the request's field that counts, `group` the
        entries of an answer, `total` how many there are."""
        pages: list[Reply] = []
        count = 0
        while True:
            page = self.request(opcode, {first: count})
            pages.append(page)
            count += len(page.group(group))
            if count >= page.number(total):
                return pages
            if not page.group(group):
                raise malformed(name_of(MESSAGES, opcode), "an empty page")
            if count > _MOST_ENTRIES:
                raise malformed(name_of(MESSAGES, opcode), f"more than {_MOST_ENTRIES} entries")

    def _numbered(self, opcode: int, values: dict[str, object]) -> tuple[int, bytes]:
        self._seq += 1
        self.asked += 1
        if opcode not in _READS:
            self._pending = (self._session, self._seq, opcode)
            self._pending_before = self._before
            self._pending_until = time.monotonic() + self._patience_in_all_s(opcode)
        result, payload = self._exchange(self._session, self._seq, opcode, values)
        if opcode not in _READS:
            self._pending = None
        return result, payload

    def _frame_of(self, session: int, seq: int, opcode: int, values: dict[str, object]) -> bytes:
        buffer = self._frame
        try:
            end = encode(request_fields(opcode), values, buffer, framing.REQUEST_AT, framing.REQUEST_END)
        except WireError as error:
            raise no_value(name_of(MESSAGES, opcode), error) from None
        if opcode in _PLAIN:
            count = framing.seal_request(buffer, end, session, seq, opcode)
        else:
            count = framing.seal_secured(buffer, end, 0, session, seq, opcode, self._sealer)
        return bytes(buffer[:count])

    def _exchange(self, session: int, seq: int, opcode: int, values: dict[str, object]) -> tuple[int, bytes]:
        """Send a request until its answer comes; (result, payload). LinkError when none does.

        Answers to what is secured, and to AUTH, are themselves secured: but for refusals of AUTH, and
        `SessionLost`, of which nothing is proved.
        """
        frame = self._frame_of(session, seq, opcode, values)
        self._patience.begin()
        try:
            return self._answer_to(frame, session, seq, opcode)
        finally:
            self._patience.end()

    def _answer_to(self, frame: bytes, session: int, seq: int, opcode: int) -> tuple[int, bytes]:
        link = self.link
        link.clear_sample()
        others = [0, 0]
        began_s = time.monotonic()
        for attempt in range(self._tries):
            self._heed_signals(opcode)
            tried_s, wait_s = time.monotonic(), self._patience_s(opcode, attempt)
            # A 0x00 first parts the frame from whatever came before: noise, or a frame that was cut short.
            link.send(frame if attempt == 0 and opcode != HELLO else b"\0" + frame)
            free = opcode in _WEIGHED  # any chip needs long for it
            deadline = time.monotonic() + (wait_s if free else min(wait_s, self._patience.left_s))
            answer = self._frame_among(others, session, seq, opcode, deadline)
            if not free:
                self._patience.waited(tried_s, 2 * wait_s)
            if answer is not None:
                return answer
            if self._patience.left_s <= 0:
                raise no_answer.late(link)
        # less than all patience where the line knew that nothing would come
        waited_s = min(self._patience_in_all_s(opcode), round(time.monotonic() - began_s, 1))
        tried = f"{name_of(MESSAGES, opcode)} was sent {self._tries} times in {waited_s:g} s"
        raise no_answer.what_came(link, tried, *others)

    def _frame_among(
        self, others: list[int], session: int, seq: int, opcode: int, deadline: float
    ) -> tuple[int, bytes] | None:
        """The answer, if it comes before the deadline. `others`: echoes and strangers that came instead."""
        plain = opcode in _PLAIN
        reader = self.link.reader
        while self._received(opcode, deadline):
            if not reader.flags & framing.FLAG_ANSWER:
                others[0] += 1
            elif (reader.session, reader.seq) != (session, seq):
                others[1] += 1
            elif reader.flags & framing.FLAG_SECURED:
                if (opcode == AUTH or not plain) and self._opener.open(reader.buffer, reader.payload_end):
                    end = reader.payload_end - TAG_SIZE
                    return reader.buffer[framing.TEXT_AT], bytes(reader.buffer[framing.REQUEST_AT : end])
                others[1] += 1
            elif plain and reader.opcode == opcode and (reader.result or opcode != AUTH):
                return reader.result, bytes(reader.buffer[reader.payload_at : reader.payload_end])
            elif not plain and reader.result == NO_SESSION:
                self._session = 0
                raise SessionLost(name_of(MESSAGES, opcode), self.link.name)
            else:
                others[1] += 1
        return None

    def _received(self, opcode: int, deadline: float) -> bool:
        """Whether a good frame came before the deadline; it stands in the link's reader."""
        while (remaining_s := deadline - time.monotonic()) > 0:
            if not interruption.holds():
                return self.link.receive(remaining_s)
            began_s = time.monotonic()
            if self.link.receive(min(remaining_s, _SLICE_S)):
                return True
            self._heed_signals(opcode)
            if time.monotonic() - began_s < min(remaining_s, _SLICE_S) - _EARLY_S:  # nothing will come
                return False
        return False

    def _heed_signals(self, opcode: int) -> None:
        """The first signal that is held ends a request, and only the second the settling of it."""
        if interruption.came() > (1 if opcode in _PLAIN else 0):
            raise LinkError("interrupted", interruption.LOOK, "interrupted")

    def _patience_in_all_s(self, opcode: int) -> float:
        return sum(self._patience_s(opcode, attempt) for attempt in range(self._tries))

    def _patience_s(self, opcode: int, attempt: int) -> float:
        """How long to wait for the answer to this try. What a chip has to weigh takes it seconds, and to ask
        again meanwhile only keeps it from its work."""
        return self._timeout_s * (1 << min(attempt, _DOUBLINGS) if opcode in _WEIGHED else 1)


def no_value(request: str, error: WireError) -> WrongArgument:
    """A value that no frame can hold: it was never sent."""
    return WrongArgument(
        f"{request} cannot be sent: {error}", "docs/reference/protocol.md says what it takes"
    )


def refused(opcode: int, result: int, payload: bytes) -> Refused:
    """What an answer with this result says."""
    request = name_of(MESSAGES, opcode)
    detail = Reply.decoded(request, REFUSED, payload).text("detail") if payload else ""
    name = next((name for number, name in REFUSALS if number == result), unknown(result))
    return Refused(name, result, opcode, request, detail, bound_text.detail_text(name, detail))
