"""Keys for a new pump, as a factory would give them: without a button pressed, and at once.

Pairing is most of what a new pump computes at its first contact; what is not about pairing need not wait for
it. The document is the firmware's own (docs/explanation/storage.md).
"""

import binascii
import struct

DOCUMENT = "link-keys"
_NUMBER = 1
_SIZE = 4 * 16  # a key for each role


def provision(store, random_bytes) -> bool:
    """A key for every role. False: the flash takes none."""
    data = struct.pack("<II", _NUMBER, _SIZE) + random_bytes(_SIZE)
    try:
        store.save(DOCUMENT, data + struct.pack("<I", binascii.crc32(data)))
    except OSError:
        return False
    return True
