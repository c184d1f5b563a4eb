"""The event log: what was noted gets onto flash, in three rings of its own, chained by a keyed tag (REC).

At least 4096 records of events, 1024 of faults, 5100 of doses (30 days of them): a flood of one ring never
evicts another. Which kind goes where is said in docs/reference/event-log.md
(thecal_protocol.messages.FAULT_RECORDS, DOSE_RECORDS).

Noting is `pump.records.event_queue`'s matter. `write_due` brings what waits there to flash; the main loop
calls it right after the motor has been fed, commands call it before they answer. Records reach flash in the
order of their numbers, so a power cut loses the last few of one turn of the loop and nothing else, and since
only what is on flash is ever shown, no number is seen twice. Therapy never waits for the log: while the flash
fails or is full the queues hold what they can, the alarm stands, and a record explains the gap afterwards
(REC-01, REC-05).

`write_due` allocates nothing, except where the flash failed and once in 512 records (`EventRing.prepare`).
"""

from pump.records.documents import Document, DocumentError
from pump.records.event_reader import LogReader
from pump.records.event_ring import SEGMENT_RECORDS, EventRing
from thecal_protocol import alarms as alarm
from thecal_protocol import events as event

FULL_EVENT_SEGMENTS = 8  # of 512 records
FULL_FAULT_SEGMENTS = 2
FULL_DOSE_SEGMENTS = 10
DOSE_SEGMENT_RECORDS = 510  # with its header and littlefs's own pointers, 8 blocks of flash
KEY_SIZE = 16


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


class EventLog:
    """Three rings on flash, and who fills them from the queues."""

    def __init__(self, timebase, queue, store, random_bytes):
        self._timebase = timebase
        self.queue = queue
        self._store = store
        self._random_bytes = random_bytes
        self.rings = (  # by their numbers
            EventRing(0, queue.events, store, "events", FULL_EVENT_SEGMENTS, SEGMENT_RECORDS),
            EventRing(1, queue.faults, store, "faults", FULL_FAULT_SEGMENTS, SEGMENT_RECORDS),
            EventRing(2, queue.doses, store, "doses", FULL_DOSE_SEGMENTS, DOSE_SEGMENT_RECORDS),
        )
        self._reader = LogReader(self.rings)
        self.key = b""
        self._alarms = None  # pump.safety.alarms
        self.failing = False  # the alarm: what is noted does not get onto flash
        self._numbered = False
        self._retry_s = 0
        self._unprepared = False  # a segment is to be made in advance

    # --- boot ---

    def start_up(self, local, alarms, ticks_us, began_ticks: int) -> None:
        """Find the end of the log and go on there. Once, when the clock has been restored; the boot itself
        has been noted first of all. `ticks_us`: the board's; what it was when recovery began."""
        self._alarms = alarms
        self.queue.tell_local_time(local)
        try:
            self._open()
        except OSError:
            self._fail()
        self.queue.date_from_now((ticks_us() - began_ticks) & _TICKS_MASK)

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
            self.queue.number_from(last + unreadable, max([ring.boot for ring in rings]) + 1 & 0xFFFF)
            if last and not begun and not rings[2].last:  # the log of a firmware that had two rings
                begun = _WITHOUT_DOSES
            if begun:
                self.queue.note(event.LOG_BEGUN, begun, 0, last, 0)
        for ring in rings:
            if ring.unreadable:
                upper = max([each.last for each in rings]) + ring.unreadable
                self.queue.note(event.RECORDS_LOST, _UNREADABLE, ring.unreadable, ring.last + 1, upper)
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
        queue = self.queue
        if now_s > queue.reference_s or now_s >= queue.repeats.due_s:
            return True
        if self.failing and now_s < self._retry_s:
            return False
        return self._unprepared or queue.waiting() > 0

    def write_due(self) -> None:
        """Bring some of what waits to flash: as much as one write takes. While `is_due` there is more, and
        the motor can be fed in between."""
        self.queue.note_due()
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
                if not self.queue.waiting():
                    self._explain()
        except OSError:
            self._fail()

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
            self._alarms.clear(alarm.LOG_FAILING)
        for ring in self.rings:
            self._explain_loss(ring.queue)

    def _explain_loss(self, queue) -> None:
        if queue.lost:
            count = min(queue.lost, 0xFFFF)
            queue.lost = 0
            self.queue.note(event.RECORDS_LOST, _QUEUE_FULL, count, queue.lost_first, queue.lost_last)

    def _fail(self) -> None:
        self._retry_s = self._timebase.s + _RETRY_S
        if not self.failing:
            self.failing = True
            self._alarms.raise_(alarm.LOG_FAILING)

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
