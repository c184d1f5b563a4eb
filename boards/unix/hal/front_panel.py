"""What a person meets on the unix board: button, buzzer, light. And the latch word beside them.

The pump uses the board interface's methods; the bench presses the button, breaks the buzzer and reads what
sounds. Nothing allocates.
"""

from micropython import const

_WORD = const(0x3FFFFFFF)
_PLAYS_US = (0, 1_000_000, 3_000_000, 200_000)  # how long each pattern sounds


class Button:
    """Board interface `button`."""

    def __init__(self, clock):
        self._clock = clock
        self._presses = 0

    def presses(self) -> int:
        """Presses since boot."""
        return self._presses

    def press(self) -> None:
        """For the bench: a press, which wakes the pump."""
        self._presses += 1
        self._clock.wake = True


class Buzzer:
    """Board interface `buzzer`. For the bench: `broken`, `pattern_now`, `since_us`, `plays`."""

    def __init__(self, clock):
        self._clock = clock
        self._pattern = 0
        self._sounded = True
        self.broken = False
        self.since_us = 0  # when the last pattern began, since boot
        self.plays = 0  # patterns begun, silence not counted

    def play(self, pattern: int) -> None:
        """0 silence, 1 one tone of 1 s, 2 two tones of 3 s in all, 3 a chirp. ValueError for others."""
        if not 0 <= pattern < len(_PLAYS_US):
            raise ValueError("buzzer pattern")
        self._pattern = pattern
        self.since_us = self._clock.now_us
        if pattern:
            self.plays += 1
            self._sounded = not self.broken

    def works(self) -> bool:
        """Did the last pattern really sound?"""
        return self._sounded

    def pattern_now(self) -> int:
        """For the bench: what can be heard at this instant; 0: nothing."""
        over = self._clock.now_us - self.since_us >= _PLAYS_US[self._pattern]
        return 0 if over or not self._sounded else self._pattern


class Latch:
    """Board interface `latch`: a word that outlives a watchdog bite, when the bench hands it on."""

    def __init__(self, word: int):
        self._word = word

    def get(self) -> int:
        return self._word

    def put(self, word: int) -> None:
        self._word = word & _WORD
