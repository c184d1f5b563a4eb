"""Alarms: what stands, what is announced, and what it does to delivery, by the one table
`thecal_protocol.alarms.ALARMS`.

An alarm is raised when its condition comes and cleared when it goes; nobody can clear a condition by hand,
nor turn an alarm off: confirming ends its tone until it is raised anew (ALM-04), silence ends by itself
(ALM-03). Of several, one of the highest class is announced, whatever the order (ALM-02): 1 s once an hour,
or, critical, two tones of 3 s every 10 min. A tone that is not heard is an alarm itself (ALM-05).

Raising, clearing and `announce_due` allocate nothing.
"""

from array import array

from thecal_protocol import events as event
from thecal_protocol.alarms import (
    ACTION,
    ANNUNCIATOR,
    CONFIRMED,
    COUNT,
    CRITICAL,
    FATAL,
    LIVE,
    NONE,
    SENSOR_FAULT,
)

CRITICAL_TONE = 2
TONE = 1
_CRITICAL_EVERY_S = 600
_EVERY_S = 3600
_SILENCE_CRITICAL_S = 120
_SILENCE_S = 3600
_REPEATS_S = 600
_HEAR_S = 4  # a tone is over by then
NEVER_S = 0x3FFFFFFF


class Alarms:
    """All alarms by number."""

    def __init__(self, log, buzzer, timebase):
        self._log = log
        self._buzzer = buzzer
        self._time = timebase
        self.critical = bytearray(CRITICAL)  # by number; that of under_infusion depends on the drugs
        self.actions = ACTION
        self.flags = bytearray(COUNT)
        self.at_s = [0] * COUNT
        self.at_us = [0] * COUNT
        self.details = [0] * COUNT
        self._raises = array("I", bytes(4 * 3 * COUNT))  # when each acting one was raised last, ring of three
        self._turn = bytearray(COUNT)
        self.acted_s = -_REPEATS_S  # when the last of them was raised
        self.repeated = 0  # an alarm that came three times in 10 min: the supervisor's to act on
        self.changed = False  # has any been raised or cleared? Read and cleared by the supervisor
        self.next_tone_s = NEVER_S
        self.silent_until_s = 0
        self._listen_s = NEVER_S

    # --- conditions ---

    def stands(self, number: int) -> bool:
        return self.flags[number] & LIVE != 0

    def set(self, number: int, stands, detail: int = 0) -> None:
        """The condition is there, or not."""
        if stands:
            self.raise_(number, detail)
        else:
            self.clear(number)

    def raise_(self, number: int, detail: int = 0) -> None:
        if self._begin(number, detail):
            self._log.note(event.ALARM_RAISED, number, 0, detail, self.critical[number])

    def clear(self, number: int) -> None:
        if self.flags[number] & LIVE:
            self._end(number)
            self._log.note(event.ALARM_CLEARED, number, 0, 0, 0)

    def set_at(self, s: int, us: int, number: int, stands: bool) -> None:
        """The same, where the condition came or went at an instant that lies back: the log has that one."""
        if stands:
            if self._begin(number, 0):
                self._log.note_at(s, us, event.ALARM_RAISED, number, 0, 0, self.critical[number])
        elif self.flags[number] & LIVE:
            self._end(number)
            self._log.note_at(s, us, event.ALARM_CLEARED, number, 0, 0, 0)

    def _begin(self, number: int, detail: int) -> bool:
        """False when it stands already."""
        if self.flags[number] & LIVE:
            return False
        time = self._time
        self.flags[number] = LIVE
        self.at_s[number] = time.s
        self.at_us[number] = time.us
        self.details[number] = detail
        self.changed = True
        if self.critical[number]:
            self.silent_until_s = 0
        if time.s >= self.silent_until_s:
            self.next_tone_s = time.s
        if self.actions[number] != NONE or number == SENSOR_FAULT:
            self._count_raise(number, time.s)
        return True

    def _count_raise(self, number: int, s: int) -> None:
        """The same fault for the third time in 10 min (MOT-04)?"""
        self.acted_s = s
        at = number * 3
        turn = self._turn[number]
        raises = self._raises
        raises[at + turn % 3] = s + 1
        before = raises[at + (turn + 1) % 3]  # the last but one before it
        self._turn[number] = turn + 1 if turn < 5 else 3
        if before and s + 1 - before <= _REPEATS_S:
            self.repeated = number

    def _end(self, number: int) -> None:
        self.flags[number] = 0
        self.changed = True

    def count(self) -> int:
        count = 0
        for number in range(1, COUNT):
            count += self.flags[number] & LIVE
        return count

    def action(self) -> int:
        """The strongest action of those that stand, below FATAL: NONE, HOLD or STOP."""
        level = NONE
        for number in range(1, COUNT):
            if self.flags[number] & LIVE and level < self.actions[number] < FATAL:
                level = self.actions[number]
        return level

    def first_of(self, level: int) -> int:
        """The lowest number that stands with this action; 0: none."""
        for number in range(1, COUNT):
            if self.flags[number] & LIVE and self.actions[number] == level:
                return number
        return 0

    # --- announcing ---

    def announced(self) -> int:
        """The one of the highest class that was raised first; confirmed ones last; 0: none stands."""
        best = 0
        best_rank = -1
        for number in range(1, COUNT):
            flags = self.flags[number]
            if flags & LIVE:
                rank = 2 * self.critical[number] + (0 if flags & CONFIRMED else 1)
                if rank > best_rank or (rank == best_rank and self._earlier(number, best)):
                    best = number
                    best_rank = rank
        return best

    def _earlier(self, a: int, b: int) -> bool:
        return self.at_s[a] < self.at_s[b] or (self.at_s[a] == self.at_s[b] and self.at_us[a] < self.at_us[b])

    def to_sound(self) -> int:
        """The tone for what stands and was not confirmed; 0: nothing is to be said."""
        tone = 0
        for number in range(1, COUNT):
            if self.flags[number] & (LIVE | CONFIRMED) == LIVE:
                if self.critical[number]:
                    return CRITICAL_TONE
                tone = TONE
        return tone

    def announce_due(self, s: int) -> None:
        """Sound what is due, and listen whether it was heard."""
        if s >= self._listen_s:
            self._listen_s = NEVER_S
            self.set(ANNUNCIATOR, not self._buzzer.works())
        if s < self.next_tone_s:
            return
        tone = self.to_sound()
        if not tone:
            self.next_tone_s = NEVER_S
        elif s < self.silent_until_s:
            self.next_tone_s = self.silent_until_s
        else:
            self.sound(tone, s)
            self.next_tone_s = s + (_CRITICAL_EVERY_S if tone == CRITICAL_TONE else _EVERY_S)

    def sound(self, tone: int, s: int) -> None:
        self._buzzer.play(tone)
        self._listen_s = s + _HEAR_S
        self.changed = True

    def is_heard(self) -> bool:
        """Does the annunciator work?"""
        return self._buzzer.works()

    def wake_s(self) -> int:
        """When `announce_due` is next needed."""
        return self.next_tone_s if self.next_tone_s < self._listen_s else self._listen_s

    # --- commands ---

    def confirm(self, number: int) -> int:
        """Take note of one that stands, or (0) of all; how many were not confirmed before."""
        count = 0
        for each in range(1, COUNT):
            if (number == 0 or number == each) and self.flags[each] & (LIVE | CONFIRMED) == LIVE:
                self.flags[each] |= CONFIRMED
                self.changed = True
                count += 1
        if not self.to_sound():
            self._buzzer.play(0)
            self.next_tone_s = NEVER_S
        return count

    def silence(self, s: int) -> int:
        """No tone for so many seconds (ALM-03)."""
        self.changed = True
        span_s = _SILENCE_CRITICAL_S if self.to_sound() == CRITICAL_TONE else _SILENCE_S
        self._buzzer.play(0)
        self.silent_until_s = s + span_s
        self.next_tone_s = self.silent_until_s
        return span_s
