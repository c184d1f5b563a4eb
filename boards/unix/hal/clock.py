"""The four clocks of the unix board. One is made at start; the pump cannot tell them apart.

    VirtualClock   time stands still unless the bench lets it pass; then it jumps from deadline to deadline
    FreeClock      time jumps from deadline to deadline and never stands still (`emulate --speed max`)
    RealClock      time passes by itself, as on the wall
    ScaledClock    time passes `speed` times as fast as on the wall, but only while the pump waits

Every clock has
    now_us               microseconds since the board's zero: the instant of the first `ticks_us`
    ticks_us() -> int    the same, from ticks_start, in 30 bits: what the chip's counter would show
    wait_us(delay_us)    the board interface's wait: until the delay is over or the serial line has bytes
    target_us            no wait goes past this instant before the bench was answered there
    waits                how many waits there were
    wake                 set by the bench: the wait ends early, as on a press of the button
    hang()               the pump's software never comes back from its next wait

and carries out the watchdog (docs/reference/board-interface.md): `free_sleep` says that the next wait does
not count, `_bite_us` when it bites otherwise.

Nothing here allocates while time passes, except where the bench is served, which only happens between two
advances.
"""

import time

from micropython import const

from poller import BENCH, NOTHING, SERIAL

TICKS_MASK = const(0x3FFFFFFF)
FOREVER_US = const(1 << 61)
_LOOK_EVERY = const(64)  # waits between two looks at the doors while time jumps: a look costs 0.7 us
_STUCK_LOOK_US = const(1_000_000)  # how long a hung pump on a real clock looks at its doors at a time
_IDLE_US = const(1_000_000)  # a free clock that would jump this far listens for a real millisecond first
_TALK_MS = const(50)  # after the last byte on the line
_OWED_REAL_US = const(250_000)


class _Clock:
    """What all clocks have: the present instant, and the watchdog that goes by it."""

    def __init__(self, poller, ticks_start: int):
        self._poller = poller
        self._bench = None
        self._ticks_start = ticks_start
        self.now_us = 0
        self._dog_us = 0  # the watchdog's time-out; 0: it was not started
        self._bite_us = FOREVER_US
        self._hung = False
        self.free_sleep = True
        self.target_us = 0
        self.waits = 0
        self.wake = False

    def attach(self, bench) -> None:
        """Called once at setup: the bench also needs the clock."""
        self._bench = bench

    def hang(self) -> None:
        """For the bench: the software is stuck from here on."""
        self._hung = True
        if self.free_sleep:
            self._slept()
            self.free_sleep = False

    def start_watchdog(self, timeout_us: int) -> None:
        self._dog_us = timeout_us
        self._bite_us = FOREVER_US
        self.feed_watchdog()

    def expect_watchdog(self, within_us: int) -> None:
        """It bites unless it is started within this time; no wait is free."""
        self._dog_us = within_us
        self._bite_us = self.now_us + within_us
        self.free_sleep = False

    def feed_watchdog(self) -> None:
        if self._dog_us:
            if self.now_us >= self._bite_us:
                self._bench.reset("watchdog")
            self._bite_us = self.now_us + self._dog_us
            self.free_sleep = True

    def watchdog_left_us(self) -> int:
        """For the bench: until it bites, once a wait counts; -1: it was not started."""
        return max(0, self._bite_us - self.now_us) if self._dog_us else -1

    def _slept(self) -> None:
        """A wait is over that did not count: the time-out begins anew."""
        if self._dog_us:
            self.free_sleep = False
            self._bite_us = self.now_us + self._dog_us


class VirtualClock(_Clock):
    """Stands still at `target_us` and serves the bench there."""

    stands_still = True

    def __init__(self, poller, line, ticks_start: int):
        super().__init__(poller, ticks_start)
        self._line = line
        self._until_look = _LOOK_EVERY

    def ticks_us(self) -> int:
        return (self.now_us + self._ticks_start) & TICKS_MASK

    def wait_us(self, delay_us: int) -> None:
        self.waits += 1
        deadline_us = self.now_us + delay_us
        if deadline_us <= self.target_us and self.free_sleep:
            self._until_look -= 1
            if self._until_look > 0 or not self._look():
                self.now_us = deadline_us
        else:
            self._sleep(deadline_us)
        if self.free_sleep and self._dog_us:  # as in `_slept`
            self.free_sleep = False
            self._bite_us = self.now_us + self._dog_us

    def pass_time(self, us: int) -> None:
        """Something took so long, whatever the bench says: now may come to lie past `target_us`."""
        self.now_us += us

    def _look(self) -> int:
        """Glance at the doors while time jumps. True: bytes on the line end the wait before time passes."""
        self._until_look = _LOOK_EVERY
        heard = self._poller.look(0) & SERIAL
        self._line.hush(not heard)
        return heard

    def _sleep(self, deadline_us: int) -> None:
        """A wait in which the bench is served, or the watchdog may bite."""
        while True:
            if self._hung:
                deadline_us = FOREVER_US
            end_us = deadline_us
            if not self.free_sleep and self._bite_us < end_us:
                end_us = self._bite_us
            if end_us <= self.target_us:
                if self.now_us < end_us:
                    self.now_us = end_us
                if end_us == deadline_us:
                    return
                self._bench.reset("watchdog")
            if self.now_us < self.target_us:
                self.now_us = self.target_us
            if self._stand_still() and not self._hung:
                return

    def _stand_still(self) -> bool:
        """At the instant that the bench asked for: until it asks for a later one. True: the wait is over."""
        bench = self._bench
        poller = self._poller
        self._line.hush(False)
        if not poller.line_wakes:
            poller.listen_to_line(True)
        while True:
            if bench.arrived():
                found = NOTHING
            else:
                found = poller.look(-1)
            if found & SERIAL and not self._hung:
                return True
            if found & BENCH:
                bench.serve()
            if self.wake:
                self.wake = False
                return True
            if self.target_us > self.now_us:
                self._line.hush(True)
                poller.listen_to_line(poller.line_wakes)
                return False


class FreeClock(VirtualClock):
    """Jumps on at once. The bench may ask to be answered at an instant, time goes on after it.

    While somebody talks on the line, and a moment longer, it keeps to real time: sessions and the press of a
    button would be out of date before the next word."""

    stands_still = False

    def __init__(self, poller, line, ticks_start: int):
        super().__init__(poller, line, ticks_start)
        self.target_us = FOREVER_US
        self._talk_ms = 0

    def wait_us(self, delay_us: int) -> None:
        self.waits += 1
        if self._talk_ms and delay_us > 1000:
            self._talk_ms -= 1
            self._until_look = 0
            delay_us = 1000
            idle = True
        else:
            idle = delay_us >= _IDLE_US
        self._until_look -= 1
        if (not idle and self._until_look > 0) or not self._listen(1 if idle else 0):
            self._sleep(self.now_us + delay_us)
        if self.free_sleep and self._dog_us:
            self._slept()

    def _listen(self, timeout_ms: int) -> bool:
        """Look at both doors. True: bytes on the line, or the bench, end the wait before time passes."""
        self._until_look = _LOOK_EVERY
        found = self._poller.look(timeout_ms)
        if found & SERIAL:
            self._talk_ms = _TALK_MS
        if found & BENCH:
            self._bench.serve()
        return (found & SERIAL != 0 and not self._hung) or self._woken()

    def _woken(self) -> bool:
        woken = self.wake
        self.wake = False
        return woken

    def _sleep(self, deadline_us: int) -> None:
        while True:
            if self._hung:
                deadline_us = FOREVER_US
            end_us = min(deadline_us, self.target_us)
            if not self.free_sleep and self._bite_us < end_us:
                self.now_us = self._bite_us
                self._bench.reset("watchdog")
            if end_us == FOREVER_US:  # hung, and nothing will ever come
                self._listen(-1)
                continue
            if self.now_us < end_us:
                self.now_us = end_us
            if end_us == deadline_us:
                return
            self._bench.arrived()
            if self._woken():
                return


class RealClock(_Clock):
    """Follows the monotonic clock of the computer."""

    stands_still = False

    def __init__(self, poller, ticks_start: int):
        super().__init__(poller, ticks_start)
        self._speed = 1
        self._wall_us = -1
        self.target_us = FOREVER_US

    def pass_time(self, us: int) -> None:
        """Real time passes by itself."""

    def _sample(self) -> int:
        """The instant of the last `ticks_us` or wait: the pump and its motor go by one and the same."""
        if self._wall_us < 0:
            self._wall_us = time.ticks_us()
        self.now_us = time.ticks_us() - self._wall_us
        return self.now_us

    def ticks_us(self) -> int:
        return (self._sample() + self._ticks_start) & TICKS_MASK

    def wait_us(self, delay_us: int) -> None:
        self.waits += 1
        self._sleep(self.now_us + delay_us)
        if self.free_sleep and self._dog_us:
            self._slept()

    def _pass(self, end_us: int) -> int:
        """Let time pass in a wait that lasts until then; the present instant."""
        return self._sample()

    def _sleep(self, deadline_us: int) -> None:
        while True:
            if self._hung:
                deadline_us = self.now_us + _STUCK_LOOK_US * self._speed
            end_us = min(deadline_us, self.target_us)
            if not self.free_sleep:
                end_us = min(end_us, self._bite_us)
            now_us = self._pass(end_us)
            if not self.free_sleep and now_us >= self._bite_us:
                self._bench.reset("watchdog")
            if self.target_us <= now_us and self.target_us < deadline_us:
                self._bench.arrived()
                if self.wake:
                    self.wake = False
                    return
                continue
            real_us = max(0, -(-(end_us - now_us) // self._speed))
            found = self._poller.look(real_us // 1000)
            if not found and 0 < real_us < 1000:
                time.sleep_us(real_us)
            now_us = self._pass(end_us)
            if found & BENCH:
                self._bench.serve()
            if self.wake:
                self.wake = False
                return
            if (found & SERIAL or now_us >= deadline_us) and not self._hung:
                return


class ScaledClock(RealClock):
    """Never outruns the pump's process. A computer that is busy for a second does not make it a minute late:
    what time is owed passes in the next waits, each of which ends in its own microsecond, and what would take
    more than `_OWED_REAL_US` to make up for never passes. Then the pump is slower than `speed`, and right."""

    def __init__(self, poller, ticks_start: int, speed: int):
        super().__init__(poller, ticks_start)
        self._speed = speed
        self._owed_us = 0  # below 0: `pass_time` went ahead

    def pass_time(self, us: int) -> None:
        """Something took so long; the wall is waited for in the next wait."""
        self.now_us += us
        self._owed_us -= us

    def _sample(self) -> int:
        return self.now_us

    def _pass(self, end_us: int) -> int:
        wall_us = time.ticks_us()
        if self._wall_us >= 0:
            self._owed_us += (wall_us - self._wall_us) * self._speed
        self._wall_us = wall_us
        step_us = min(self._owed_us, end_us - self.now_us)
        if step_us > 0:
            self._owed_us -= step_us
            self.now_us += step_us
        self._owed_us = min(self._owed_us, _OWED_REAL_US * self._speed)
        return self.now_us
