"""The unix board: a whole pump's hardware in one process, for MicroPython's unix port.

`Board` is the board interface (docs/reference/board-interface.md): the same names as on every board. It
takes its settings from the command line, `key=value`; docs/reference/boards-unix.md describes them. Called
by: main.py, once.
"""

import json
import os
import sys

from bench import Bench
from clock import FreeClock, RealClock, ScaledClock, VirtualClock
from code_check import Code
from driver import Driver
from flash import Flash
from front_panel import Button, Buzzer, Latch
from poller import Poller
from provisioning import provision
from reservoir import Reservoir
from sensors import Sensors
from serial_number import serial_number_of
from simulated_motor import Motor
from step_trace import Trace
from store import BLANK, Store
from uart import PtyLine, open_line
from watchdog_timer import Watchdog

_POWER_ON = 1

_DEFAULTS = {
    "serial": "",
    "bench": "on",
    "clock": "virtual",
    "speed": 1,
    "ticks_start": 0,
    "feedback": 1,
    "start_us": 0,
    "seed": -1,
    "flash": "",
    "flash_busy": 0,
    "flash_slow_one_in": 50,
    "flash_fails": 0,
    "flash_log": "",
    "flash_worn": "",
    "flash_worn_fails": 0,
    "flash_stuck": "",
    "power_cut": "",
    "fill_pl": 0,
    "floor_pl_per_day": 48_000_000,
    "least_gap_us": 0,
    "motor_supply": -1,
    "serial_number": "",
    "number_of_flash": "",
    "provisioned": 0,
    "reset_cause": _POWER_ON,
    "survived": -1,
    "latch": 0,
    "manifest": "",
    "world": "",
}


def _usage(text: str) -> None:
    sys.stderr.write("board: " + text + "\n")
    sys.exit(2)


def _settings(arguments):
    """key=value arguments over the defaults. Ends the process with code 2 when one is wrong."""
    settings = dict(_DEFAULTS)
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key not in settings:
            _usage("unknown setting %r, known are %s" % (key, " ".join(sorted(settings))))
        if isinstance(_DEFAULTS[key], int):
            try:
                value = int(value)
            except ValueError:
                _usage("%s must be a whole number, not %r" % (key, value))
        settings[key] = value
    if settings["speed"] < 1:
        _usage("speed must be at least 1")
    return settings


class _Random:
    """Reproducible bytes for a seed (xorshift), the system's own without one."""

    def __init__(self, seed: int, start_us: int):
        """A pump that boots at another instant (`start_us`) draws other bytes from the same seed."""
        self._seeded = seed >= 0
        self._state = (seed * 2654435761 + 88172645463325252) & 0x3FFFFFFFFFFFFFFF ^ start_us

    def take(self, size: int) -> bytes:
        if not self._seeded:
            return os.urandom(size)
        taken = bytearray(size)
        x = self._state
        for at in range(size):
            x ^= (x << 13) & 0x3FFFFFFFFFFFFFFF
            x ^= x >> 7
            x ^= (x << 17) & 0x3FFFFFFFFFFFFFFF
            taken[at] = x >> 24 & 0xFF
        self._state = x
        return bytes(taken)


class Board:
    """The board interface. `trace`, `reservoir` and `light` are the bench's."""

    model = "thecal-unix"

    def __init__(self):
        settings = _settings(sys.argv[1:])
        seed = max(0, settings["seed"])
        stream = open_line(settings["serial"])
        poller = Poller(stream, settings["bench"] == "on")
        self.serial = PtyLine(stream, seed, poller)
        clock = _make_clock(settings, poller, self.serial)
        self._clock = clock
        self.trace = Trace()
        driver = Driver(settings["feedback"] != 0, settings["least_gap_us"])
        self.motor = Motor(clock, self.trace, driver, settings["survived"], settings["motor_supply"])
        self.reservoir = Reservoir(settings["fill_pl"])
        self.sensors = Sensors(clock, self.motor, self.reservoir, seed, settings["start_us"])
        self.watchdog = Watchdog(clock)
        self.button = Button(clock)
        self.buzzer = Buzzer(clock)
        self.latch = Latch(settings["latch"])
        self.code = Code(settings["manifest"])
        self.light = False
        flash = self._make_flash(settings, clock)
        self._bench = Bench(self, clock, poller, flash, settings["start_us"], seed)
        clock.attach(self._bench)
        if settings["world"]:
            with open(settings["world"]) as file:
                self._bench.restore(json.load(file))
        sys.atexit(self._bench.at_exit)
        self.store = Store(flash)
        if settings["provisioned"] and self.store.found == BLANK:
            provision(self.store, _Random(settings["seed"], 1).take)
        if settings["flash_busy"]:  # from here on: the clock's zero is the first look at it
            flash.take_time(seed, settings["flash_slow_one_in"])
        self.ticks_us = clock.ticks_us
        self.wait_us = clock.wait_us
        self.serial_number = settings["serial_number"] or self._number_of_flash(settings)
        self.floor_pl_per_day = settings["floor_pl_per_day"]
        self.highest_step_pl = 10_000_000
        self.least_gap_us = driver.least_gap_us
        self._reset_cause = settings["reset_cause"]
        self._random = _Random(settings["seed"], settings["start_us"])

    def _make_flash(self, settings, clock):
        try:
            flash = Flash(settings["flash"], self._power_cut)
        except ValueError as error:
            _usage(error.args[0])
        flash.attach(clock, self.motor)
        flash.fail(settings["flash_fails"] != 0)
        flash.log_to(settings["flash_log"])
        try:
            _break(flash, settings)
        except (ValueError, IndexError):
            _usage("power_cut is OPERATION:WHEN:SEED, flash_worn BLOCK:..., flash_stuck OFFSET:BIT:VALUE:...")
        return flash

    def _number_of_flash(self, settings) -> str:
        """Of the pump on the flash; a new one's comes from the seed alone, whenever it boots."""
        try:
            return serial_number_of(
                self.store, settings["number_of_flash"], _Random(settings["seed"], 0).take
            )
        except ValueError as error:
            _usage(error.args[0])

    def random_bytes(self, size: int) -> bytes:
        return self._random.take(size)

    def reset_cause(self) -> int:
        """Why the pump started: 1 power on, 3 watchdog or `reset`."""
        return self._reset_cause

    def led(self, on: bool) -> None:
        """The light is on or off."""
        self.light = bool(on)

    def wake_pump(self) -> None:
        """For the bench: the wait ends early."""
        self._clock.wake = True

    def reset(self) -> None:
        """The pump starts anew; never returns."""
        self._bench.reset("software")

    def _power_cut(self) -> None:
        self._bench.power_cut()


def _break(flash, settings) -> None:
    """What is wrong with the flash from the very start. ValueError, IndexError: a setting is malformed."""
    numbers = [int(number) for number in settings["flash_worn"].split(":") if number]
    for block in numbers:
        flash.wear_out(block, settings["flash_worn_fails"] != 0)
    stuck = settings["flash_stuck"]
    if stuck.startswith("/"):  # a command line takes 255 bytes
        with open(stuck) as file:
            stuck = file.read()
    numbers = [int(number) for number in stuck.split(":") if number]
    for at in range(0, len(numbers), 3):
        flash.stick(numbers[at], numbers[at + 1] & 7, numbers[at + 2] & 1)
    if settings["power_cut"]:
        operation, when, seed = settings["power_cut"].split(":")
        flash.plan_cut(int(operation), ("before", "torn", "after").index(when), int(seed))


def _make_clock(settings, poller, line):
    kind = settings["clock"]
    ticks_start = settings["ticks_start"]
    if kind == "virtual":
        return VirtualClock(poller, line, ticks_start)
    if kind == "free":
        return FreeClock(poller, line, ticks_start)
    if kind == "real":
        return RealClock(poller, ticks_start)
    if kind == "scaled":
        return ScaledClock(poller, ticks_start, settings["speed"])
    return _usage("clock must be virtual, free, real or scaled, not %r" % kind)
