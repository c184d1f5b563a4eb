"""What a power cut leaves on the flash, worked out from the log of its operations
(docs/reference/boards-unix.md).

A cut ends the pump: all that matters afterwards is the image of the flash and what the motor had made. So one
play of the script with the log on gives every image that any cut could leave, without playing it again. That
the images are those of real cuts is tested against real cuts.
"""

import importlib.util
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

BLOCKS = 352
BLOCK_BYTES = 4096
SIZE = BLOCKS * BLOCK_BYTES
_RECORD = struct.Struct("<HHHHQQ")
_PROGRAM = 1

When = Literal["before", "torn", "after"]
WHENS: tuple[When, ...] = ("before", "torn", "after")

_spec = importlib.util.spec_from_file_location(
    "torn_write", Path(__file__).resolve().parents[3] / "boards/unix/hal/torn_write.py"
)
assert _spec is not None
assert _spec.loader is not None
torn_write = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(torn_write)


@dataclass(frozen=True)
class Operation:
    """One program (with its bytes) or erase. `number` counts from 1; `steps` had been made when it came."""

    number: int
    block: int
    offset: int
    size: int
    at_us: int
    steps: int
    data: bytes | None

    def carry_out(self, image: bytearray) -> None:
        """Do it to an image of the flash."""
        where = self._where()
        old = int.from_bytes(image[where], "little")
        if self.data is None:
            image[where] = b"\xff" * self.size
        else:
            image[where] = (old & int.from_bytes(self.data, "little")).to_bytes(self.size, "little")

    def tear(self, image: bytearray, seed: int) -> None:
        """Do a part of it, chosen by the seed."""
        where = self._where()
        old = bytearray(image[where])
        if self.data is None:
            torn_write.tear_erase(old, seed)
        else:
            torn_write.tear_program(old, self.data, self.size, seed)
        image[where] = old

    def _where(self) -> slice:
        start = self.block * BLOCK_BYTES + self.offset
        return slice(start, start + self.size)


def read_log(path: Path) -> list[Operation]:
    """The operations of a log."""
    data = path.read_bytes()
    operations: list[Operation] = []
    at = 0
    while at < len(data):
        kind, block, offset, size, at_us, steps = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        content = None
        if kind == _PROGRAM:
            content = data[at : at + size]
            at += size
        operations.append(Operation(len(operations) + 1, block, offset, size, at_us, steps, content))
    return operations


def images(
    operations: list[Operation], wanted: "dict[int, list[tuple[When, int]]]", start: bytes | None = None
) -> Iterator[tuple[Operation, When, int, bytes]]:
    """For each wanted cut, {number of the operation: [(when, seed)]}: the image that it leaves."""
    image = bytearray(start or b"\xff" * SIZE)
    for operation in operations:
        cuts = wanted.get(operation.number, [])
        before = bytes(image) if cuts else b""
        operation.carry_out(image)
        for when, seed in cuts:
            left = bytearray(image if when == "after" else before)
            if when == "torn":
                operation.tear(left, seed)
            yield operation, when, seed, bytes(left)
