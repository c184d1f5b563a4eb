"""The event log: what was noted gets onto flash, in three rings of its own, chained by a keyed tag (REC).

events at least 4096 records a flood of one never evicts another; docs/reference/event-log.md says which kind
faults at least 1024 goes where (thecal_protocol.messages.FAULT_RECORDS, DOSE_RECORDS) doses at least 5100 30
days of them

Noting is `pump.records.event_queue`'s matter. `write_due` brings what waits there to flash; the main loop
calls it right after the motor has been fed, commands call it before they answer. Records reach flash in the
order of their numbers, so a power cut loses the last few of one turn of the loop and nothing else, and since
only what is on flash is ever shown, no number is seen twice. Therapy never waits for the log: while the flash
fails or is full the queues hold what they can, the alarm stands, and a record explains the gap afterwards
(REC-01, REC-05).

`write_due` allocates nothing, except where the flash failed and once in 512 records (`EventRing.prepare`).
"""

from pump.records.documents import Document, DocumentError
from pump.records.event_queue import EventQueue
from pump.records.event_reader import LogReader
from pump.records.event_ring import SEGMENT_RECORDS, EventRing
from thecal_protocol import alarms as alarm
from thecal_protocol import events as event

FULL_EVENT_SEGMENTS = 8  # of 512 records
FULL_FAULT_SEGMENTS = 2
FULL_DOSE_SEGMENTS = 10
DOSE_SEGMENT_RECORDS = 510  # with its header and littlefs's own pointers, 8 blocks of flash
KEY_SIZE = 16


# code of a reference time
_AT_BOOT = 1
_AT_CLOCK_CHANGE = 2
_AT_DAY = 3
_DAY_S = 86_400

# code of lost records
_QUEUE_FULL = 1
_UNREADABLE = 2

# code of a log begun
_NEW = 1
_KEY_LOST = 2
_WITHOUT_DOSES = 3

_KEY_NUMBER = 1
_RETRY_S = 60
_NO_LIMIT = 0x3FFFFFFF
_TICKS_MASK = 0x3FFFFFFF


class EventLog(EventQueue):
    """Queues in memory, rings on flash."""

    def __init__(self, timebase, reason_number, store, random_bytes):
        EventQueue.__init__(self, timebase, reason_number)
        self._store = store
        self._random_bytes = random_bytes
        self._local = None
        self.rings = (  # by their numbers
            EventRing(0, self.events, store, "events", FULL_EVENT_SEGMENTS, SEGMENT_RECORDS),
            EventRing(1, self.faults, store, "faults", FULL_FAULT_SEGMENTS, SEGMENT_RECORDS),
            EventRing(2, self.doses, store, "doses", FULL_DOSE_SEGMENTS, DOSE_SEGMENT_RECORDS),
        )
        self._reader = LogReader(self.rings)
        self.key = b""
        self.alarms = None  # pump.safety.alarms, before `start_up`
        self.failing = False  # the alarm: what is noted does not get onto flash
        self._numbered = False
        self._retry_s = 0
        self._unprepared = False  # a segment is to be made in advance
        self._reference_s = 0  # when the next reference time is due
        self._reference_us = 0

    # --- boot ---

    def start_up(self, local, ticks_us, began_ticks: int) -> None:
        """Find the end of the log and go on there. Once, when the clock has been restored; the boot itself
        has been noted first of all. `ticks_us`: the board's; what it was when recovery began."""
        self._local = local
        self._reference(self._timebase.s, self._timebase.us, _AT_BOOT)
        try:
            self._open()
        except OSError:
            self._fail()
        self.date_from_now((ticks_us() - began_ticks) & _TICKS_MASK)

    def _open(self) -> None:
        """All rings as the flash has them. OSError."""
        begun = 0
        if not self.key:
            begun = self._find_key()
        rings = self.rings
        for ring in rings:
            if not ring.is_open():
                ring.open(self.key)
        if not self._numbered:
            self._numbered = True
            last = max([ring.last for ring in rings])
            unreadable = sum([ring.unreadable for ring in rings])
            self.number_from(last + unreadable, max([ring.boot for ring in rings]) + 1 & 0xFFFF)
            if last and not begun and not rings[2].last:  # the log of a firmware that had two rings
                begun = _WITHOUT_DOSES
            if begun:
                self.note(event.LOG_BEGUN, begun, 0, last, 0)
        for ring in rings:
            if ring.unreadable:
                upper = max([each.last for each in rings]) + ring.unreadable
                self.note(event.RECORDS_LOST, _UNREADABLE, ring.unreadable, ring.last + 1, upper)
                ring.unreadable = 0
            queue = ring.queue
            while queue.count and queue.sequence(0) <= ring.last:  # a write that failed but got there
                queue.drop(1)

    def _find_key(self) -> int:
        """The log's key, or a new one; then why (code of a log begun). OSError."""
        document = Document(self._store, "log-key")
        why = _KEY_LOST if self._store.load("log-key") is not None else _NEW
        try:
            key = document.read(_KEY_NUMBER, why)
        except DocumentError:
            key = b""
        if len(key) == KEY_SIZE:
            why = 0
        else:
            key = self._random_bytes(KEY_SIZE)
            document.write(_KEY_NUMBER, key)
        self.key = key
        return why

    # --- the steady path ---

    def is_due(self) -> bool:
        """Is there anything for `write_due` to do?"""
        now_s = self._timebase.s
        if now_s > self._reference_s or now_s >= self.repeats.due_s:
            return True
        if self.failing and now_s < self._retry_s:
            return False
        return self.waiting() > 0 or self._unprepared

    def write_due(self) -> None:
        """Bring some of what waits to flash: as much as one write takes. While `is_due` there is more, and
        the motor can be fed in between."""
        if self._timebase.s > self._reference_s:
            self._reference(self._reference_s, self._reference_us, _AT_DAY)
        if self._timebase.s >= self.repeats.due_s:
            self.repeats.write_due(self._timebase.s)
        if not self.is_due():
            return
        try:
            if self.failing:
                self._open()
            if self._unprepared:
                self._unprepared = False
                for ring in self.rings:
                    ring.prepare()
            else:
                self._write_batch()
                if not self.waiting():
                    self._explain()
        except OSError:
            self._fail()

    def note_at(self, s: int, us: int, kind: int, code: int, ref: int, a: int, b: int) -> None:
        EventQueue.note_at(self, s, us, kind, code, ref, a, b)
        if kind == event.CLOCK_SET:
            self._reference(s, us, _AT_CLOCK_CHANGE)

    def _reference(self, s: int, us: int, why: int) -> None:
        """What local time it is at an instant of the pump's clock (REC-06); again a day later."""
        local = self._local
        self._reference_s = s + _DAY_S
        self._reference_us = us
        local.at(s, us)
        self.note_at(s, us, event.REFERENCE_TIME, why, local.day & 0xFFFF, local.second, local.us)

    def _write_batch(self) -> None:
        """What comes next in the order of the numbers and belongs into one ring. OSError."""
        chosen = None
        first = limit = _NO_LIMIT
        unprepared = False
        for ring in self.rings:
            queue = ring.queue
            number = queue.sequence(0) if queue.count else _NO_LIMIT
            if number < first:
                chosen = ring
                limit = first
                first = number
            elif number < limit:
                limit = number
        if chosen is not None:
            chosen.write(limit)
        for ring in self.rings:
            unprepared = unprepared or not ring.is_prepared()
        self._unprepared = unprepared

    def _explain(self) -> None:
        """The flash has taken all that waited: say so when it did not before, and what found no room."""
        if self.failing:
            self.failing = False
            self.alarms.clear(alarm.LOG_FAILING)
        for ring in self.rings:
            self._explain_loss(ring.queue)

    def _explain_loss(self, queue) -> None:
        if queue.lost:
            count = min(queue.lost, 0xFFFF)
            queue.lost = 0
            self.note(event.RECORDS_LOST, _QUEUE_FULL, count, queue.lost_first, queue.lost_last)

    def _fail(self) -> None:
        self._retry_s = self._timebase.s + _RETRY_S
        if not self.failing:
            self.failing = True
            self.alarms.raise_(alarm.LOG_FAILING)

    # --- commands ---

    def page(self, first: int, last: int, most: int, only: int, buffer, at: int) -> int:
        """Put the records numbered `first` to `last` that are on flash at `buffer[at:]`, as they go
        over the wire, at most `most`, `only` those of one ring; how many. `following()`: where to go on."""
        return self._reader.page(first, last, most, only, buffer, at)

    def following(self) -> int:
        return self._reader.following

    def first_kept(self, ring) -> int:
        """Number of the oldest record of a ring that can be read; 0 when there is none."""
        return self._reader.first_kept(ring)
