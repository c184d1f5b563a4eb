"""The event log in memory: a ring of fixed-size records with a sequence number that never repeats.

Called by: dosing and therapy (`note`), the link (`read`). `note` is in the steady path and never
allocates; the oldest record gives way to the newest, and a reader sees the gap in the sequence numbers.
(Durable storage is the store's matter; see docs/decisions.)"""

import struct

_RECORD = "<IIIBBBBHQQ"
_SIZE = struct.calcsize(_RECORD)
CAPACITY = 256

ACTOR_PUMP = 0


class EventRing:
    """Records of wire.messages' event fields. Time and actor are set by the main loop and the link."""

    def __init__(self, timebase, reason_number):
        """`reason_number`: function from a refusal's name to its number."""
        self._timebase = timebase
        self._reason_number = reason_number
        self._records = bytearray(CAPACITY * _SIZE)
        self.next_sequence = 1
        self.actor = ACTOR_PUMP

    def note(self, kind: int, code: int, ref: int, a: int, b: int) -> None:
        """Record an event at the present instant of the timebase."""
        self.note_at(self._timebase.s, self._timebase.us, kind, code, ref, a, b)

    def note_at(self, s: int, us: int, kind: int, code: int, ref: int, a: int, b: int) -> None:
        """Record an event at a given instant: what was scheduled happened when it was due."""
        sequence = self.next_sequence
        at = sequence % CAPACITY * _SIZE
        struct.pack_into(_RECORD, self._records, at, sequence, s, us, kind, self.actor, code, 0, ref, a, b)
        self.next_sequence = sequence + 1

    def refuse_bolus(self, kind: int, dose_ng: int, reason: str) -> None:
        self.note(10, kind, 0, dose_ng, self._reason_number(reason))

    def first_kept(self) -> int:
        """Sequence number of the oldest record still held."""
        oldest = self.next_sequence - CAPACITY
        return oldest if oldest > 1 else 1

    def read(self, sequence: int):
        """One record as a dict of wire.messages' event fields. Allocates: commands only."""
        at = sequence % CAPACITY * _SIZE
        _, s, us, kind, actor, code, _, ref, a, b = struct.unpack_from(_RECORD, self._records, at)
        return {
            "sequence": sequence,
            "at_s": s,
            "at_us": us,
            "kind": kind,
            "actor": actor,
            "code": code,
            "ref": ref,
            "a": a,
            "b": b,
        }
