"""Bit rot where it hurts: one bit of the data of a file on the pump's flash turns over.

littlefs's own structures have checksums of their own; this finds the bytes of a file on the raw flash and
flips a bit there, as often as the same bytes stand on it.
"""

from bench_requests import BenchError
from flash import BLOCK_BYTES, BLOCKS
from torn_write import Rng

_PIECE = 24
_TRIES = 50
_FOLDER = 0x4000


def _files(fs, folder: str):
    """Paths and sizes of all files that hold something."""
    found = []
    for entry in fs.ilistdir(folder or "/"):
        path = folder + "/" + entry[0] if folder else entry[0]
        if entry[1] == _FOLDER:
            found += _files(fs, path)
        elif entry[3]:
            found.append((path, entry[3]))
    return sorted(found)


def _piece(fs, path: str, at: int) -> bytes:
    file = fs.open(path, "rb")
    file.seek(at)
    data = file.read(_PIECE)
    file.close()
    return data


def _places(flash, piece: bytes):
    """Where on the flash these bytes stand."""
    block = bytearray(BLOCK_BYTES)
    found = []
    for number in range(BLOCKS):
        flash.readblocks(number, block)
        at = block.find(piece)
        if at >= 0:
            found.append(number * BLOCK_BYTES + at)
    return found


def rot(fs, flash, seed: int, wanted: str) -> str:
    """Flip a bit of a file whose path begins with `wanted`; says of which. BenchError when there is none."""
    rng = Rng(seed)
    files = [file for file in _files(fs, "") if file[0].startswith(wanted)]
    for _ in range(_TRIES if files else 0):
        path, size = files[rng.roll(len(files))]
        at = max(0, rng.roll(size) - rng.roll(_PIECE))
        piece = _piece(fs, path, at)
        places = _places(flash, piece)
        if not places:
            continue  # it lies across two blocks
        within = rng.roll(len(piece))
        bit = rng.roll(8)
        for place in places:
            flash.flip(place + within, bit)
        return "%s byte %d bit %d" % (path, at + within, bit)
    raise BenchError("not_there: no file on the flash holds data to damage")
