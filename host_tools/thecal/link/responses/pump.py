"""What the pump answers, as typed values. Built by `client`; units stand in the names, as on the wire.

Numbers that stand for names on the wire (states, kinds, actors) are names here; one without a name is
"unknown (178)". Texts are `shown`. An answer that breaks its own table, or says what no pump can, is a
`LinkError` of cause "malformed" (HOST-25).

Named tuples: sixteen frozen dataclasses were a fifth of the time that `thecal status` takes.
"""

import re
from typing import Any, NamedTuple

from thecal._io.shown import shown_all
from thecal.errors import LinkError
from thecal_protocol.codec import OUT_OF_RANGE, WireError, decode
from thecal_protocol.messages import ACTORS, ALARMS, BOLUS_KINDS, EVENT_KINDS, RINGS, STATES, UNSEEN

Fields = tuple[tuple[str, object], ...]  # a table of fields, as in thecal_protocol.messages
_UNKNOWN = re.compile(r"unknown(?:_([0-9]{1,3})| \(([0-9]{1,3})\))")  # the first: as 0.1.0 wrote it
_WHOLE_U64 = frozenset(("a", "b", "detail", "missed_pl", "value", "limit"))  # may have all of their 64 bits,
_BOUND = "max_"  # and so may every limit of a program: a pump keeps what it took
_MOST_U64 = (1 << 63) - 1
TAG_BYTES = 16
_NO_NUMBER = 256  # numbers of names have 8 bits
NEVER_S = 0xFFFFFFFF  # `next_change_s`: nothing is scheduled


class Instant(NamedTuple):
    """A time on the pump's monotonic clock, which starts at boot."""

    s: int
    us: int

    @property
    def total_us(self) -> int:
        """Microseconds since boot."""
        return self.s * 1_000_000 + self.us


class Hello(NamedTuple):
    """Who the pump says it is. Proved once a session is open; `firmware` is told only then."""

    protocol: int
    table_hash: bytes
    session: int
    model: str
    serial: str
    capabilities: int
    alarm: int  # highest class of alarm that stands: 0 none, 1 noncritical, 2 critical
    challenge: bytes
    firmware: str = ""

    @property
    def paired(self) -> bool:
        """Whether it has a clinician's key."""
        return self.capabilities & 1 != 0


class Status(NamedTuple):
    """The pump at one instant."""

    state: str  # thecal_protocol.messages.STATES
    now: Instant
    local_day: int  # days since 2000-01-01, pump local time
    local_s: int
    local_us: int
    clock_set: bool  # has anybody ever said what day it is?
    program_digest: bytes  # empty: never programmed
    steps: int  # accounted since boot
    reservoir_pl: int
    rate_pl_per_day: int
    basal_ng_per_day: int
    next_change_s: int | None  # from now; None: nothing is scheduled
    bolus: str | None  # thecal_protocol.messages.BOLUS_KINDS of the one running
    bolus_given_pl: int
    bolus_left_us: int
    alarms: int  # how many stand
    alarm: str | None  # the one announced, of the highest class (thecal_protocol.alarms.ALARMS)
    missed_pl: int | None  # counted since the first program and not seen to move; None: nobody sees the motor
    next_event: int


class Limit(NamedTuple):
    """One of the pump's own limits: the lowest and the highest value it takes."""

    name: str
    low: int
    high: int


class Event(NamedTuple):
    """One record of the log. What `code`, `a` and `b` mean depends on `kind`: docs/reference/protocol.md.

    A tuple, because there are a hundred thousand of them: a frozen dataclass takes three times as long.
    """

    sequence: int
    at: Instant
    kind: str  # thecal_protocol.messages.EVENT_KINDS, or "unknown_80" of a record that no pump has written
    actor: str  # thecal_protocol.messages.ACTORS, or likewise
    code: int
    ref: int
    a: int
    b: int
    boot: int = 0  # which boot of the pump, counted from 1
    tag: bytes = b""  # chains it to the record before it in its ring (thecal.eventlog.integrity)
    ring: str = ""  # `messages.RINGS`; empty in what was read from a pump that had two (event_chain.ring_of)


class LogRing(NamedTuple):
    """One of the rings of the log on flash, without its records."""

    first: int  # number of the oldest record that can be read; 0: none
    last: int  # number of the newest record
    records: int
    before: bytes  # tag before the oldest record
    tag: bytes  # tag of the newest record


class LogState(NamedTuple):
    """How far the pump's log reaches."""

    next_event: int  # number of the next record to reach the flash
    boot: int
    failing: bool  # what happens does not get onto flash at present
    events: LogRing
    faults: LogRing
    doses: LogRing
    heap_free: int | None = None  # bytes of the pump's memory, with what is garbage already in use


class DrugConcentration(NamedTuple):
    """A drug in a filling."""

    name: str
    concentration_ng_per_ml: int


class Filling(NamedTuple):
    """What one filling gave so far. Doses follow exactly: steps x step volume x concentration."""

    filling: int
    steps: int  # those of a prime, which is no dose, are not among them
    step_volume_pl: int
    tip_pl: int  # volume that has left the catheter's tip
    drugs: tuple[DrugConcentration, ...]
    missed: int = 0  # of its steps: counted and not seen to move


class Accounts(NamedTuple):
    """The pump's ledger."""

    steps: int
    step_volume_pl: int
    reservoir_pl: int
    resets: int
    fillings: tuple[Filling, ...]
    volume_pl_by_source: dict[str, int]  # thecal_protocol.messages.BOLUS_KINDS; "basal" among them
    missed_pl: int | None = 0  # counted and not seen to move, primes too; None: nobody sees the motor


class WorstCase(NamedTuple):
    """The most of one drug that 24 h can bring: by schedule alone, and with every bolus allowed."""

    scheduled_ng: int
    worst_ng: int


class Proposal(NamedTuple):
    """What the pump understood, proved equal to what was sent; `commit` its digest to make it so."""

    kind: int
    digest: bytes
    reading: dict[str, object]
    worst_case_24h: tuple[WorstCase, ...]  # per drug, in the therapy's order


class Committed(NamedTuple):
    """When a commit took effect; `ref` ties a bolus to its event records, 0 otherwise."""

    at: Instant
    ref: int


def values_of(answer: Any) -> Any:
    """An answer's values by name, all the way down; what is no named tuple stays as it is."""
    if not isinstance(answer, tuple):
        return answer
    parts: tuple[Any, ...] = tuple(map(values_of, answer))  # pyright: ignore[reportUnknownArgumentType]
    fields: tuple[str, ...] | None = getattr(answer, "_fields", None)  # pyright: ignore[reportUnknownArgumentType]
    return dict(zip(fields, parts, strict=True)) if fields else parts


class Reply:
    """A decoded payload with typed access; every failure is the pump's, and a LinkError."""

    def __init__(self, request: str, values: dict[str, object]) -> None:
        self._request = request
        self.values = values

    @classmethod
    def decoded(cls, request: str, fields: Fields, payload: bytes, *, verbatim: bool = False) -> "Reply":
        """The reply that `payload` holds by the table `fields`, texts `shown`; `verbatim`: as it is."""
        try:
            values = decode(fields, payload, 0, len(payload))
            if verbatim:
                return cls(request, values)
            _plausible(fields, values)
            return cls(request, shown_all(values))
        except WireError as error:
            raise malformed(request, str(error)) from error

    def number(self, name: str) -> int:
        """An integer field."""
        value = self.values[name]
        assert isinstance(value, int)  # by the table
        return value

    def text(self, name: str) -> str:
        """A str field."""
        value = self.values[name]
        assert isinstance(value, str)
        return value

    def data(self, name: str) -> bytes:
        """A bytes field."""
        value = self.values[name]
        assert isinstance(value, bytes)
        return value

    def group(self, name: str) -> "list[Reply]":
        """A repeated group."""
        entries = self.values[name]
        assert isinstance(entries, list)
        return [Reply(self._request, entry) for entry in entries]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]

    def name(self, name: str, table: tuple[tuple[object, ...], ...]) -> str:
        """A number that stands for a name of `table`; "unknown (178)" where that has none."""
        number = self.number(name)
        return next((str(row[1]) for row in table if row[0] == number), unknown(number))

    def instant(self, prefix: str) -> Instant:
        """The pair of fields `prefix`_s, `prefix`_us."""
        return Instant(self.number(prefix + "_s"), self.number(prefix + "_us"))


def _plausible(fields: Fields, values: dict[str, object]) -> None:
    """WireError: a volume, dose or count that no pump can have."""
    for name, kind in fields:
        value = values[name]
        if isinstance(value, list):
            for entry in value:  # pyright: ignore[reportUnknownVariableType]
                _plausible(kind, entry)  # pyright: ignore[reportArgumentType, reportUnknownArgumentType]
        elif kind != "u64" or name in _WHOLE_U64 or name.startswith(_BOUND):
            continue
        elif isinstance(value, int) and value > _MOST_U64:
            raise WireError(OUT_OF_RANGE, name)


def unknown(number: int) -> str:
    """The name of a number that has none."""
    return f"unknown ({number})"


def number_of_unknown(name: str) -> int | None:
    """The number behind such a name; None: it is no such name."""
    found = _UNKNOWN.fullmatch(name)
    number = int(found[1] or found[2]) if found else _NO_NUMBER
    return number if number < _NO_NUMBER else None


def malformed(request: str, what: str) -> LinkError:
    """The pump's answer to `request` breaks the protocol."""
    return LinkError(
        f"the pump's answer to {request} breaks the protocol: {what}",
        "if it is a pump with thecal's firmware, report this",
        "malformed",
    )


def hello_of(reply: Reply) -> Hello:
    """The answer to `hello`."""
    serial = reply.text("serial")
    if not serial or "\\" in serial:  # what `shown` made of a character that nobody sees
        raise malformed("hello", "its serial number is none")
    return Hello(
        protocol=reply.number("protocol"),
        table_hash=reply.data("table_hash"),
        session=reply.number("session"),
        model=reply.text("model"),
        serial=serial,
        capabilities=reply.number("capabilities"),
        alarm=reply.number("alarm"),
        challenge=reply.data("challenge"),
    )


def status_of(reply: Reply) -> Status:
    """The answer to `status`."""
    next_change_s = reply.number("next_change_s")
    return Status(
        state=reply.name("state", STATES),
        now=reply.instant("now"),
        local_day=reply.number("local_day"),
        local_s=reply.number("local_s"),
        local_us=reply.number("local_us"),
        clock_set=bool(reply.number("clock_set")),
        program_digest=reply.data("program_digest"),
        steps=reply.number("steps"),
        reservoir_pl=reply.number("reservoir_pl"),
        rate_pl_per_day=reply.number("rate_pl_per_day"),
        basal_ng_per_day=reply.number("basal_ng_per_day"),
        next_change_s=None if next_change_s == NEVER_S else next_change_s,
        bolus=reply.name("bolus", BOLUS_KINDS) if reply.number("bolus") else None,
        bolus_given_pl=reply.number("bolus_given_pl"),
        bolus_left_us=reply.number("bolus_left_us"),
        alarms=reply.number("alarms"),
        alarm=reply.name("alarm", ALARMS) if reply.number("alarm") else None,
        missed_pl=seen(reply.number("missed_pl")),
        next_event=reply.number("next_event"),
    )


def event_of(reply: Reply) -> Event:
    """One entry of the answer to `events`."""
    tag = reply.data("tag")
    if len(tag) != TAG_BYTES:
        raise malformed("events", f"a tag of {len(tag)} bytes")
    return Event(
        sequence=reply.number("sequence"),
        at=reply.instant("at"),
        kind=reply.name("kind", EVENT_KINDS),
        actor=reply.name("actor", ACTORS),
        code=reply.number("code"),
        ref=reply.number("ref"),
        a=reply.number("a"),
        b=reply.number("b"),
        boot=reply.number("boot"),
        tag=tag,
        ring=reply.name("ring", RINGS),
    )


def log_state_of(reply: Reply) -> LogState:
    """The answer to `log_state`."""
    rings = [
        LogRing(r.number("first"), r.number("last"), r.number("records"), r.data("before"), r.data("tag"))
        for r in reply.group("rings")
    ]
    if len(rings) != len(RINGS):
        raise malformed("log_state", f"{len(rings)} rings")
    return LogState(
        next_event=reply.number("next_event"),
        boot=reply.number("boot"),
        failing=bool(reply.number("failing")),
        events=rings[0],
        faults=rings[1],
        doses=rings[2],
        heap_free=reply.number("heap_free"),
    )


def filling_of(reply: Reply) -> Filling:
    """One filling of the answer to `accounts`."""
    drugs = [
        DrugConcentration(d.text("name"), d.number("concentration_ng_per_ml")) for d in reply.group("drugs")
    ]
    return Filling(
        reply.number("filling"),
        reply.number("steps"),
        reply.number("step_volume_pl"),
        reply.number("tip_pl"),
        tuple(drugs),
        reply.number("missed"),
    )


def seen(missed_pl: int) -> int | None:
    """A volume not seen to move; None: the board has no feedback of its motor's steps."""
    return None if missed_pl == UNSEEN else missed_pl


def accounts_of(reply: Reply, fillings: list[Filling], sources: Reply) -> Accounts:
    """The last page of the answer to `accounts`, with the fillings of all pages. `sources`: the page that has
    them, the same one but for fillings of five drugs."""
    return Accounts(
        steps=reply.number("steps"),
        step_volume_pl=reply.number("step_volume_pl"),
        reservoir_pl=reply.number("reservoir_pl"),
        resets=reply.number("resets"),
        fillings=tuple(fillings),
        volume_pl_by_source={
            s.name("source", BOLUS_KINDS): s.number("volume_pl") for s in sources.group("sources")
        },
        missed_pl=seen(reply.number("missed_pl")),
    )
