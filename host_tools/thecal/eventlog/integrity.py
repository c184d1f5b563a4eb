"""The chain of the pump's log, checked: the second implementation of it, on `cryptography`.

The log has three rings: events, faults and doses. Each record's tag is the AES-128-CBC-MAC (zero IV) of the
tag of the record before it in its ring and the record's own bytes, so without the pump's log key nobody can
change a record, take one out or put one elsewhere so that it would not show (REC-04). One sequence of
numbers runs over all rings; a number that is missing must be explained by a record (REC-01). The bytes and
the rules: docs/reference/event-log.md.

A verdict says what was checked and what could not be (REC-15). Where a log begins and ends only the pump
knows: `verify` takes its word for it, `verify_part` has records alone, and then an end is not known unless it
is the log's very first record.
"""

import hmac
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from thecal.link.responses.pump import Event, LogRing, LogState, number_of_unknown
from thecal_protocol.messages import ACTORS, EVENT_KINDS, FAULT_RECORDS, RINGS

TAG_SIZE = 16
NO_TAG = bytes(TAG_SIZE)
NOT_KNOWN = b""  # the tag before the first record of a file that begins somewhere: taken on trust
KEPT_EVENTS = 4096  # a ring that has let go of its oldest records keeps at least so many
KEPT_FAULTS = 1024
KEPT_DOSES = 5100

_FIELDS = struct.Struct("<IIIBBBHQQH9x")  # with the zeros up to the CRC
_CRC = struct.Struct("<I")
_FAULT_NAMES = frozenset(name for number, name in EVENT_KINDS if number in FAULT_RECORDS)
_KINDS = {name: number for number, name in EVENT_KINDS}
_ACTORS = {name: number for number, name in ACTORS}
_UNREADABLE = 2  # code of records_lost
_KEY_LOST = 2  # code of log_begun
_MORE_THAN_KEPT = 1 << 32  # records of a ring of which a file shows no more than a part
_BACK_S = 1_800  # what a power cut takes from the pump's clock (decision 0015)
_DAY_S = 86_400
_YEAR_S = 366 * _DAY_S
_CHANGED = "its tag does not fit: it was changed, is another pump's, or what stood before it was changed"

_FILTERS = {"faults", "doses"}  # rings that a log may be filtered to
Begins = Literal["first record", "oldest kept", "not known"]
Ends = Literal["newest", "not known"]


@dataclass(frozen=True)
class Flaw:
    """Something in the log that an untouched pump cannot have written. `sequence`: the record at fault."""

    sequence: int
    what: str


@dataclass(frozen=True)
class Verdict:
    """What a check of the log found; `flaws` in the order of their numbers."""

    records: int
    flaws: tuple[Flaw, ...]
    lost: tuple[Event, ...]  # records that explain missing numbers
    unchecked_to: int  # records up to this number were sealed with a key that the pump lost; 0: none
    first: int = 0  # numbers of the oldest and the newest record
    last: int = 0
    begins: Begins = "not known"  # with what: the log's very first record, the oldest that the pump keeps
    ends: Ends = "not known"  # with the newest record that the pump had
    untied: tuple[int, ...] = ()  # records whose tag could not be checked: the tag before is not there
    only: str = ""  # there are records of this ring alone, as `thecal log --faults` writes them

    @property
    def ok(self) -> bool:
        """Is nothing wrong with what could be checked?"""
        return not self.flaws

    @property
    def whole(self) -> bool:
        """Is every record as the pump wrote it, and none missing without a reason, at neither end?"""
        known = self.begins != "not known" and self.ends != "not known"
        return self.ok and known and not (self.untied or self.unchecked_to or self.only)

    @property
    def words(self) -> str:
        """What was checked, and what could not be: one line."""
        if not self.records:
            return "no records"
        head = {
            "first record": "the first is the pump's very first",
            "oldest kept": f"the pump keeps none before {self.first}",
            "not known": f"whether there were any before {self.first} is not known",
        }
        tail = {
            "newest": f"{self.last} was the newest that the pump had",
            "not known": f"whether any followed {self.last} is not known",
        }
        parts = [f"records {self.first} to {self.last} ({self.records}) were checked", head[self.begins]]
        parts.append(tail[self.ends])
        if self.only:
            parts.append(
                f"the file is filtered, it holds the {self.only} alone: for the rest give the whole log, "
                "`thecal log --jsonl > FILE`"
            )
        if self.untied:
            numbers = ", ".join(map(str, self.untied))
            parts.append(f"not checked: {numbers}, for the tag before is not there")
        if self.unchecked_to:
            parts.append(f"not checked: up to {self.unchecked_to}, from before the pump lost its key")
        return "; ".join(parts)


def record_bytes(event: Event) -> bytes:
    """The 48 bytes of a record that its tag covers: fields, zeros, CRC-32."""
    fields = _FIELDS.pack(
        event.sequence,
        event.at.s,
        event.at.us,
        _number(_KINDS, event.kind),
        _number(_ACTORS, event.actor),
        event.code,
        event.ref,
        event.a,
        event.b,
        event.boot,
    )
    return fields + _CRC.pack(zlib.crc32(fields))


def _number(numbers: dict[str, int], name: str) -> int:
    """The number behind a name of `pump.event_of`."""
    number = numbers.get(name)
    return number_of_unknown(name) or 0 if number is None else number


def tag_of(key: bytes, before: bytes, event: Event) -> bytes:
    """The tag of a record that follows one with the tag `before`."""
    encryptor = Cipher(algorithms.AES128(key), modes.CBC(NO_TAG)).encryptor()
    return (encryptor.update(before + record_bytes(event)) + encryptor.finalize())[-TAG_SIZE:]


def tags_of(key: bytes, befores: Sequence[bytes], events: Sequence[Event]) -> list[bytes]:
    """`tag_of` of many records at once, each after the tag of `befores` beside it: block by block for all."""
    encryptor = Cipher(algorithms.AES128(key), modes.ECB()).encryptor()
    records = [record_bytes(event) for event in events]
    state = encryptor.update(b"".join(befores))
    for at in range(0, 3 * TAG_SIZE, TAG_SIZE):
        blocks = b"".join(record[at : at + TAG_SIZE] for record in records)
        mixed = int.from_bytes(state, "little") ^ int.from_bytes(blocks, "little")
        state = encryptor.update(mixed.to_bytes(len(blocks), "little"))
    return [state[at : at + TAG_SIZE] for at in range(0, len(state), TAG_SIZE)]


def ring_of(event: Event) -> str:
    """Which ring the record is kept in. What was read from a pump of before protocol 3 does not say: it had
    two, by kind.
    """
    return event.ring or ("faults" if event.kind in _FAULT_NAMES else "events")


def is_fault(event: Event) -> bool:
    """Is this record kept in the ring of faults?"""
    return ring_of(event) == "faults"


def verify(key: bytes, state: LogState, events: Sequence[Event], *, known: bool = True) -> Verdict:
    """Check a whole log: `state` read before `events`, which are all records up to `state.next_event` - 1.

    `known`: it is the pump's own word, or proved to be; else what it says of the ends is but a claim.
    """
    return _verdict(key, state, [event for event in events if event.sequence < state.next_event], known=known)


def verify_part(key: bytes, events: Sequence[Event]) -> Verdict:
    """Check records of which nobody says where the log begins or ends, as in a file of lines."""
    ordered, _ = _ordered(events)
    rings: list[LogRing] = []
    for _, name in RINGS:
        mine = [event for event in ordered if ring_of(event) == name]
        before = NO_TAG if _from_the_start(key, ordered, mine) else NOT_KNOWN
        first, last, tag = (mine[0].sequence, mine[-1].sequence, mine[-1].tag) if mine else (0, 0, before)
        rings.append(LogRing(first, last, _MORE_THAN_KEPT, before, tag))
    state = LogState((ordered[-1].sequence if ordered else 0) + 1, 0, False, rings[0], rings[1], rings[2])
    found = {ring_of(event) for event in ordered}
    only = next(iter(found)) if len(found) == 1 and found <= _FILTERS else ""
    return _verdict(key, state, events, known=False, only=only)


def _from_the_start(key: bytes, all_rings: Sequence[Event], ring: Sequence[Event]) -> bool:
    """Whether the ring's first record has to be, or can be proved to be, the first that it ever had."""
    if not ring or all_rings[0].sequence == 1:
        return True
    return hmac.compare_digest(tag_of(key, NO_TAG, ring[0]), ring[0].tag)


def _verdict(key: bytes, state: LogState, events: Sequence[Event], *, known: bool, only: str = "") -> Verdict:
    events, flaws = _ordered(events)
    unchecked_to = max((event.a for event in events if _is_new_key(event)), default=0)
    rings = {
        "events": (state.events, KEPT_EVENTS),
        "faults": (state.faults, KEPT_FAULTS),
        "doses": (state.doses, KEPT_DOSES),
    }
    untied: list[int] = []
    for name, (ring, kept) in rings.items():
        mine = [event for event in events if ring_of(event) == name]
        flaws += _ring(key, ring, mine, kept, unchecked_to)
        if mine and len(ring.before) != TAG_SIZE and mine[0].sequence > unchecked_to:
            untied.append(mine[0].sequence)
    flaws += [
        Flaw(event.sequence, f"it is in no ring: {event.ring}")
        for event in events
        if ring_of(event) not in rings
    ]
    lost = tuple(event for event in events if event.kind == "records_lost")
    flaws += () if only else _gaps(state, events, lost)
    first = events[0].sequence if events else 0
    return Verdict(
        len(events),
        tuple(sorted(flaws, key=lambda flaw: flaw.sequence)),
        lost,
        unchecked_to,
        first,
        events[-1].sequence if events else 0,
        "first record" if first == 1 else "oldest kept" if known else "not known",
        "newest" if known else "not known",
        tuple(sorted(untied)),
        only,
    )


def _is_new_key(event: Event) -> bool:
    return event.kind == "log_begun" and event.code == _KEY_LOST


def _ordered(events: Sequence[Event]) -> tuple[list[Event], list[Flaw]]:
    """The records by their numbers, each once, and what was wrong with how they stood: the chain is told
    apart from the order in which somebody put them."""
    flaws = list(misplaced(events))
    once: dict[int, Event] = {}
    for event in sorted(events, key=lambda event: event.sequence) if flaws else events:
        once.setdefault(event.sequence, event)
    ordered = list(once.values())
    flaws += [
        Flaw(event.sequence, f"it is of boot {event.boot}, the record before it of {before.boot}")
        for before, event in pairwise(ordered)
        if event.boot < before.boot
    ]
    return ordered, flaws


def misplaced(events: Sequence[Event]) -> Iterable[Flaw]:
    """Records that do not stand in the order of their numbers, or twice."""
    if len(events) > 1 and all(event.sequence < before.sequence for before, event in pairwise(events)):
        yield Flaw(events[-1].sequence, "the records stand in reverse order, the newest first")
        return
    seen: dict[int, Event] = {}
    highest = 0
    for event in events:
        other = seen.get(event.sequence)
        seen[event.sequence] = event
        if other is not None:
            how = "it stands twice" if other == event else "two different records have its number"
            yield Flaw(event.sequence, how)
        elif event.sequence < highest:
            yield Flaw(event.sequence, f"it stands after record {highest}")
        highest = max(highest, event.sequence)


def _ring(key: bytes, ring: LogRing, events: Sequence[Event], kept: int, unchecked_to: int) -> Iterable[Flaw]:
    """Flaws of one ring: its chain from the tag before the oldest record to that of the newest."""
    befores = [ring.before, *(event.tag for event in events)]
    tag = befores[-1]
    sealed = [
        (before, event)
        for before, event in zip(befores, events, strict=False)
        if event.sequence > unchecked_to and len(before) == TAG_SIZE
    ]
    tags = tags_of(key, [before for before, _ in sealed], [event for _, event in sealed])
    cut = bool(events) and 0 < ring.first < events[0].sequence
    wrong = {
        event.sequence
        for (_, event), right in zip(sealed, tags, strict=True)
        if not hmac.compare_digest(right, event.tag)
    }
    for index, event in enumerate(events):
        if event.sequence in wrong:
            before = events[index - 1] if index else None
            after = events[index + 1] if index + 1 < len(events) else None
            what = _CHANGED + _dated(before, event, after)
            if cut and not index:
                what = f"records before it are missing, from {ring.first} on"
            yield Flaw(event.sequence, what)
    last = events[-1].sequence if events else 0
    if last != ring.last or tag != ring.tag:
        yield Flaw(last + 1, f"records are missing at the end, up to {ring.last}")
    unreadable = any(event.kind == "records_lost" and event.code == _UNREADABLE for event in events)
    if ring.before != NO_TAG and ring.records < kept and not unreadable:
        yield Flaw(ring.first, f"records before it are gone, though the ring holds only {ring.records}")


def _dated(before: Event | None, event: Event, after: Event | None) -> str:
    """Of a record that was changed: whether its time is none that it can have had between its neighbours."""
    if after is not None and event.at.s > after.at.s + _BACK_S:
        other, which = after, "after"
    elif before is not None and not before.at.s <= event.at.s + _BACK_S <= before.at.s + _YEAR_S:
        other, which = before, "before"
    else:
        return ""
    day, its = event.at.s // _DAY_S, other.at.s // _DAY_S
    return f"; it is dated day {day} of the pump's clock, the record {which} it day {its}"


def _gaps(state: LogState, events: Sequence[Event], lost: Sequence[Event]) -> Iterable[Flaw]:
    """Numbers that are missing for no reason; from where all rings still have theirs."""
    ranges = [(event.a, event.b) for event in lost]
    rings = (state.events, state.faults, state.doses)
    starts = [ring.first for ring in rings if ring.before != NO_TAG]
    expected = max(starts, default=1)
    for event in events:
        if event.sequence < expected:
            continue
        while expected < event.sequence:
            reaches = max((last for first, last in ranges if first <= expected <= last), default=0)
            if not reaches:
                yield Flaw(expected, "it is missing, and no record says why")
                break
            expected = reaches + 1 if reaches < event.sequence else event.sequence
        expected = event.sequence + 1
