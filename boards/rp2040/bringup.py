"""What `thecal bringup` has a new board do: the board's own classes, worked one at a time. No part of the
firmware: the host sends it over the console with the modules that it needs (build.toml), into memory alone.

`begin` comes first. Each function answers with numbers; what they mean is the host's to say.
"""

import gc
import os
import time
from array import array

import machine
import pins
from machine import Pin
from micropython import const
from pio_motor import Motor

from driver import LEAST_GAP_US, MOTOR_OFF, Driver
from front_panel import Button, Buzzer
from sensors import Sensors

_WIRES = (
    "STEP", "DIR", "ENABLE", "STALL", "SUPPLY", "BUZZER_SENSE", "BUTTON", "BUZZER", "LED", "TEMPERATURE",
    "UPSTREAM", "DOWNSTREAM", "BATTERY",
)  # fmt: skip
_VSYS_MV = (1_800, 5_500)
_CLOCK_HZ = const(125_000_000)
_TIMER_LOW = const(0x40054028)  # microseconds, by which the steps are made
_SETTLED_MS = const(2)
_BEFORE_US = const(20_000)  # from the order until the first step
_RUN_STEPS = const(32)  # two runs fill the motor's queue
_BLOCK_BYTES = const(4096)
_ROW_BYTES = const(256)
_SPARE_BYTES = const(32_768)  # of memory that is left alone
_FILE = "/bringup~"
_ROWS = const(16)
_TONE = const(1)
_LOOKS = const(5)


class _Run:
    """Steps at one distance, as `Motor.append` takes them."""

    def __init__(self):
        self.size = 1
        self.lead = array("H", [0])
        self.carry = array("H", [0])
        self.modulus = array("H", [1])
        self.gap_s = 0

    def set(self, steps: int, first_us: int, gap_us: int) -> None:
        """So many, from then on."""
        last_us = first_us + (steps - 1) * gap_us
        self.steps = steps
        self.gap_us = gap_us
        self.first_s, self.first_us = first_us // 1_000_000, first_us % 1_000_000
        self.last_s, self.last_us = last_us // 1_000_000, last_us % 1_000_000


class _Parts:
    """The board's classes, once made."""

    def __init__(self):
        self.led = Pin(pins.LED, Pin.OUT, value=0)
        self.button = Button()
        self.presses = 0  # that were told
        self.buzzer = Buzzer()
        self.sensors = Sensors()
        self.supply = Pin(pins.SUPPLY, Pin.IN, Pin.PULL_DOWN)
        self.motor = Motor(False)  # else it would take the encoder's word for nothing without a supply
        self.motor.disable()
        self.run = _Run()


_parts = []


def begin():
    """Make the board's parts, the motor off. Answers the level of EN when nothing drives it but the driver's
    own resistor, and whether the button is down."""
    held_off = _enable_line()
    if machine.freq() != _CLOCK_HZ:
        machine.freq(_CLOCK_HZ)
    _parts[:] = [_Parts()]
    return held_off, _pressed()


def _pressed() -> int:
    return int(not Pin(pins.BUTTON).value())


def _enable_line() -> int:
    """Is it held off by the resistor at the driver, against the chip's own pull, which is five times
    weaker?"""
    against = Pin.PULL_DOWN if MOTOR_OFF else Pin.PULL_UP
    line = Pin(pins.ENABLE, Pin.IN, against)
    time.sleep_ms(_SETTLED_MS)
    held = line.value() == MOTOR_OFF
    Driver().disable()
    return int(held)


def end() -> None:
    """Everything off."""
    for parts in _parts:
        parts.motor.cancel()
        parts.motor.disable()
        parts.buzzer.play(0)
        parts.led.value(0)


def wires():
    """The pins by their names."""
    return {name: getattr(pins, name) for name in _WIRES}


def clock_hz():
    """Of the processor: as it is, and as it has to be."""
    return machine.freq(), _CLOCK_HZ


def supply_range_mv():
    """What a Pico runs on, at VSYS."""
    return _VSYS_MV


def clock_us() -> int:
    """The timer that times the steps, 32 bits."""
    return machine.mem32[_TIMER_LOW] & 0xFFFFFFFF


def memory():
    """Bytes of RAM that were free, that were written, and those of rows that read back wrong."""
    gc.collect()
    free = gc.mem_free()
    blocks = []
    while gc.mem_free() > _SPARE_BYTES + 2 * _BLOCK_BYTES:
        try:
            blocks.append(bytearray(_BLOCK_BYTES))
        except MemoryError:  # no room of that size in one piece
            break
    wrong = 0
    for pattern in (0x55, 0xAA):
        for number, block in enumerate(blocks):
            row = _row(pattern ^ number)
            for at in range(0, _BLOCK_BYTES, _ROW_BYTES):
                block[at : at + _ROW_BYTES] = row
        for number, block in enumerate(blocks):
            row = _row(pattern ^ number)
            view = memoryview(block)
            for at in range(0, _BLOCK_BYTES, _ROW_BYTES):
                if view[at : at + _ROW_BYTES] != row:
                    wrong += _ROW_BYTES
    tried = len(blocks) * _BLOCK_BYTES
    blocks = block = view = None  # what comes next needs room
    gc.collect()
    return free, tried, wrong


def _row(value: int) -> bytes:
    return bytes([value & 0xFF]) * _ROW_BYTES


def flash():
    """Bytes of the file system, and of a file of it that read back wrong; -1: it takes none."""
    found = os.statvfs("/")
    size = found[0] * found[2]
    row, wrong = bytes(range(_ROW_BYTES)), 0
    try:
        with open(_FILE, "wb") as file:
            for _ in range(_ROWS):
                file.write(row)
        with open(_FILE, "rb") as file:
            for _ in range(_ROWS):
                read = file.read(_ROW_BYTES)
                wrong += _ROW_BYTES - sum(row[at] == read[at] for at in range(len(read)))
        os.remove(_FILE)
    except OSError:
        return size, -1
    return size, wrong


def blink(times: int) -> None:
    """The light, on and off."""
    for _ in range(times):
        _parts[0].led.value(1)
        time.sleep_ms(400)
        _parts[0].led.value(0)
        time.sleep_ms(300)


def presses():
    """Presses since the last time, and whether the button is down."""
    parts = _parts[0]
    before, parts.presses = parts.presses, parts.button.presses()
    return parts.presses - before, _pressed()


def sound():
    """A tone of a second. The sense line before it, and whether the tone was sensed."""
    before = Pin(pins.BUZZER_SENSE).value()
    buzzer = _parts[0].buzzer
    buzzer.play(_TONE)
    time.sleep_ms(1200)
    return before, int(buzzer.works())


def hold(on: bool) -> None:
    """The enable line."""
    motor = _parts[0].motor
    motor.enable() if on else motor.disable()


def least_gap_us() -> int:
    """What the driver's motor follows."""
    return LEAST_GAP_US


def turn(steps: int, gap_us: int, held: bool):
    """So many steps, the motor held or, by the driver alone, without force. Steps that were made, and that
    the encoder did not see move."""
    motor = _parts[0].motor
    made, lost = motor.executed(), motor.lost_steps()
    motor.enable()
    if not held:
        Driver().disable()
    motor.set_epoch(0, 0)
    began_ms = time.ticks_ms()
    longest_ms = (_BEFORE_US + steps * gap_us) // 1000 + 500
    at_us, left = _BEFORE_US, steps
    while (left or motor.in_flight()) and time.ticks_diff(time.ticks_ms(), began_ms) < longest_ms:
        left, at_us = _appended(motor, left, at_us, gap_us)
        time.sleep_ms(1)
    motor.cancel()
    found = motor.executed() - made, motor.lost_steps() - lost
    motor.disable()
    return found


def _appended(motor, left: int, at_us: int, gap_us: int):
    """As many more as the queue takes now."""
    run = _parts[0].run
    while left:
        steps = min(left, _RUN_STEPS)
        run.set(steps, at_us, gap_us)
        try:
            motor.append(run)
        except ValueError:  # it is full
            break
        left -= steps
        at_us += steps * gap_us
    return left, at_us


def supply() -> int:
    """Of the motor: 1 it is there, 0 it is not, or nothing is wired to tell."""
    return _parts[0].supply.value()


def sample(*names):
    """Readings of the board's sensors, such as "battery_mv": of each the middle of five looks; None where
    nothing answers."""
    sensors = _parts[0].sensors
    rows = []
    for _ in range(_LOOKS):
        sensors.sample()
        rows.append([getattr(sensors, name) for name in names])
        time.sleep_ms(5)
    middle = [sorted(row[at] for row in rows)[_LOOKS // 2] for at in range(len(names))]
    return [None if value == sensors.NO_READING else value for value in middle]
