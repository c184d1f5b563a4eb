"""The chain of the pump's log, checked: the second implementation of it, on `cryptography`.

The log has three rings: events, faults and doses. Each record's tag is the AES-128-CBC-MAC (zero IV) of the
tag of the record before it in its ring and the record's own bytes, so without the pump's log key nobody can
change a record, take one out or put one elsewhere so that it would not show (REC-04). One sequence of
numbers runs over all rings; a number that is missing must be explained by a record (REC-01). The bytes and
the rules: docs/reference/event-log.md.
"""

import hmac
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from thecal.link.responses.pump import UNKNOWN, Event, LogRing, LogState
from thecal_protocol.messages import ACTORS, EVENT_KINDS, FAULT_RECORDS

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

    @property
    def ok(self) -> bool:
        """Is every record as the pump wrote it, and none missing without a reason?"""
        return not self.flaws


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
    return int(name.removeprefix(UNKNOWN)) if number is None else number


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


def verify(key: bytes, state: LogState, events: Sequence[Event]) -> Verdict:
    """Check a whole log: `state` read before `events`, which are all records up to `state.next_event` - 1."""
    events = [event for event in events if event.sequence < state.next_event]
    unchecked_to = max((event.a for event in events if _is_new_key(event)), default=0)
    flaws = [*_order(events)]
    rings = {
        "events": (state.events, KEPT_EVENTS),
        "faults": (state.faults, KEPT_FAULTS),
        "doses": (state.doses, KEPT_DOSES),
    }
    for name, (ring, kept) in rings.items():
        mine = [event for event in events if ring_of(event) == name]
        flaws += _ring(key, ring, mine, kept, unchecked_to)
    flaws += [
        Flaw(event.sequence, f"it is in no ring: {event.ring}")
        for event in events
        if ring_of(event) not in rings
    ]
    lost = tuple(event for event in events if event.kind == "records_lost")
    flaws += _gaps(state, events, lost)
    return Verdict(len(events), tuple(sorted(flaws, key=lambda flaw: flaw.sequence)), lost, unchecked_to)


def _is_new_key(event: Event) -> bool:
    return event.kind == "log_begun" and event.code == _KEY_LOST


def _order(events: Sequence[Event]) -> Iterable[Flaw]:
    for before, event in pairwise(events):
        if event.sequence <= before.sequence:
            yield Flaw(event.sequence, f"it stands after record {before.sequence}")
        elif event.boot < before.boot:
            yield Flaw(event.sequence, f"it is of boot {event.boot}, the record before it of {before.boot}")


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
    for (_, event), right in zip(sealed, tags, strict=True):
        if not hmac.compare_digest(right, event.tag):
            yield Flaw(event.sequence, "its tag does not fit: it was changed, or what stood before it was")
    last = events[-1].sequence if events else 0
    if last != ring.last or tag != ring.tag:
        yield Flaw(last + 1, f"records are missing at the end, up to {ring.last}")
    unreadable = any(event.kind == "records_lost" and event.code == _UNREADABLE for event in events)
    if ring.before != NO_TAG and ring.records < kept and not unreadable:
        yield Flaw(ring.first, f"records before it are gone, though the ring holds only {ring.records}")


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
