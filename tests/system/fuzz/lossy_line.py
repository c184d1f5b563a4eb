"""A bad serial line to a real emulated pump: a `Link` that spoils frames on a real pty, both ways.

Each frame is passed on, lost, doubled, held back (it comes after the next one) or has a bit flipped, as a
random generator decides. Nothing waits for the wall clock: after each sending the bench is asked for the
time, which the pump answers only when it has dealt with the bytes that were on the line; what has not come by
then will not come.
"""

import os
import random
import select

from thecal.emulator.emulator import Emulator
from thecal_protocol.framing import FrameReader

_SLOW_S = 0.02  # the pty hands bytes on from a kernel thread; one that is slower than this loses a frame
_KINDS = ("pass", "lose", "double", "hold", "flip")


class LossyLine:
    """A `transport.Link`. `spoil` is the share of frames that something happens to, 0 a clean line."""

    def __init__(self, pump: Emulator) -> None:
        self.name = pump.port
        self.reader = FrameReader()
        self.received = 0
        self.sample = b""
        self.spoil = 0.0
        self.sent: list[bytes] = []  # every frame that was ever sent, for replay
        self.happened: dict[str, int] = dict.fromkeys(_KINDS, 0)
        self._pump = pump
        self._random = random.Random(0)
        self._port = os.open(pump.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._held_out: list[bytes] = []
        self._held_in: list[bytes] = []
        self._partial = b""
        self._arrived = b""
        self._asked = False

    def misbehave(self, seed: int, spoil: float) -> None:
        """From now on spoil this share of the frames, by this seed."""
        self._random = random.Random(seed)
        self.spoil = spoil

    def send(self, data: bytes) -> None:
        self.sent.append(data)
        for frame in self._spoiled(data, self._held_out):
            os.write(self._port, frame)
            self._asked = True

    def receive(self, timeout_s: float) -> bool:
        del timeout_s
        if not self._arrived and self._asked:
            self._asked = False
            self._pump.bench.now()
            self._read()
        at = 0
        while at < len(self._arrived):
            at = self.reader.feed(self._arrived, at, len(self._arrived))
            if self.reader.ready:
                self._arrived = self._arrived[at:]
                return True
        self._arrived = b""
        return False

    def clear_sample(self) -> None:
        self.sample = b""

    def reopen(self) -> None:
        raise AssertionError("the port does not vanish")

    def close(self) -> None:
        os.close(self._port)

    def exchange(self, frame: bytes) -> bool:
        """Send one frame unspoiled and see whether an answer comes: it stands in `reader` then."""
        spoil, self.spoil = self.spoil, 0.0
        self._arrived = b""
        self.send(frame)
        answered = self.receive(0)
        self.spoil = spoil
        return answered

    def _read(self) -> None:
        ready, _, _ = select.select([self._port], [], [], _SLOW_S)
        while ready:
            data = os.read(self._port, 4096)
            self.received += len(data)
            *frames, self._partial = (self._partial + data).split(b"\0")
            for frame in frames:
                self._arrived += b"".join(self._spoiled(frame + b"\0", self._held_in))
            ready, _, _ = select.select([self._port], [], [], 0 if not self._partial else _SLOW_S)

    def _spoiled(self, frame: bytes, held: list[bytes]) -> list[bytes]:
        """What becomes of a frame, and of those held back before it."""
        kind = "pass"
        if self.spoil and self._random.random() < self.spoil:
            kind = self._random.choice(_KINDS[1:])
        self.happened[kind] += 1
        if kind == "hold":
            held.append(frame)
            return []
        passed = [frame] * {"pass": 1, "lose": 0, "double": 2, "flip": 1}[kind]
        if kind == "flip":
            spoiled = bytearray(frame)
            spoiled[self._random.randrange(len(spoiled))] ^= 1 << self._random.randrange(8)
            passed = [bytes(spoiled)]
        passed += held
        held.clear()
        return passed
