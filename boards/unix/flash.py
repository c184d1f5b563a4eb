"""The pump's flash, held in a file: 352 blocks of 4096 bytes, as on the RP2040 image, with NOR semantics.

Programming can only clear bits, erasing sets a whole block to 0xFF. Every program and erase is in the file
when the call returns; a power cut can be put into the middle of any of them (`cut_after`), which ends the
process there. Without a path the flash is an anonymous file that is gone with the process. `Store` is the
board interface's `store`: named documents on littlefs, replaced as a whole or not at all.
"""

import os

import micropython
import vfs
from micropython import const

BLOCKS = const(352)
BLOCK_BYTES = const(4096)
_PROGRAM_BYTES = const(256)
_ENOENT = const(2)

_IOCTL_BLOCK_COUNT = const(4)
_IOCTL_BLOCK_SIZE = const(5)
_IOCTL_ERASE = const(6)


@micropython.viper
def _clear_bits(old: ptr8, new: ptr8, size: int):  # noqa: F821 - viper's own types
    at = 0
    while at < size:
        old[at] &= new[at]
        at += 1


def _is_file(path: str) -> bool:
    try:
        return os.stat(path)[6] == BLOCKS * BLOCK_BYTES
    except OSError:
        return False


class Flash:
    """MicroPython's block device, extended interface. `power_cut` is called when a planned cut is reached."""

    def __init__(self, path: str, power_cut):
        self._power_cut = power_cut
        self._scratch = bytearray(BLOCK_BYTES)
        self._erased = b"\xff" * BLOCK_BYTES
        self._cut_in = 0
        self._dead = False
        self.programs = 0
        self.erases = 0
        anonymous = not path
        if anonymous:
            path = "/tmp/thecal-flash-" + "".join("%02x" % byte for byte in os.urandom(12))
        fresh = not _is_file(path)
        self._file = open(path, "w+b" if fresh else "r+b", 0)
        if anonymous:
            os.remove(path)
        if fresh:
            for _ in range(BLOCKS):
                self._file.write(self._erased)

    def cut_after(self, operations: int) -> None:
        """Cut the power in the middle of the operations-th program or erase from now (1: the next one)."""
        self._cut_in = operations

    def readblocks(self, block: int, buffer, offset: int = 0) -> None:
        self._file.seek(block * BLOCK_BYTES + offset)
        self._file.readinto(buffer)

    def writeblocks(self, block: int, buffer, offset: int = -1) -> None:
        """Program: the result is old AND new. Without an offset the block is erased first."""
        if offset < 0:
            self._erase(block)
            offset = 0
        self.programs += 1
        cut = self._cut_is_here()
        size = len(buffer) // 2 if cut else len(buffer)
        where = block * BLOCK_BYTES + offset
        self._file.seek(where)
        self._file.readinto(self._scratch, size)
        _clear_bits(self._scratch, buffer, size)
        self._put(where, self._scratch, size, cut)

    def ioctl(self, operation: int, argument: int) -> int:
        if operation == _IOCTL_BLOCK_COUNT:
            return BLOCKS
        if operation == _IOCTL_BLOCK_SIZE:
            return BLOCK_BYTES
        if operation == _IOCTL_ERASE:
            self._erase(argument)
        return 0

    def _erase(self, block: int) -> None:
        self.erases += 1
        cut = self._cut_is_here()
        size = BLOCK_BYTES // 2 if cut else BLOCK_BYTES
        self._put(block * BLOCK_BYTES, self._erased, size, cut)

    def _put(self, where: int, data, size: int, cut: bool) -> None:
        if self._dead:
            self._power_cut()
        self._file.seek(where)
        self._file.write(data, size)
        if cut:
            self.die()
            self._power_cut()

    def die(self) -> None:
        """Without power nothing is written any more, whatever still runs while the process ends."""
        self._dead = True

    def _cut_is_here(self) -> bool:
        if self._cut_in:
            self._cut_in -= 1
            return not self._cut_in
        return False


class Store:
    """Board interface `store`. Names are up to 32 characters of a-z, 0-9, "-" and "."."""

    def __init__(self, flash):
        try:
            self._fs = vfs.VfsLfs2(flash, progsize=_PROGRAM_BYTES)
        except OSError:  # never formatted
            vfs.VfsLfs2.mkfs(flash, progsize=_PROGRAM_BYTES)
            self._fs = vfs.VfsLfs2(flash, progsize=_PROGRAM_BYTES)

    def load(self, name: str):
        """The document's bytes, or None when there is none of this name. OSError when the flash fails."""
        try:
            file = self._fs.open(name, "rb")
        except OSError as error:
            if error.errno == _ENOENT:
                return None
            raise
        try:
            return file.read()
        finally:
            file.close()

    def save(self, name: str, data) -> None:
        """Replace the document: after a power cut the old or the new one is there, whole. OSError."""
        draft = name + "~"
        file = self._fs.open(draft, "wb")
        try:
            file.write(data)
        finally:
            file.close()  # littlefs writes through on close
        self._fs.rename(draft, name)

    def keep(self, name: str) -> "Kept":
        """A small document that is kept open and rewritten often, whole each time."""
        return Kept(self._fs, name)


class Kept:
    """Board interface: a document kept open. `write` never allocates; a power cut leaves the old or the new."""

    def __init__(self, fs, name: str):
        self._fs = fs
        self._name = name
        self._file = None

    def read(self):
        """Its bytes, or None when it was never written. OSError when the flash fails."""
        try:
            file = self._fs.open(self._name, "rb")
        except OSError as error:
            if error.errno == _ENOENT:
                return None
            raise
        try:
            return file.read()
        finally:
            file.close()

    def write(self, buffer) -> None:
        """Replace its bytes, always as many as the first time. OSError."""
        if self._file is None:
            self._file = self._fs.open(self._name, "r+b" if self.read() is not None else "w+b")
        self._file.seek(0)
        self._file.write(buffer)
        self._file.flush()
