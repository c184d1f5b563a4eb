"""A board on a line of its own, for `thecal flash` as a process: a pty on which MicroPython's raw console
answers until the board is reset, and an emulated pump from then on."""

import os
import select
import threading
import tty
from types import TracebackType
from typing import Self

from mpremote.transport import TransportError, TransportExecError

from host.firmware_build.fake_board import FakeBoard
from thecal.emulator.emulator import Emulator
from thecal.firmware_build import install

_TICK_S = 0.2  # how soon `close` is noticed
_WINDOW = 2048  # bytes of a paste that may be under way


class BoardOnALine:
    """`port`: what to open. `files`: the board's file system. `pump`: what speaks after the reset."""

    def __init__(self, files: FakeBoard, pump: Emulator) -> None:
        self.files = files
        self.pump = pump
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)

    def _live(self) -> None:
        self._console()
        pump = os.open(self.pump.port, os.O_RDWR | os.O_NOCTTY)
        try:
            while not self._ended.is_set():
                ready = select.select([self._master, pump], [], [], _TICK_S)[0]
                for source in ready:
                    os.write(pump if source == self._master else self._master, os.read(source, 4096))
        finally:
            os.close(pump)

    def _console(self) -> None:
        """MicroPython's raw console with its paste mode, until `machine.reset()`."""
        text = b""
        pasting = False
        taken = 0  # bytes of the paste since the window was last opened
        while not self._ended.is_set():
            if not select.select([self._master], [], [], _TICK_S)[0]:
                continue
            data = os.read(self._master, 4096)
            text += data
            if pasting:
                taken += len(data)
                os.write(self._master, b"\x01" * (taken // _WINDOW))
                taken %= _WINDOW
                if text.endswith(b"\x04"):
                    command, text, pasting = text[:-1].decode(), b"", False
                    os.write(self._master, b"\x04" + self._carried_out(command) + b"\x04>")
                    if command == install._RESET:
                        return
            elif text.endswith(b"\x05A\x01"):
                os.write(self._master, b"R\x01" + _WINDOW.to_bytes(2, "little"))
                text, pasting, taken = b"", True, 0
            elif text.endswith(b"\x01"):
                os.write(self._master, b"raw REPL; CTRL-B to exit\r\n>")
                text = b""

    def _carried_out(self, command: str) -> bytes:
        try:
            said = self.files.exec(command)
        except (TransportError, TransportExecError) as error:
            return b"\x04" + str(error.args[-1]).encode()
        return said + (b"\n" if said else b"") + b"\x04"
