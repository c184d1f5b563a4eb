"""A serial line that holds back one frame for good, at the very moment at which something ends the host.

A pty on the host's side, the emulated pump's on the other, a thread between them. Frames are counted by what
they are: a repeat is the same frame, so the n-th is the n-th that the host ever sent.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import tty
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

from thecal.emulator.emulator import Emulator
from thecal_protocol.framing import FrameReader

Way = Literal["request", "answer", "dead", "pass"]
_TICK_S = 1.0


class HeldLine:
    """`port` for the host. Clean until `hold`."""

    def __init__(self, pump: Emulator) -> None:
        self._pump = os.open(pump.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._wake, self._woken = os.pipe()
        self._partial = {self._master: b"", self._pump: b""}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.clean()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.write(self._woken, b"x")
        self._thread.join()
        for descriptor in (self._pump, self._master, self._slave, self._wake, self._woken):
            os.close(descriptor)

    def clean(self) -> None:
        """Nothing is held any more; counting begins anew."""
        self.hold(0, "request", lambda: None)

    def hold(self, number: int, way: Way, then: Callable[[], None], *, opcode: int = -1) -> None:
        """Hold back the `number`-th frame from the host, or its answer; `then` is called at that moment.
        `opcode`: only frames with this one count, of those that are not secured.

        Whatever the host sends after it passes. "pass": the frame, too. "dead": the frame passes, and nothing
        after it, either way; `then` is called for each later frame of the host, too.
        """
        self._number, self._way, self._then, self._opcode = number, way, then, opcode
        self._seen: list[bytes] = []
        self._said = False
        self._silent = False

    @property
    def frames(self) -> int:
        """How many different frames the host has sent."""
        return len(self._seen)

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([self._master, self._pump, self._wake], [], [], _TICK_S)
            if self._wake in ready:
                return
            for source in ready:
                *frames, self._partial[source] = (self._partial[source] + os.read(source, 4096)).split(b"\0")
                for frame in filter(None, frames):
                    if self._from_host(frame) if source == self._master else self._from_pump():
                        target = self._pump if source == self._master else self._master
                        with contextlib.suppress(BlockingIOError):
                            os.write(target, b"\0" + frame + b"\0")

    def _from_host(self, frame: bytes) -> bool:
        """Whether it passes."""
        new = frame not in self._seen
        if new:
            self._seen.append(frame)
        counted = [seen for seen in self._seen if self._opcode in (-1, opcode_of(seen))]
        number = counted.index(frame) + 1 if frame in counted else len(counted) + 1 if self._silent else 0
        if not self._number or number < self._number:
            return True
        if number == self._number:
            if new and self._way != "answer":
                self._silent = self._way == "dead"
                self._then()
            elif self._way == "answer":
                self._silent = True
            return self._way != "request"
        if self._way == "dead":
            if new:
                self._then()
            return False
        self._silent = False
        return True

    def _from_pump(self) -> bool:
        if self._silent and self._way == "answer" and not self._said:
            self._said = True
            self._then()
        return not self._silent


def opcode_of(frame: bytes) -> int:
    """0 in what is secured, and in what is no frame."""
    reader = FrameReader()
    reader.feed(frame + b"\0", 0, len(frame) + 1)
    return reader.opcode if reader.ready else 0
