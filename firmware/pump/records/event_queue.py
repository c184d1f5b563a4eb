"""Events on their way to flash: short queues in memory, one for each ring: events, faults, doses.

`note` and `note_at` belong to the steady path: they never allocate and never touch flash. What finds its
queue full is counted, not kept, and so is everything after it until `pump.records.event_log` has room and
explains the gap by a record. One sequence of numbers runs over all queues.

The ring of doses has places for what is given by the program and asked for by the patient, and others for
all the rest (`thecal_protocol.messages.DOSE_RECORDS`), each so many a day: what comes more often than that
goes to the ring of events. So nothing that anybody asks for, however often, pushes out 30 days of doses
(REC-07).

To be noted by itself: which local time it is, once a day and whenever the clock is set (REC-06), and what
`pump.records.repeats` has counted.
"""

import struct

from pump.rate_limit import RateLimit
from pump.records.repeats import Repeats
from thecal_protocol import events as event
from thecal_protocol.bolus_kinds import COMING_OFTEN, PATIENT_BOLUS
from thecal_protocol.events import PATIENT, PUMP
from thecal_protocol.messages import DOSE_RECORDS, FAULT_RECORDS, REPEATED_RECORDS

# The fields of `messages`' event entry in its order, and how an entry of the queues is laid out.
FIELDS = "<IIIBBBHQQH"
FIELDS_SIZE = struct.calcsize(FIELDS)
_AT_S = 4  # offsets of fields
_A = 17
_B = 25
_BOOT = 33

EVENT_SLOTS = 48
FAULT_SLOTS = 16
DOSE_SLOTS = 32

# Places in the ring of doses: in store, and how often one more. 30 days of them are what the ring keeps.
BOLUS_PLACES = 144  # two records for each of 48 periodic and 24 patient boluses a day
_BOLUS_EVERY_S = 600
OTHER_PLACES = 256
_OTHER_EVERY_S = 8640  # ten a day

_BOLUS_RECORDS = (
    event.BOLUS_STARTED,
    event.BOLUS_DELIVERED,
    event.BOLUS_CUT_SHORT,
    event.BOLUS_LEFT_OUT,
    event.BOLUS_INTERRUPTED,
)

# code of a reference time
_AT_BOOT = 1
_AT_CLOCK_CHANGE = 2
_AT_DAY = 3
_DAY_S = 86_400


class Queue:
    """Entries of one ring, oldest first, and an account of those that found no room."""

    def __init__(self, slots: int):
        self.entries = bytearray(slots * FIELDS_SIZE)
        self.slots = slots
        self.head = 0  # slot of the oldest entry
        self.count = 0
        self.lost = 0  # since the last account of a loss
        self.lost_first = 0
        self.lost_last = 0

    def offset(self, index: int) -> int:
        """Where the index-th oldest entry lies in `entries`; index == count: where the next one goes."""
        return (self.head + index) % self.slots * FIELDS_SIZE

    def sequence(self, index: int) -> int:
        """Number of the index-th oldest entry."""
        entries = self.entries
        at = self.offset(index)
        return entries[at] | entries[at + 1] << 8 | entries[at + 2] << 16 | entries[at + 3] << 24

    def has_room(self) -> bool:
        """Not after a loss, until it is accounted for: so what is lost is one range of numbers."""
        return self.count < self.slots and not self.lost

    def lose(self, sequence: int) -> None:
        if not self.lost:
            self.lost_first = sequence
        self.lost_last = sequence
        self.lost += 1

    def drop(self, count: int) -> None:
        """The oldest `count` entries are on flash."""
        self.head = (self.head + count) % self.slots
        self.count -= count


class EventQueue:
    """Where events are noted. Time and actor are set by the main loop and the link."""

    def __init__(self, timebase, reason_number):
        """`reason_number`: function from a refusal's name to its number."""
        self._timebase = timebase
        self._reason_number = reason_number
        self.events = Queue(EVENT_SLOTS)
        self.faults = Queue(FAULT_SLOTS)
        self.doses = Queue(DOSE_SLOTS)
        self._queues = (self.events, self.faults, self.doses)
        self._bolus_places = RateLimit(BOLUS_PLACES, 1, _BOLUS_EVERY_S)
        self._other_places = RateLimit(OTHER_PLACES, 1, _OTHER_EVERY_S)
        self.repeats = Repeats(self)
        self._local = None
        self.reference_s = 0  # when the next reference time is due
        self._reference_us = 0
        self.next_sequence = 1
        self.actor = PUMP
        self.boot = 0

    def note(self, kind: int, code: int, ref: int, a: int, b: int) -> None:
        """Record an event at the present instant of the timebase."""
        self.note_at(self._timebase.s, self._timebase.us, kind, code, ref, a, b)

    def note_at(self, s: int, us: int, kind: int, code: int, ref: int, a: int, b: int) -> None:
        """Record an event at a given instant: what was scheduled happened when it was due. What repeats a
        record of the last hour is counted instead (`pump.records.repeats`)."""
        actor = self.actor
        if (
            actor == PATIENT
            and code == PATIENT_BOLUS
            and (kind == event.BOLUS_STARTED or kind == event.BOLUS_REFUSED)
        ):
            self.repeats.asked(s, kind == event.BOLUS_STARTED)
        if kind not in REPEATED_RECORDS or not self.repeats.takes(s, actor, kind, code, b):
            self._put(s, us, kind, actor, code, ref, a, b)
        if kind == event.CLOCK_SET:
            self._note_reference(s, us, _AT_CLOCK_CHANGE)

    def tell_local_time(self, local) -> None:
        """From now on it is known."""
        self._local = local
        self._note_reference(self._timebase.s, self._timebase.us, _AT_BOOT)

    def note_due(self) -> None:
        """What is to be noted by itself, when it is time."""
        now_s = self._timebase.s
        if now_s > self.reference_s:
            self._note_reference(self.reference_s, self._reference_us, _AT_DAY)
        if now_s >= self.repeats.due_s:
            self.repeats.write_due(now_s)

    def _note_reference(self, s: int, us: int, why: int) -> None:
        """What local time it is at an instant of the pump's clock (REC-06); again a day later."""
        local = self._local
        self.reference_s = s + _DAY_S
        self._reference_us = us
        local.at(s, us)
        self.note_at(s, us, event.REFERENCE_TIME, why, local.day & 0xFFFF, local.second, local.us)

    def note_summary(self, kind: int, actor: int, code: int, ref: int, low: int, high: int, b: int) -> None:
        """A record of what was counted until now. `a` is made of two halves of 32 bits: as one number it
        would be an object on the chip."""
        time = self._timebase
        queue = self._put(time.s, time.us, kind, actor, code, ref, 0, b)
        if queue is not None:
            struct.pack_into("<II", queue.entries, queue.offset(queue.count - 1) + _A, low, high)

    def _put(self, s: int, us: int, kind: int, actor: int, code: int, ref: int, a: int, b: int):
        """One record into its queue, which is returned; None: there was no room."""
        sequence = self.next_sequence
        self.next_sequence = sequence + 1
        queue = self._queue_of(kind, code)
        if not queue.has_room():
            queue.lose(sequence)
            return None
        at = queue.offset(queue.count)
        struct.pack_into(FIELDS, queue.entries, at, sequence, s, us, kind, actor, code, ref, a, b, self.boot)
        queue.count += 1
        return queue

    def _queue_of(self, kind: int, code: int):
        """The ring that such a record goes to."""
        if kind in FAULT_RECORDS:
            return self.faults
        if kind in DOSE_RECORDS:
            by_itself = kind in _BOLUS_RECORDS and code in COMING_OFTEN
            places = self._bolus_places if by_itself else self._other_places
            if places.take(self._timebase.s):
                return self.doses
        return self.events

    def refuse_bolus(self, kind: int, dose_ng: int, reason: str) -> None:
        self.note(event.BOLUS_REFUSED, kind, 0, dose_ng, self._reason_number(reason))

    def date_from_now(self, recovery_us: int) -> None:
        """Once at boot, when the clock has been restored: all that was noted before happened now. The first
        entry is that of the boot itself; how long recovery took goes into its `b`."""
        time = self._timebase
        for limit in (self._bolus_places, self._other_places, self.repeats.tells):
            limit.begin(time.s, self.boot == 1)
        for queue in self._queues:
            for index in range(queue.count):
                struct.pack_into("<II", queue.entries, queue.offset(index) + _AT_S, time.s, time.us)
        struct.pack_into("<Q", self.events.entries, self.events.offset(0) + _B, recovery_us)

    def number_from(self, last: int, boot: int) -> None:
        """Once, when it is known which number was given last before this boot: count on from there."""
        self.boot = boot
        for queue in self._queues:
            for index in range(queue.count):
                at = queue.offset(index)
                struct.pack_into("<I", queue.entries, at, queue.sequence(index) + last)
                struct.pack_into("<H", queue.entries, at + _BOOT, boot)
            queue.lost_first += last
            queue.lost_last += last
        self.next_sequence += last

    def waiting(self) -> int:
        """How many entries are not on flash yet."""
        return self.events.count + self.faults.count + self.doses.count

    def next_stored(self) -> int:
        """The number below which everything is on flash (or accounted for as lost)."""
        following = self.next_sequence
        for queue in self._queues:
            if queue.count:
                following = min(following, queue.sequence(0))
        return following
