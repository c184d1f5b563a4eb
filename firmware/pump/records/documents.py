"""Documents on the board's store: numbered, with a CRC of their own, replaced whole or not at all.

Allocates: boot and commands only, but for `seal`.
"""

import binascii
import struct

_HEAD = "<II"  # number, size
_HEAD_SIZE = 8
_CRC_SIZE = 4


class DocumentError(Exception):
    """A document is missing, corrupt or not the one that counts; args[0]: the reason passed to `read`."""


class Document:
    """One named document."""

    def __init__(self, store, name: str):
        self._store = store
        self._name = name

    def write(self, number: int, data) -> None:
        """Replace it. OSError when the flash fails; the one before is then still there."""
        sealed = bytearray(_HEAD_SIZE + len(data) + _CRC_SIZE)
        struct.pack_into(_HEAD, sealed, 0, number, len(data))
        sealed[_HEAD_SIZE : _HEAD_SIZE + len(data)] = data
        Document.seal(sealed)
        self._store.save(self._name, sealed)

    def read(self, number: int, reason: int) -> bytes:
        """Its data, if it is the one of this number; DocumentError(reason) otherwise."""
        try:
            sealed = self._store.load(self._name)
        except OSError:
            raise DocumentError(reason)
        if sealed is None or len(sealed) < _HEAD_SIZE + _CRC_SIZE or not Document.is_sealed(sealed):
            raise DocumentError(reason)
        found, size = struct.unpack_from(_HEAD, sealed, 0)
        if found != number or size != len(sealed) - _HEAD_SIZE - _CRC_SIZE:
            raise DocumentError(reason)
        return bytes(sealed[_HEAD_SIZE : _HEAD_SIZE + size])

    @staticmethod
    def seal(buffer) -> None:
        """Put the CRC of all before it into the last four bytes."""
        end = len(buffer) - _CRC_SIZE
        struct.pack_into("<I", buffer, end, binascii.crc32(memoryview(buffer)[:end]))

    @staticmethod
    def is_sealed(buffer) -> bool:
        """Is the CRC in the last four bytes right?"""
        end = len(buffer) - _CRC_SIZE
        if end < 0:
            return False
        return struct.unpack_from("<I", buffer, end)[0] == binascii.crc32(memoryview(buffer)[:end])
