"""The log in a flash image, read and changed from outside: littlefs-python and a record parser of its own."""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from littlefs import LittleFS

BLOCKS = 352
BLOCK_BYTES = 4096
SLOT = 64
EVENTS = "events"
FAULTS = "faults"
DOSES = "doses"


@dataclass
class Record:
    """One record as it lies on flash."""

    data: bytes

    @property
    def sequence(self) -> int:
        return struct.unpack_from("<I", self.data)[0]

    @property
    def kind(self) -> int:
        return self.data[12]

    @property
    def whole(self) -> bool:
        return struct.unpack_from("<I", self.data, 44)[0] == zlib.crc32(self.data[:44])

    @property
    def tag(self) -> bytes:
        return self.data[48:]


class Image:
    """A pump's flash, the power being off. `save` puts the changes back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.fs = LittleFS(block_size=BLOCK_BYTES, block_count=BLOCKS, prog_size=256, mount=False)
        self.fs.context.buffer = bytearray(path.read_bytes())
        self.fs.mount()

    def save(self) -> None:
        self.fs.unmount()
        self._path.write_bytes(self.fs.context.buffer)

    def segments(self, ring: str) -> list[str]:
        """Names of the segments with something in them, oldest first."""
        names = [name for name in self.fs.listdir(f"/{ring}") if len(name) == 8]
        return [name for name in sorted(names) if self.fs.stat(f"/{ring}/{name}").size]

    def read(self, ring: str, name: str) -> bytes:
        with self.fs.open(f"/{ring}/{name}", "rb") as file:
            return file.read()

    def write(self, ring: str, name: str, data: bytes) -> None:
        with self.fs.open(f"/{ring}/{name}", "wb") as file:
            file.write(data)

    def records(self, ring: str) -> list[Record]:
        """Every record of the ring, oldest first."""
        found: list[Record] = []
        for name in self.segments(ring):
            data = self.read(ring, name)
            assert len(data) % SLOT == 0
            found += [Record(data[at : at + SLOT]) for at in range(SLOT, len(data), SLOT)]
        return found

    def change(self, ring: str, change: "dict[int, bytes | None]") -> None:
        """Replace or (None) remove records by their index in the ring's newest segment."""
        name = self.segments(ring)[-1]
        data = self.read(ring, name)
        slots = [data[at : at + SLOT] for at in range(0, len(data), SLOT)]
        for index, record in change.items():
            if record is not None:
                slots[index + 1] = record
        kept = [slot for index, slot in enumerate(slots) if change.get(index - 1, b"") is not None]
        self.write(ring, name, b"".join(kept))


def mended(data: bytes) -> bytes:
    """The record with its CRC made right."""
    return data[:44] + struct.pack("<I", zlib.crc32(data[:44])) + data[48:]
