"""The pump's flash in a page: files in memory, with the calls of a file system that boards/common makes.

What they hold is the page's (boards/browser/world.mjs) and outlives the pump's software. A write is there at
once and whole: power goes only while the pump waits. Writing allocates nothing.
"""

import json

import hardware
from uctypes import addressof

_open = hardware.file_open
_write = hardware.file_write
_read = hardware.file_read
_seek = hardware.file_seek
_size = hardware.file_size
_close = hardware.file_close
_BYTES = (bytes, bytearray)


def _done(result: int) -> int:
    if result < 0:
        raise OSError(-result)
    return result


class File:
    """An open file of bytes."""

    def __init__(self, path: str, mode: str):
        self._handle = _done(_open(path, mode))
        self._words = None  # written last, which is so many bytes
        self._words_size = 0

    def _size_of(self, data) -> int:
        """In bytes. Words do not say it here, so that of those written again and again is remembered."""
        if isinstance(data, _BYTES):
            return len(data)
        if data is not self._words:
            self._words = data
            self._words_size = len(bytes(data))
        return self._words_size

    def write(self, data) -> int:
        """Put bytes where it stands."""
        size = self._size_of(data)
        _write(self._handle, addressof(data), size)
        return size

    def readinto(self, buffer) -> int:
        return _read(self._handle, addressof(buffer), len(buffer))

    def read(self) -> bytes:
        """All of it."""
        data = bytearray(_size(self._handle))
        self.readinto(data)
        return bytes(data)

    def seek(self, offset: int) -> None:
        _seek(self._handle, offset)

    def flush(self) -> None:
        """It is there already."""

    def close(self) -> None:
        _close(self._handle)


class Disk:
    """A file system, as far as boards/common asks for one."""

    open = File

    def mkdir(self, path: str) -> None:
        _done(hardware.folder_make(path))

    def ilistdir(self, path: str):
        """Name, type, 0 and size of all that is in a folder."""
        return json.loads(hardware.folder_list(path))

    def rename(self, path: str, to: str) -> None:
        _done(hardware.file_rename(path, to))

    def remove(self, path: str) -> None:
        _done(hardware.file_remove(path))
