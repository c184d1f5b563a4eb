"""Are the firmware files those of the build's manifest? Its lines: CRC-32 in hexadecimal, a blank, a path.

The emulator writes the manifest (`thecal.emulator`), the `manifest` setting names it.
"""

import binascii

from micropython import const

_PIECE_BYTES = const(4096)


class Code:
    """Board interface `code`. `damaged`: for the bench, a byte of the code reads wrong."""

    def __init__(self, manifest: str):
        self._manifest = manifest
        self.damaged = False

    def check(self) -> int:
        """1 the installed files are those of the manifest, 0 they differ, -1 there is no manifest."""
        if not self._manifest:
            return -1
        try:
            with open(self._manifest) as file:
                lines = file.read().split("\n")
        except OSError:
            return -1
        files = 0
        for line in lines:
            crc, _, path = line.partition(" ")
            if path:
                files += 1
                if "%08x" % self._crc(path) != crc:
                    return 0
        return 1 if files else -1

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
