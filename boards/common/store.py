"""The board interface's `store`: named documents on littlefs, replaced as a whole or not at all."""

import binascii
import struct

import vfs
from micropython import const

from folder import Folder, make_folder

_PROGRAM_BYTES = const(256)
_ENOENT = const(2)
_EIO = const(5)
_ERASED = const(0xFF)
_KEPT = "kept/"

# `Store.found`
MOUNTED = const(0)
BLANK = const(1)  # an erased flash: formatted
UNREADABLE = const(2)  # something else was there: formatted
FAILING = const(3)  # it cannot be formatted: every call raises OSError


def _mounted(flash):
    """Without times in the directory: they would take room in every save, and come from no clock of ours."""
    return vfs.VfsLfs2(flash, progsize=_PROGRAM_BYTES, mtime=False)


def _is_blank(flash) -> bool:
    """Are the two blocks that every file system begins with erased?"""
    page = bytearray(_PROGRAM_BYTES)
    for block in (0, 1):
        for offset in range(0, flash.ioctl(5, 0), _PROGRAM_BYTES):
            flash.readblocks(block, page, offset)
            for byte in page:
                if byte != _ERASED:
                    return False
    return True


class _NoFileSystem:
    """Stands in for the file system of a flash that has none and takes none."""

    def open(self, name: str, mode: str):
        raise OSError(_EIO)

    def mkdir(self, name: str):
        raise OSError(_EIO)


class Store:
    """Board interface `store`. Names are up to 32 characters of a-z, 0-9, "-" and ".". `fs`: the bench's."""

    def __init__(self, flash):
        self.found = MOUNTED
        try:
            self.fs = _mounted(flash)
        except OSError:
            self._format(flash)

    def _format(self, flash) -> None:
        self.found = BLANK if _is_blank(flash) else UNREADABLE
        try:
            vfs.VfsLfs2.mkfs(flash, progsize=_PROGRAM_BYTES)
            self.fs = _mounted(flash)
        except OSError:
            self.found = FAILING
            self.fs = _NoFileSystem()

    def file_system(self):
        """What it lies on, for a board that starts from it."""
        return self.fs

    def put_crc(self, view, size: int, buffer, at: int) -> None:
        """The CRC-32 of `view`, of so many bytes, into four bytes of `buffer`."""
        struct.pack_into("<I", buffer, at, binascii.crc32(view))

    def load(self, name: str):
        """The document's bytes, or None when there is none of this name. OSError when the flash fails."""
        try:
            file = self.fs.open(name, "rb")
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
        file = self.fs.open(draft, "wb")
        try:
            file.write(data)
        finally:
            file.close()  # littlefs writes through on close
        self.fs.rename(draft, name)

    def keep(self, name: str) -> "Kept":
        """A small document that is kept open and rewritten often, whole each time.

        They live in a folder of their own: littlefs compacts a folder's directory every few writes, at a cost
        that grows with the square of what is in it."""
        return Kept(self.fs, _KEPT + name)

    def folder(self, name: str) -> Folder:
        """A folder of files that grow at their end."""
        return Folder(self.fs, name)


class Kept:
    """Board interface: a document kept open. `write` never allocates; a cut leaves the old or the new."""

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
            make_folder(self._fs, _KEPT)
            self._file = self._fs.open(self._name, "r+b" if self.read() is not None else "w+b")
        self._file.seek(0)
        self._file.write(buffer)
        self._file.flush()
