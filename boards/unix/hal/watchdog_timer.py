"""The watchdog of the unix board: bites when the pump has not fed it in time.

The clock carries it out (docs/reference/board-interface.md, The watchdog and sleep): the first wait after a
`feed` does not count, a second one does. The bite is the bench's `reset`: the process ends with an exit code
of its own.
"""

from micropython import const

_LONGEST_MS = const(8388)  # of the chip's hardware


class Watchdog:
    """Board interface `watchdog`."""

    def __init__(self, clock):
        self._clock = clock
        self.feed = clock.feed_watchdog  # all is well

    def start_within(self, seconds: int) -> None:
        """The board resets when `start` has not come in so many seconds and two."""
        self._clock.expect_watchdog((seconds + 2) * 1_000_000)

    def start(self, timeout_ms: int) -> None:
        """From now on `feed` must come in time. ValueError for a time that the chip cannot count."""
        if not 0 < timeout_ms <= _LONGEST_MS:
            raise ValueError("watchdog timeout")
        self._clock.start_watchdog(timeout_ms * 1000)
