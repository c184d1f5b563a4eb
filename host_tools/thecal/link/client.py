"""Talking to a pump: sessions, retries, at-most-once commands, and typed answers.

    with Client.connect("/dev/ttyACM0") as pump:
        print(pump.status().state)
        proposal = pump.propose_program(values)      # read back and proved equal to what was sent
        pump.commit(proposal.digest)

A method that returns was carried out exactly once, one that raises LinkError or PortError at most once:
`resolve_outcome` finds out which. A method that raises `Refused` changed nothing.
"""

import hashlib
from itertools import pairwise
from types import TracebackType
from typing import Self

from thecal.errors import LinkError, ReadbackMismatch, Refused
from thecal.link import key_lookup, keyring
from thecal.link.button import Button, pressed
from thecal.link.client_alarms import GuardClient
from thecal.link.responses.program import plausible
from thecal.link.responses.pump import (
    Accounts,
    Committed,
    Event,
    Hello,
    Instant,
    Limit,
    LogState,
    Proposal,
    Reply,
    Status,
    WorstCase,
    accounts_of,
    event_of,
    filling_of,
    log_state_of,
    malformed,
    status_of,
)
from thecal.link.session import TIMEOUT_S, TRIES, CommandOutcome, FindKey, Session, no_value
from thecal.link.transport import Link, Transport
from thecal_protocol import framing
from thecal_protocol.bolus_kinds import WORDS
from thecal_protocol.codec import WireError, encoded, name_of, size
from thecal_protocol.messages import (
    ABORT,
    ACCOUNTS,
    COMMIT,
    EVENTS,
    IMPLANT,
    LIMITS,
    LOG_CLEAR,
    LOG_KEY,
    LOG_STATE,
    MESSAGES,
    PATIENT_BOLUS,
    PROGRAM,
    PROPOSAL_BOLUS,
    PROPOSAL_CLOCK,
    PROPOSAL_PRIME,
    PROPOSAL_PROGRAM,
    PROPOSAL_REFILL,
    PROPOSAL_REFILL_AND_PROGRAM,
    PROPOSE,
    READING,
    RESUME,
    STATUS,
    STOP,
    proposal_fields,
    request_fields,
)

PIECE = framing.MAX_PAYLOAD - size(request_fields(PROPOSE), {"kind": 0, "total": 0, "offset": 0, "data": b""})
DIGEST_SIZE = 16
LAST_EVENT = 0xFFFFFFFF  # past every number of the log
LOG_KEY_BYTES = 16
MOST_RECORDS = 20_480  # half as many again as the largest log of a pump (docs/reference/event-log.md)
MOST_BLOB_BYTES = 16_384  # of a program or a reading; no pump takes one of more than 6,144
_LEAST_PIECE = 32  # bytes of a blob that come at once, but for the last ones
_MOST_EVENTS = 255
_FEW = 3  # records: a page has at least so many, but for the last ones,
_NEARLY_EMPTY = 200  # of which there are some where records are added meanwhile


class Client(GuardClient):
    """One pump, reached over one `Link`. Not for use from several threads."""

    def __init__(
        self,
        link: Link,
        *,
        role: str = "clinician",
        find_key: FindKey = key_lookup.find,
        timeout_s: float = TIMEOUT_S,
        tries: int = TRIES,
        button: Button | None = None,
    ) -> None:
        """`role`: observer, patient, clinician or manufacturer. `find_key`: where its key comes from.
        `button`: who is told to press the pump's; None: nobody, and what needs it is Refused.
        """
        self.button = button
        number = keyring.role_number(role)
        self._session = Session(link, role=number, find_key=find_key, timeout_s=timeout_s, tries=tries)

    @classmethod
    def connect(
        cls, port_url: str, *, role: str = "clinician", timeout_s: float = TIMEOUT_S, tries: int = TRIES
    ) -> Self:
        """Open the port and a session on it, with the key that the keyring has for the pump and role."""
        link = Transport(port_url)
        try:
            client = cls(link, role=role, timeout_s=timeout_s, tries=tries)
            client.hello()
        except BaseException:
            link.close()
            raise
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back. The pump's session ends by itself."""
        self._session.link.close()

    # -- session

    @property
    def asked(self) -> int:
        """How many requests it has made in sessions."""
        return self._session.asked

    def hello(self) -> Hello:
        """Open a new session. ProtocolMismatch when the pump speaks another protocol, NoKey without a key for
        it, Refused when the pump does not take the key."""
        return self._session.hello()

    def resolve_outcome(self) -> CommandOutcome:
        """After a LinkError or PortError: a new session, and what became of the command without an answer."""
        return self._session.resolve_outcome()

    # -- questions

    def status(self) -> Status:
        """The pump now."""
        return status_of(self._session.request(STATUS, {}))

    def limits(self) -> list[Limit]:
        """The pump's own limits."""
        pages = self._session.pages(LIMITS, "first", "limits", "total")
        found = [one for page in pages for one in page.group("limits")]
        if not found:
            raise malformed("limits", "an empty page")
        return [Limit(one.text("name"), one.number("low"), one.number("high")) for one in found]

    def events(
        self,
        first: int = 0,
        last: int = LAST_EVENT,
        *,
        count: int | None = None,
        faults: bool = False,
        doses: bool = False,
    ) -> list[Event]:
        """The log from number `first` (or the oldest that is kept) to `last` or its end, oldest first.

        `count`: at most so many. `faults`, `doses`: only those of that ring.
        """
        ring = 1 if faults else 2 if doses else 0
        events: list[Event] = []
        pages = 0
        while count is None or len(events) < count:
            most = _MOST_EVENTS if count is None else min(_MOST_EVENTS, count - len(events))
            request: dict[str, object] = {"first": first, "last": last, "count": most, "ring": ring}
            reply = self._session.request(EVENTS, request)
            page = [event_of(entry) for entry in reply.group("events")]
            if not page:
                break
            numbers = [first - 1, *(event.sequence for event in page), reply.number("next")]
            if any(before >= after for before, after in pairwise(numbers)) or page[-1].sequence > last:
                raise malformed("events", f"it does not advance: records out of order from {first} on")
            events += page
            pages += 1
            if pages * _FEW > len(events) + _NEARLY_EMPTY:
                raise malformed("events", f"{len(events)} records on {pages} pages: a pump fills its pages")
            if len(events) > MOST_RECORDS:
                raise malformed("events", f"more than {MOST_RECORDS} records: no pump keeps so many")
            first = reply.number("next")
        return events

    def log_state(self) -> LogState:
        """How far the log reaches; with the tags at its ends, for `integrity.verify`."""
        return log_state_of(self._session.request(LOG_STATE, {}))

    def log_key(self) -> bytes:
        """The key of the log's chain; for clinicians and the manufacturer. See `log_keys`."""
        key = self._session.request(LOG_KEY, {}).data("key")
        if len(key) != LOG_KEY_BYTES:
            raise malformed("log_key", f"a key of {len(key)} bytes")
        return key

    def clear_log(self) -> None:
        """Always Refused: the log only grows. Here so that a tool which asks gets the pump's own answer."""
        self._session.request(LOG_CLEAR, {})

    def accounts(self) -> Accounts:
        """The pump's ledger. Of several pages the last one, with the filling in use, is of one instant."""
        pages = self._session.pages(ACCOUNTS, "first_filling", "fillings", "fillings_total")
        fillings = [filling_of(entry) for page in pages for entry in page.group("fillings")]
        sources = pages[-1]
        if not sources.group("sources"):  # no room beside a filling of five drugs
            sources = self._session.request(ACCOUNTS, {"first_filling": len(fillings)})
        return accounts_of(pages[-1], fillings, sources)

    def running_program(self) -> dict[str, object] | None:
        """The therapy the pump runs, by `thecal_protocol.therapy.THERAPY`; None when it was never
        programmed.
        """
        try:
            blob = self._read_blob(PROGRAM)
        except Refused as refused:
            if refused.name == "not_programmed":
                return None
            raise
        return plausible(_decoded("program", PROPOSAL_PROGRAM, blob)) if blob else None

    # -- dose-changing commands: propose, then commit

    def propose_program(self, therapy: dict[str, object]) -> Proposal:
        """Propose a therapy, as `thecal_protocol.therapy.THERAPY`."""
        return self.propose(PROPOSAL_PROGRAM, therapy)

    def propose_bolus(self, dose_ng: int, duration_us: int, **words: bool) -> Proposal:
        """Propose a clinician's bolus: the plain one, or the kind whose word is true."""
        values: dict[str, object] = {"dose_ng": dose_ng, "duration_us": duration_us}
        values |= dict.fromkeys(WORDS, 0) | {word: int(said) for word, said in words.items()}
        return self.propose(PROPOSAL_BOLUS, values)

    def propose_clock_offset(self, offset_us: int) -> Proposal:
        """Propose to move local time by `offset_us`."""
        values: dict[str, object] = {"absolute": 0, "day": 0, "second": 0, "us": 0, "offset_us": offset_us}
        return self.propose(PROPOSAL_CLOCK, values)

    def propose_clock(self, day: int, second: int, us: int) -> Proposal:
        """Propose to set local time: days since 2000-01-01, second of the day, microsecond."""
        values: dict[str, object] = {"absolute": 1, "day": day, "second": second, "us": us, "offset_us": 0}
        return self.propose(PROPOSAL_CLOCK, values)

    def propose_refill(
        self,
        volume_pl: int,
        residual_pl: int,
        *,
        lot: str = "",
        expiry_day: int | None = None,
        measured_pl: int | None = None,
    ) -> Proposal:
        """Propose to record a refill. `expiry_day`: last day of the drug's stability, days since 2000-01-01;
        `measured_pl`: what was found in the reservoir after filling."""
        values = refill_values(
            volume_pl, residual_pl, lot=lot, expiry_day=expiry_day, measured_pl=measured_pl
        )
        return self.propose(PROPOSAL_REFILL, values)

    def propose_refill_and_program(self, refill: dict[str, object], therapy: dict[str, object]) -> Proposal:
        """Propose a refill (`refill_values`) and the therapy of what was filled in
        (`thecal_protocol.therapy.THERAPY`): the commit puts both on record at one instant, or neither.
        """
        return self.propose(PROPOSAL_REFILL_AND_PROGRAM, {**refill, **therapy})

    def propose_prime(self, *, dry: bool) -> Proposal:
        """Propose to prime: the whole dead volume of a dry pump, else the catheter's only."""
        return self.propose(PROPOSAL_PRIME, {"dry": int(dry)})

    def propose(self, kind: int, values: dict[str, object]) -> Proposal:
        """Send a proposal in pieces and check what the pump understood.

        Refused: the pump refuses it. ReadbackMismatch: what it read is not what was sent; it was withdrawn.
        Nothing changes until `commit` of the proposal's digest.
        """
        try:
            blob = bytes(encoded(proposal_fields(kind), values))
        except WireError as error:
            raise no_value("propose", error) from None
        reply = Reply("propose", {})
        for offset in range(0, len(blob), PIECE):
            piece = blob[offset : offset + PIECE]
            request: dict[str, object] = {"kind": kind, "total": len(blob), "offset": offset, "data": piece}
            reply = self._session.request(PROPOSE, request)
            if reply.number("received") != offset + len(piece):
                raise malformed(
                    "propose", f"{reply.number('received')} of {offset + len(piece)} bytes received"
                )
        reading = self._read_blob(READING)
        digest = reply.data("digest")
        if reading != blob or digest != digest_of(kind, blob):
            self._session.request(ABORT, {})
            raise ReadbackMismatch(
                f"the pump did not read what was sent ({_difference(kind, values, reading)})",
                "nothing was changed; try again, and report this if it stays",
            )
        worst = [
            WorstCase(w.number("scheduled_ng"), w.number("worst_ng")) for w in reply.group("worst_case_24h")
        ]
        read = _decoded("reading", kind, reading, verbatim=True)  # it is what was sent
        return Proposal(kind, digest, read, tuple(worst))

    def commit(self, digest: bytes) -> Committed:
        """Make the proposal of this digest so, from one instant to the next."""
        reply = self.request(COMMIT, digest=digest)
        return Committed(reply.instant("at"), reply.number("ref"))

    def abort(self) -> None:
        """Withdraw the proposal."""
        self._session.request(ABORT, {})

    # -- commands of one step

    def stop(self, *, resume_after_s: int = 0) -> Instant:
        """Stop delivery, for `resume_after_s` or (0) until `resume`; when it took effect."""
        return self._session.request(STOP, {"resume_after_s": resume_after_s}).instant("at")

    def resume(self) -> Instant:
        """Resume delivery; when it took effect."""
        return self._session.request(RESUME, {}).instant("at")

    def patient_bolus(self) -> int:
        """Ask for the patient's bolus, as the patient would; its number in the log."""
        return self._session.request(PATIENT_BOLUS, {}).number("ref")

    def set_implant_flag(self) -> Instant:
        """Say that the pump is being implanted or revised: for an hour a prime may be given."""
        return self.request(IMPLANT, press="to set the implant flag").instant("at")

    def request(self, opcode: int, *, press: str = "to carry this out", **values: object) -> Reply:
        """Any request, by its row of `thecal_protocol.messages`: its fields in, its answer out.

        `press`: what it is for, where it needs the pump's button pressed. Nobody pressed: the pump forgets
        it.
        """
        session = self._session

        def forget() -> None:
            session.hello()  # while a signal is held nothing else is sent; the session before waits no longer

        return pressed(
            lambda: session.request(opcode, values), press, session.serial, self.button, give_up=forget
        )

    def _read_blob(self, opcode: int) -> bytes:
        request = name_of(MESSAGES, opcode)
        blob = b""
        while True:
            reply = self._session.request(opcode, {"offset": len(blob)})
            piece = reply.data("data")
            blob += piece
            if len(blob) == reply.number("total"):
                return blob
            if len(piece) < _LEAST_PIECE or len(blob) > min(reply.number("total"), MOST_BLOB_BYTES):
                raise malformed(request, f"{len(blob)} of {reply.number('total')} bytes")


def refill_values(
    volume_pl: int,
    residual_pl: int,
    *,
    lot: str = "",
    expiry_day: int | None = None,
    measured_pl: int | None = None,
) -> dict[str, object]:
    """A refill as `thecal_protocol.therapy.REFILL`."""
    return {
        "volume_pl": volume_pl,
        "residual_pl": residual_pl,
        "lot": lot,
        "expiry_day": expiry_day or 0,
        "checked": int(measured_pl is not None),
        "measured_pl": measured_pl or 0,
    }


def digest_of(kind: int, blob: bytes) -> bytes:
    """The digest of a proposal: what `commit` names."""
    return hashlib.sha256(bytes((kind,)) + blob).digest()[:DIGEST_SIZE]


def _decoded(request: str, kind: int, blob: bytes, *, verbatim: bool = False) -> dict[str, object]:
    return Reply.decoded(request, proposal_fields(kind), blob, verbatim=verbatim).values


def _difference(kind: int, sent: dict[str, object], reading: bytes) -> str:
    """The first field that the pump read differently."""
    try:
        read = _decoded("reading", kind, reading, verbatim=True)
    except LinkError as error:
        return str(error.message)
    for name, value in sent.items():
        if read[name] != value:
            return f"{name}: sent {value!r}, read {read[name]!r}"
    return "its digest is another"
