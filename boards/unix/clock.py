"""The three clocks of the unix board. One is made at start; the pump cannot tell them apart.

    VirtualClock   time stands still unless the bench lets it pass; then it jumps from deadline to deadline
    FreeClock      time jumps from deadline to deadline and never stands still (`emulate --speed max`)
    RealClock      time passes by itself, `speed` times as fast as on the wall

Every clock has
    read() -> int        microseconds since the board's zero: the instant of the first `ticks_us`
    ticks_us() -> int    the same, from ticks_start, in 30 bits: what the chip's counter would show
    wait_us(delay_us)    the board interface's wait: until the delay is over or the serial line has bytes
    target_us            no wait goes past this instant before the bench was answered there
    waits                how many waits there were

Nothing here allocates while time passes, except where the bench is served, which only happens between two
advances.
"""

import time

from micropython import const

from poller import BENCH, SERIAL

TICKS_MASK = const(0x3FFFFFFF)
FOREVER_US = const(1 << 61)
_LOOK_EVERY = const(64)  # waits between two looks at the doors while time jumps: a look costs 0.7 us
_IDLE_US = const(1_000_000)  # a free clock that would jump this far listens for a real millisecond first


class VirtualClock:
    """Stands still at `target_us` and serves the bench there."""

    stands_still = True

    def __init__(self, poller, line, ticks_start: int):
        self._poller = poller
        self._line = line
        self._bench = None
        self._ticks_start = ticks_start
        self._now_us = 0
        self._until_look = _LOOK_EVERY
        self.target_us = 0
        self.waits = 0

    def attach(self, bench) -> None:
        """Called once at setup: the bench also needs the clock."""
        self._bench = bench

    def read(self) -> int:
        return self._now_us

    def ticks_us(self) -> int:
        return (self._now_us + self._ticks_start) & TICKS_MASK

    def wait_us(self, delay_us: int) -> None:
        self.waits += 1
        deadline_us = self._now_us + delay_us
        if deadline_us <= self.target_us:
            self._until_look -= 1
            if self._until_look > 0 or not self._look():
                self._now_us = deadline_us
            return
        if self._now_us < self.target_us:
            self._now_us = self.target_us
        self._stand_still(deadline_us)

    def pass_time(self, us: int) -> None:
        """Something took so long, whatever the bench says: now may come to lie past `target_us`."""
        self._now_us += us

    def _look(self) -> int:
        """Glance at the doors while time jumps. True: bytes on the line end the wait before time passes."""
        self._until_look = _LOOK_EVERY
        heard = self._poller.look(0) & SERIAL
        self._line.hush(not heard)
        return heard

    def _stand_still(self, deadline_us: int) -> None:
        bench = self._bench
        self._line.hush(False)
        while True:
            bench.arrived()
            found = self._poller.look(-1)
            if found & SERIAL:
                return
            if found & BENCH:
                bench.serve()
                if self.target_us > self._now_us:
                    self._line.hush(True)
                    if deadline_us <= self.target_us:
                        self._now_us = deadline_us
                        return
                    self._now_us = self.target_us


class FreeClock(VirtualClock):
    """Jumps on at once. The bench may ask to be answered at an instant, time goes on after it."""

    stands_still = False

    def __init__(self, poller, line, ticks_start: int):
        super().__init__(poller, line, ticks_start)
        self.target_us = FOREVER_US

    def wait_us(self, delay_us: int) -> None:
        self.waits += 1
        idle = delay_us >= _IDLE_US
        self._until_look -= 1
        if idle or self._until_look <= 0:
            self._until_look = _LOOK_EVERY
            found = self._poller.look(1 if idle else 0)
            if found & SERIAL:
                return
            if found & BENCH:
                self._bench.serve()
        deadline_us = self._now_us + delay_us
        if deadline_us > self.target_us:
            if self._now_us < self.target_us:
                self._now_us = self.target_us
            self.target_us = FOREVER_US
            self._bench.arrived()
        self._now_us = deadline_us


class RealClock:
    """Follows the monotonic clock of the computer, `speed` times as fast."""

    stands_still = False

    def __init__(self, poller, ticks_start: int, speed: int):
        self._poller = poller
        self._bench = None
        self._ticks_start = ticks_start
        self._speed = speed
        self._zero_us = -1
        self._now_us = 0
        self.target_us = FOREVER_US
        self.waits = 0

    def attach(self, bench) -> None:
        self._bench = bench

    def read(self) -> int:
        """The instant of the last `ticks_us` or wait: the pump and its motor go by one and the same."""
        return self._now_us

    def pass_time(self, us: int) -> None:
        """Real time passes by itself."""

    def _sample(self) -> int:
        if self._zero_us < 0:
            self._zero_us = time.ticks_us()
        self._now_us = (time.ticks_us() - self._zero_us) * self._speed
        return self._now_us

    def ticks_us(self) -> int:
        return (self._sample() + self._ticks_start) & TICKS_MASK

    def wait_us(self, delay_us: int) -> None:
        self.waits += 1
        deadline_us = self._now_us + delay_us
        while True:
            now_us = self._sample()
            if self.target_us <= now_us and self.target_us < deadline_us:
                self.target_us = FOREVER_US
                self._bench.arrived()
            left_us = min(deadline_us, self.target_us) - now_us
            real_us = left_us // self._speed if left_us > 0 else 0
            found = self._poller.look(real_us // 1000)
            if found & BENCH:
                self._bench.serve()
            if found & SERIAL or self._sample() >= deadline_us:
                return
            if not found and 0 < real_us < 1000:
                time.sleep_us(real_us)
