"""MicroPython's `cryptolib`, which its build for the web lacks: AES as `@noble/ciphers` has it.

What the firmware uses: ECB and CBC, encrypting whole blocks from one buffer into another. Allocates nothing
but in `__init__`.
"""

import hardware
from uctypes import addressof

_encrypt = hardware.encrypt
_BLOCK = 16


class aes:  # noqa: N801 - MicroPython's name
    """A cipher. Mode 1 is ECB, 2 CBC, whose blocks go on from call to call."""

    def __init__(self, key, mode: int, iv=bytes(_BLOCK)):
        self._key = bytes(key)
        self._mode = mode
        self._iv = bytearray(iv)

    def encrypt(self, data, into) -> None:
        """Seal whole blocks."""
        size = len(data)
        key = self._key
        iv = self._iv
        _encrypt(self._mode, addressof(key), len(key), addressof(iv), addressof(data), addressof(into), size)
