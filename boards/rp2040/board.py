"""The RP2040 board: a Raspberry Pi Pico with a stepper driver, for MicroPython's stock image.

`Board` is the board interface (docs/reference/board-interface.md); README.md says how to wire it, pins.py is
the table. The settings stand in the file `settings`, `key=value`: serial=usb|uart0, production=0|1,
serial_number, motor_supply=0|1. Called by: main.py, once.
"""

import os
import time

import machine
import micropython
import pins
import rp2
import vfs
from machine import Pin
from micropython import const
from pio_motor import Motor
from sleep import Sleep

import driver
from code_check import Code
from front_panel import Button, Buzzer, Latch
from sensors import Sensors
from store import FAILING, Store, _NoFileSystem
from uart import UartLine, UsbLine

_WATCHDOG_RESET = const(3)
_POWER_ON = const(1)
_CLOCK_HZ = const(125_000_000)


class _ChipStore(Store):
    """Never formats: what started this program lies there."""

    @micropython.viper
    def put_crc(self, view: ptr8, size: int, buffer: ptr8, at: int):  # noqa: F821 - viper's own types
        """As on every board; binascii's would allocate, as a number of 32 bits is no small one here."""
        crc = uint(0) - uint(1)  # noqa: F821
        index = 0
        while index < size:
            crc ^= uint(view[index])  # noqa: F821
            index += 1
            bits = 8
            while bits:
                crc = crc >> 1 ^ (uint(0) - (crc & 1)) & uint(0xEDB88320)  # noqa: F821
                bits -= 1
        crc = (uint(0) - uint(1)) ^ crc  # noqa: F821
        for index in range(4):
            buffer[at + index] = int(crc)
            crc >>= 8

    def _format(self, flash) -> None:
        self.found = FAILING
        self._fs = _NoFileSystem()


def read_settings():
    """The file `settings` as a dict; without one the defaults hold."""
    values = {"serial": "usb", "production": "0", "serial_number": "", "motor_supply": "0"}
    try:
        with open("/settings") as file:
            for line in file.read().split("\n"):
                key, _, value = line.partition("=")
                values[key.strip()] = value.strip()
    except OSError:  # there is none
        return values
    return values


class Board:
    """The board interface."""

    model = "thecal-rp2040"
    floor_pl_per_day = 48_000_000
    highest_step_pl = 17_361  # a full queue of them, 64 at the floor's flow, lasts 2000 s
    least_gap_us = driver.LEAST_GAP_US

    def __init__(self):
        if machine.freq() != _CLOCK_HZ:
            machine.freq(_CLOCK_HZ)  # PIO's dividers go by it
        settings = read_settings()
        self.motor = Motor(settings["motor_supply"] == "1")
        self._led = Pin(pins.LED, Pin.OUT, value=0)
        uart = settings["serial"] == "uart0"
        self.serial = UartLine() if uart else UsbLine()
        micropython.kbd_intr(-1)  # 3 is a byte like any other, and nobody gets in by it
        self.sensors = Sensors()
        self.button = Button()
        self.buzzer = Buzzer()
        self.latch = Latch()
        self.watchdog = Sleep(self.serial, self.button)
        self.wait_us = self.watchdog.wait_us
        self.code = Code(__file__.rpartition("/")[0] + "/manifest")
        vfs.umount("/")  # the stock mount keeps file times; ours keeps none, as on every board
        self.store = _ChipStore(rp2.Flash())
        vfs.mount(self.store.file_system(), "/")
        self.serial_number = settings["serial_number"] or "RP-" + machine.unique_id().hex()[-8:].upper()
        self.random_bytes = os.urandom
        self.ticks_us = self._first_ticks_us

    def _first_ticks_us(self) -> int:
        """The zero of the motor's clock is the first look at the ticks."""
        self.ticks_us = time.ticks_us
        self.motor.set_epoch(0, 0)
        return time.ticks_us()

    def reset_cause(self) -> int:
        """1 power on, 3 watchdog or `reset`."""
        return _WATCHDOG_RESET if machine.reset_cause() == machine.WDT_RESET else _POWER_ON

    def reset(self) -> None:
        """Start anew; never returns."""
        machine.reset()

    def led(self, on: bool) -> None:
        """The light."""
        self._led.value(1 if on else 0)
