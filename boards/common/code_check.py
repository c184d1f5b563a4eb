"""Are the firmware files those of the build's manifest? Its lines: CRC-32 in hexadecimal, a blank, a path.

Both boards use it. The emulator writes the manifest (`thecal.emulator.emulator`), the `manifest` setting
names it.
"""

import binascii

from micropython import const

_PIECE_BYTES = const(1024)
DIFFERS = 0
GOOD = 1
MORE = 2
NO_MANIFEST = -1


class Code:
    """Board interface `code`. `damaged`: for the bench, a byte of the code reads wrong."""

    def __init__(self, manifest: str):
        self._manifest = manifest
        self._at = 0  # the next line of the manifest begins there
        self.damaged = False

    def check(self) -> int:
        """1 the installed files are those of the manifest, 0 they differ, -1 there is no manifest."""
        self._at = 0
        found = MORE
        while found == MORE:
            found = self.check_next()
        return found

    def check_next(self) -> int:
        """The next file alone: 2 it is good and there are more, 1 it was the last and all were good, 0 it
        differs (then it begins anew), -1 there is no manifest."""
        at = self._at
        self._at = 0
        if not self._manifest:
            return NO_MANIFEST
        try:
            with open(self._manifest, "rb") as file:
                file.seek(at)
                line = file.readline()
        except OSError:
            return NO_MANIFEST
        crc, _, path = line.decode().strip().partition(" ")
        if not path:
            return GOOD if at else NO_MANIFEST
        if "%08x" % self._crc(path) != crc:
            return DIFFERS
        self._at = at + len(line)
        return MORE

    def _crc(self, path: str) -> int:
        """CRC of a file; of one that is not there, a wrong one."""
        crc = 1 if self.damaged else 0
        piece = bytearray(_PIECE_BYTES)
        try:
            with open(path, "rb") as file:
                while True:
                    size = file.readinto(piece)
                    if not size:
                        return crc
                    crc = binascii.crc32(memoryview(piece)[:size], crc)
        except OSError:
            return -1
