"""The pump's monotonic clock: 30-bit microsecond ticks of the board, made (s, us) since boot.

`update` must be called at least every 2^29 us (8.9 min); the main loop never sleeps longer (`until`).
Nothing here allocates.
"""

_TICKS_MASK = 0x3FFFFFFF
MAX_SLEEP_US = 0x1FFFFFFF - 1_000_000  # half a wrap, less a second of grace for waking late


class Timebase:
    """Monotonic time since boot: attributes `s` and `us` (< 10^6)."""

    def __init__(self, ticks_us: int):
        self._last = ticks_us
        self.s = 0
        self.us = 0

    def update(self, ticks_us: int) -> None:
        if ticks_us == self._last:
            return
        passed_us = (ticks_us - self._last) & _TICKS_MASK
        self._last = ticks_us
        us = self.us + passed_us
        self.s += us // 1_000_000
        self.us = us % 1_000_000

    def until(self, instant) -> int:
        """Microseconds to sleep until the instant, 0 when it has come, at most MAX_SLEEP_US."""
        s = instant.s - self.s
        if s > 534:
            return MAX_SLEEP_US
        us = s * 1_000_000 + instant.us - self.us
        if us < 0:
            return 0
        return us if us < MAX_SLEEP_US else MAX_SLEEP_US

    def until_s(self, at_s: int) -> int:
        """The same until a whole second."""
        s = at_s - self.s
        if s > 534:
            return MAX_SLEEP_US
        us = s * 1_000_000 - self.us
        if us < 0:
            return 0
        return us if us < MAX_SLEEP_US else MAX_SLEEP_US
