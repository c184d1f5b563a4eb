"""An emulated chip whose USB line is a pty: any program may open it, as it would a real board's.

The chip runs in a thread of its own and never ahead of the wall clock, so that whoever waits for a second
gives it at most a second; on a slow computer less.
"""

import os
import select
import threading
import time
import tty
from pathlib import Path
from types import TracebackType
from typing import Self

from boards.rp2040.chip import Chip, ChipStopped
from boards.rp2040.link import BUTTON

_SLICE_S = 0.002  # of emulated time between two looks at the pty
_TICK_S = 0.05


class BoardOnUsb:
    """`port`: what to open. `chip`: its own thread's until the board is left."""

    def __init__(
        self, image: Path, flash: bytes, *, button: bool = False, unplugged_after: int | None = None
    ) -> None:
        """`flash`: the file system's region; `button`: held until `release`; `unplugged_after`: the cable is
        pulled when the board has been sent so many bytes."""
        self.chip = Chip(image, flash=flash)
        self.chip.wire_up()
        self.chip.drive(BUTTON, not button)
        self.chip.cdc.on_serial_data = self._says
        self.said = bytearray()
        self.unplugged = False
        self._unplugged_after = unplugged_after
        self.heard = bytearray()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._ended = threading.Event()
        self._released = threading.Event()
        self._to_reset = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._live)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._unplug()
        if self._failure is not None:
            raise self._failure

    def release(self) -> None:
        """The button."""
        self._released.set()

    def reset(self) -> None:
        """Its RUN pin, for a moment."""
        self._to_reset.set()

    def wait_for(self, text: bytes) -> None:
        """Until the board has written this."""
        self._wait_for(self.said, text)

    def wait_for_input(self, text: bytes) -> None:
        """Until it was sent this."""
        self._wait_for(self.heard, text)

    def _wait_for(self, stream: bytearray, text: bytes, wall_s: float = 60) -> None:
        end = time.monotonic() + wall_s
        while text not in stream:
            if time.monotonic() > end or not self._thread.is_alive():
                raise ChipStopped(f"no {text!r} within {wall_s} s, but {bytes(stream[-400:])!r}")
            self._ended.wait(_TICK_S)

    def _says(self, data: bytes | bytearray) -> None:
        self.said += data
        os.write(self._master, data)

    def _unplug(self) -> None:
        if not self.unplugged:
            self.unplugged = True
            os.close(self._slave)
            os.close(self._master)

    def _live(self) -> None:
        try:
            began_s = time.monotonic()
            while not self._ended.is_set() and not self.unplugged:
                self._turn(self.chip.now_us / 1e6 - (time.monotonic() - began_s))
        except Exception as error:  # noqa: BLE001 - for the thread that leaves the board
            self._failure = error

    def _turn(self, ahead_s: float) -> None:
        if self._released.is_set():
            self.chip.drive(BUTTON, True)
        if self._to_reset.is_set():
            self._to_reset.clear()
            self.chip.mcu.watchdog.write_uint32(0, 0)  # rp2040py leaves it running
            self.chip.mcu.enter_reset(from_watchdog=False)
            self.chip.mcu.leave_reset()
        if select.select([self._master], [], [], max(0.0, min(ahead_s, _TICK_S)))[0]:
            data = os.read(self._master, 4096)
            self.heard += data
            if self._unplugged_after is not None and len(self.heard) > self._unplugged_after:
                self._unplug()
                return
            self.chip.type(data)
        if ahead_s <= _SLICE_S:
            self.chip.run_for(_SLICE_S)
