"""The browser board: the firmware on MicroPython for WebAssembly, its hardware simulated by the page.

`Board` is the board interface (docs/reference/board-interface.md). What it stands for is in world.mjs, in
JavaScript: this build has small integers of 31 bits, as the chip, and there microseconds since boot would
allocate. A call of it costs about 3 us and allocates nothing.

Nothing waits in a page, so a wait that would pass the instant up to which the page lets time go raises
`Pause`, once that instant has come: `page_pump` calls `Pump.run` again, for which the wait ended early.
"""

from array import array

import hardware
from disk import Disk
from uctypes import addressof

from code_check import Code
from provisioning import provision
from store import MOUNTED, Store
from thecal_protocol.sensors import NO_READING

_PAUSED = -1
_LONGEST_MS = 8388  # of the chip's hardware
_SERIAL_BYTES = 512
_wait = hardware.wait
_feed = hardware.feed
_append = hardware.append
_receive = hardware.receive
_send = hardware.send
_sample = hardware.sample
_crc = hardware.crc


class Pause(SystemExit):
    """The page's turn."""


class Reset(SystemExit):
    """The pump starts anew: the watchdog bit, or it wants to."""


class _Motor:
    feedback = True

    def __init__(self):
        self._words = array("i", [0] * 5)
        self._at = addressof(self._words)
        self.set_epoch = hardware.epoch
        self.executed = hardware.executed
        self.in_flight = hardware.in_flight
        self.cancel = hardware.cancel
        self.lost_steps = hardware.lost
        self.steps_before_reset = hardware.survived
        self._enable = hardware.enable
        self.enable()

    def append(self, run) -> None:
        """Take a run over. ValueError past 2 runs or 64 steps in flight."""
        words = self._words
        words[0] = run.steps
        words[1] = run.first_s
        words[2] = run.first_us
        words[3] = run.gap_s
        words[4] = run.gap_us
        if not _append(self._at, run.size, addressof(run.lead), addressof(run.carry), addressof(run.modulus)):
            raise ValueError("motor queue")

    def enable(self) -> None:
        self._enable(1)

    def disable(self) -> None:
        self._enable(0)

    def supply(self) -> int:
        return -1


class _Line:
    """Board interface `serial`: what the handset writes and reads."""

    def __init__(self):
        self._listen = hardware.listen
        self._given = bytearray(_SERIAL_BYTES)

    def readinto(self, buffer) -> int:
        return _receive(addressof(buffer), len(buffer))

    def write(self, data) -> None:
        if len(data) > _SERIAL_BYTES:
            raise ValueError("serial write")
        _send(addressof(data), len(data))

    def listen(self, on: bool) -> None:
        self._listen(1 if on else 0)

    def take(self, data) -> None:
        """For the handset: these bytes are for the pump."""
        hardware.to_pump(addressof(data), len(data))

    def given(self):
        """For the handset: what the pump has said since."""
        size = hardware.from_pump(addressof(self._given), _SERIAL_BYTES)
        return memoryview(self._given)[:size]


class _Sensors:
    NO_READING = NO_READING

    def __init__(self):
        self._read = array("i", [0] * 4)
        self._at = addressof(self._read)
        self.temperature_mc = NO_READING
        self.battery_mv = NO_READING
        self.upstream_pa = NO_READING
        self.downstream_pa = NO_READING

    def sample(self) -> None:
        _sample(self._at)
        read = self._read
        self.temperature_mc = read[0]
        self.battery_mv = read[1]
        self.upstream_pa = read[2]
        self.downstream_pa = read[3]


class _Watchdog:
    def __init__(self):
        self._start = hardware.start_watchdog

    def start_within(self, seconds: int) -> None:
        self._start((seconds + 2) * 1000, 0)

    def start(self, timeout_ms: int) -> None:
        if not 0 < timeout_ms <= _LONGEST_MS:
            raise ValueError("watchdog timeout")
        self._start(timeout_ms, 1)

    def feed(self) -> None:
        if _feed():
            raise Reset()


class _Latch:
    def __init__(self):
        self.get = hardware.latch
        self.put = hardware.put_latch


class _Button:
    def __init__(self):
        self.presses = hardware.presses


class _Buzzer:
    def __init__(self):
        self._buzz = hardware.buzz

    def play(self, pattern: int) -> None:
        if not 0 <= pattern <= 3:
            raise ValueError("buzzer pattern")
        self._buzz(pattern)

    def works(self) -> bool:
        return True


class _Store(Store):
    """Board interface `store`, on files of the page's."""

    def __init__(self):
        self.fs = Disk()
        self.found = MOUNTED

    def put_crc(self, view, size: int, buffer, at: int) -> None:
        _crc(addressof(view), size, addressof(buffer) + at)


class Board:
    """The board interface."""

    model = "thecal-browser"
    serial_number = "BROWSER-1"
    floor_pl_per_day = 48_000_000
    highest_step_pl = 10_000_000
    least_gap_us = 0

    def __init__(self, manifest: str = ""):
        self._ticks = 0
        self.motor = _Motor()
        self.serial = _Line()
        self.sensors = _Sensors()
        self.watchdog = _Watchdog()
        self.latch = _Latch()
        self.button = _Button()
        self.buzzer = _Buzzer()
        self.store = _Store()
        self.code = Code(manifest)
        self.reset_cause = hardware.cause
        self._random = hardware.random
        self._led = hardware.led
        if not self.store.fs.ilistdir("/"):  # a new pump, as from a factory
            provision(self.store, self.random_bytes)

    def ticks_us(self) -> int:
        return self._ticks

    def wait_us(self, delay_us: int) -> None:
        ticks = _wait(delay_us)
        if ticks < 0:
            self._end(ticks)
        self._ticks = ticks

    def _end(self, why: int) -> None:
        if why != _PAUSED:
            raise Reset()
        self._ticks = hardware.ticks()
        raise Pause()

    def random_bytes(self, size: int) -> bytes:
        drawn = bytearray(size)
        self._random(addressof(drawn), size)
        return bytes(drawn)

    def led(self, on: bool) -> None:
        self._led(1 if on else 0)

    def reset(self) -> None:
        raise Reset()
