"""The real host client on an emulated chip: a `Link` whose waiting is the chip's time passing."""

from __future__ import annotations

import contextlib
import functools
import struct
import zlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

from boards.rp2040.chip import Chip, ChipStopped
from thecal.link import pairing
from thecal.link.client import Client
from thecal.link.responses.pump import Hello
from thecal.link.session import FindKey, Session
from thecal_protocol.framing import FrameReader
from thecal_protocol.roles import CLINICIAN
from thecal_protocol.secure import KEY_SIZE

BUTTON = 14
CLINICIAN_KEY = bytes(range(KEY_SIZE))
KEYS = {CLINICIAN: CLINICIAN_KEY}


class ChipLink:
    """Frames over UART0 of an emulated chip. `factor`: emulated seconds for each second of patience."""

    def __init__(self, chip: Chip, factor: float = 4.0):
        self.name = "the emulated chip"
        self.reader = FrameReader()
        self.received = 0
        self.sample = b""
        self.chip = chip
        self._uart: Any = chip.mcu.uart[0]
        self._factor = factor
        self._pending = b""
        self._uart.on_byte = self._arrived

    def _arrived(self, byte: int) -> None:
        if byte == 0:
            self.chip.halt()

    def send(self, data: bytes) -> None:
        self.chip.uart.send(bytes(data))

    def receive(self, timeout_s: float) -> bool:
        end_us = self.chip.now_us + timeout_s * self._factor * 1e6
        while True:
            if self._take():
                return True
            left_s = (end_us - self.chip.now_us) / 1e6
            if left_s <= 0 or self.chip.flash.off:
                return False
            with contextlib.suppress(ChipStopped):
                self.chip.run_until(lambda: 0 in self._uart.sent, left_s)

    def _take(self) -> bool:
        fresh = self.chip.uart.take()
        self.received += len(fresh)
        self.sample = (self.sample + fresh)[:24]
        data = self._pending + fresh
        at = self.reader.feed(data, 0, len(data))
        self._pending = data[at:]
        return self.reader.ready

    def clear_sample(self) -> None:
        self.sample = b""

    def reopen(self) -> None:
        self.reader.reset()
        self.chip.uart.take()
        self._pending = b""

    def close(self) -> None:
        self._uart.on_byte = None


def press_button(chip: Chip, held_us: float = 100_000) -> None:
    """Somebody presses the button, now, and lets go."""
    chip.drive(BUTTON, False)
    chip.at(held_us, lambda: chip.drive(BUTTON, True))


def keys_document(clinician: bytes) -> bytes:
    """The file `link-keys` of a pump that knows a clinician's key alone (docs/explanation/storage.md)."""
    keys = bytearray(4 * KEY_SIZE)
    keys[(CLINICIAN - 1) * KEY_SIZE : CLINICIAN * KEY_SIZE] = clinician
    sealed = struct.pack("<II", 1, len(keys)) + keys
    return sealed + struct.pack("<I", zlib.crc32(sealed))


class _Time:
    """The chip's time, for a host that waits for it."""

    def __init__(self, chip: Chip):
        self.monotonic = lambda: chip.now_us / 1e6
        self.sleep = chip.run_for


def keys_by_button(chip: Chip, keys: dict[int, bytes]) -> FindKey:
    """Keys of `keys`; one that is missing is agreed on with the pump, whose button is pressed for it."""

    def find(session: Session, hello: Hello, role: int) -> bytes:
        if role not in keys:
            with mock.patch.object(pairing, "time", _Time(chip)):
                press = functools.partial(press_button, chip)
                keys[role] = pairing.agree(session, hello, role, press, scalar=bytes([role]) * 32)
        return keys[role]

    return find


@contextlib.contextmanager
def client_on(chip: Chip, keys: dict[int, bytes] | None = None) -> Iterator[Client]:
    """A client with a clinician's session; `keys` keeps what is agreed on."""
    client = Client(ChipLink(chip), find_key=keys_by_button(chip, {} if keys is None else keys))
    client.hello()
    yield client
    client.close()
