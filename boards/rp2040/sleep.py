"""Sleep and the watchdog of the RP2040 board. Nothing allocates after construction."""

import gc
import select
import time

from machine import WDT
from micropython import const
from watchdog_feeder import WatchdogFeeder

_LONGEST_MS = const(8388)
_OVER_MS = const(2000)  # how far past its end the watchdog lets a wait go on
_GARBAGE = const(24 * 1024)  # bytes that may gather: a collection takes 30 ms


class Sleep:
    """`wait_us`, and the board interface `watchdog` (`start`, `feed`), which must know of waits."""

    def __init__(self, serial, button):
        self._button = button
        self._poll = select.poll()
        self._line = serial.stream
        self._poll.register(self._line, select.POLLIN)
        serial.listen = self._listen
        self._poll.register(button, select.POLLIN)
        self._poll.ipoll(0)  # makes its tuple now
        self._feeder = WatchdogFeeder()
        self._dog = None
        self._timeout_ms = 0
        self._fresh = False

    def start_within(self, seconds: int) -> None:
        """The chip resets when `start` has not come in so many seconds and two."""
        WDT(timeout=_OVER_MS)
        self._feeder.feed_for(seconds * 1_000_000, _OVER_MS)

    def start(self, timeout_ms: int) -> None:
        """From now on `feed` must come in time. ValueError for a time that the chip cannot count."""
        if not 0 < timeout_ms <= _LONGEST_MS:
            raise ValueError("watchdog timeout")
        self._feeder.stop()
        self._dog = WDT(timeout=timeout_ms)
        gc.threshold(_GARBAGE)  # what stays has been made: nothing needs to be kept together any more
        self._timeout_ms = min(timeout_ms, _OVER_MS)
        self._fresh = True

    def feed(self) -> None:
        """All is well; the next wait does not count."""
        if self._dog is not None:
            self._dog.feed()
            self._fresh = True

    def _listen(self, on: bool) -> None:
        """Do bytes that come in end a wait?"""
        self._poll.modify(self._line, select.POLLIN if on else 0)

    def wait_us(self, delay_us: int) -> None:
        """Sleep until the delay has passed, the line has bytes or the button is pressed.

        In the first wait after a `feed` PIO feeds the watchdog, until the delay has passed and no longer: a
        processor that hangs in it is reset within 2 s of its end."""
        quiet = self._fresh
        self._fresh = False
        if not quiet:
            self._sleep_us(delay_us)
            return
        self._feeder.feed_for(delay_us, self._timeout_ms)
        self._sleep_us(delay_us)
        self._feeder.stop()
        self._dog.feed()

    def _sleep_us(self, delay_us: int) -> None:
        began_us = time.ticks_us()
        left_us = delay_us
        while left_us >= 1000:
            for _ in self._poll.ipoll(left_us // 1000):
                return
            left_us = delay_us - time.ticks_diff(time.ticks_us(), began_us)
        if left_us > 0:
            time.sleep_us(left_us)
