"""Records that say the same again are counted, and the count is one record (REC-01): refusals, sessions, what
alarms are silenced or tested, requests for the patient's bolus.

The first one of its kind, actor, code and refusal is a record of its own. Those that follow within an hour
are counted; `repeated` puts on record how many, the first and the last. So it does when the log is read, as
often as `_TELLS` allows. Kinds that find no place are counted by their actor alone. What
the patient asks for is counted by the hour besides. A reset takes what was counted since.

Nothing here allocates.
"""

from array import array

from pump.rate_limit import RateLimit
from thecal_protocol import events as event
from thecal_protocol.events import ACTOR_COUNT, PATIENT

HOUR_S = 3600
NEVER_S = 0x3FFFFFFF
_SLOTS = 16
_MOST = 0xFFFF
_TELLS = 60  # readings of the log that put on record what is being counted; one more every hour


# a key: kind, actor, code and refusal
_ACTOR_AT = 8
_CODE_AT = 11
_REFUSAL_AT = 19


class Repeats:
    """What is being counted. `due_s`: when `write_due` has something to put on record."""

    def __init__(self, queue):
        self._queue = queue
        self._keys = array("I", bytes(4 * (_SLOTS + ACTOR_COUNT)))
        self._since = array("I", self._keys)  # when the record was made that the others repeat
        self._first = array("I", self._keys)
        self._last = array("I", self._keys)
        self._counts = array("H", bytes(2 * (_SLOTS + ACTOR_COUNT)))
        self.tells = RateLimit(_TELLS, 1, HOUR_S)
        self._asked_s = 0  # begin of the hour in which the patient's requests are counted
        self._given = 0
        self._refused = 0
        self.due_s = NEVER_S

    def takes(self, s: int, actor: int, kind: int, code: int, refusal: int) -> bool:
        """Does this repeat a record of the last hour? Then it has been counted."""
        key = kind | actor << _ACTOR_AT | code << _CODE_AT | (refusal & 0x7F) << _REFUSAL_AT
        free = -1
        for slot in range(_SLOTS):
            is_over = s - self._since[slot] >= HOUR_S
            if self._keys[slot] == key:
                if not is_over:
                    self._count(slot, s)
                    return True
                self._tell(slot)
                free = slot
                break
            if free < 0 and (not self._keys[slot] or (is_over and not self._counts[slot])):
                free = slot
        if free >= 0:
            self._keys[free] = key
            self._since[free] = s
            return False
        slot = _SLOTS + actor % ACTOR_COUNT
        if not self._counts[slot]:
            self._keys[slot] = actor << _ACTOR_AT
            self._since[slot] = s
        self._count(slot, s)
        return True

    def _count(self, slot: int, s: int) -> None:
        if not self._counts[slot]:
            self._first[slot] = s
            self._be_due(self._since[slot] + HOUR_S)
        self._counts[slot] += 1
        self._last[slot] = s
        if self._counts[slot] == _MOST:
            self._tell(slot)

    def _be_due(self, s: int) -> None:
        if s < self.due_s:
            self.due_s = s

    def _tell(self, slot: int) -> None:
        """One record for all that was counted here."""
        count = self._counts[slot]
        if count:
            key = self._keys[slot]
            self._counts[slot] = 0
            self._queue.note_summary(
                event.REPEATED,
                key >> _ACTOR_AT & 7,
                key >> _CODE_AT & 0xFF,
                count,
                self._first[slot],
                self._last[slot],
                (key & 0xFF) | (key >> _REFUSAL_AT) << 8,
            )

    def asked(self, s: int, given: bool) -> None:
        """The patient has asked for a bolus."""
        hour_s = s - s % HOUR_S
        if hour_s != self._asked_s:
            self._tell_asked()
            self._asked_s = hour_s
        self._be_due(hour_s + HOUR_S)
        if given:
            self._given += 1
        else:
            self._refused += 1

    def _tell_asked(self) -> None:
        asked = self._given + self._refused
        if asked:
            count = asked if asked < _MOST else _MOST
            self._queue.note_summary(
                event.PATIENT_REQUESTS, PATIENT, 0, count, self._asked_s, self._given, self._refused
            )
            self._given = 0
            self._refused = 0

    def write_due(self, s: int) -> None:
        """Put on record what was counted for an hour; it may be called at any time."""
        self.due_s = NEVER_S
        for slot in range(_SLOTS + ACTOR_COUNT):
            if self._counts[slot]:
                if s - self._since[slot] >= HOUR_S:
                    self._tell(slot)
                else:
                    self._be_due(self._since[slot] + HOUR_S)
        if self._given or self._refused:
            if s - self._asked_s >= HOUR_S:
                self._tell_asked()
            else:
                self._be_due(self._asked_s + HOUR_S)

    def tell(self, s: int) -> None:
        """Somebody reads the log: put on record what was counted until now."""
        if self.due_s != NEVER_S and self.tells.take(s):
            for slot in range(_SLOTS + ACTOR_COUNT):
                self._tell(slot)
            self._tell_asked()
            self.due_s = NEVER_S
