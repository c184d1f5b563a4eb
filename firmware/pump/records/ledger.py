"""The delivery ledger: what has left the pump and where therapy stands, on flash, so that no power cut
loses it.

Steps are reserved before they are made: the ledger says "up to `reserved` steps", and no run is handed to
the motor beyond that. After a power cut the whole reservation counts as delivered: the ledger never shows
less than the patient got, and at most one reservation more (INT-06). The next one is written while half of
the last is unused, so that a slow flash delays no step.

One record holds everything that changes while therapy runs (`pump.records.state`); each save replaces it
whole (littlefs), and a CRC of its own guards against bit rot. With what littlefs adds it fits one page of
flash: that is what makes the flash last. Programs, fillings and the patient's boluses change rarely and have
documents of their own (`pump.records.persistence`); the ledger names the ones that count.

`save` never allocates: it belongs to the steady path.
"""

import binascii
import struct
from array import array

# The format of everything durable, not of this record alone: any change of what is kept raises it, and
# what reads the older ones stays (docs/explanation/storage.md). 1 had no reservation, 2 is thecal 0.1.0's.
VERSION = 3
_OLDEST = 1
_MAGIC = 0x474C4354  # "TCLG"
_HEAD = "<IHHI"  # magic, version, words, sequence
_HEAD_SIZE = struct.calcsize(_HEAD)
_SEQUENCE = 2  # its place in the record, in words
_CRC_SIZE = 4

EMPTY = 0  # nothing was ever written
GOOD = 1
CORRUPT = 2
OTHER_VERSION = 3

RESERVE_PL = 2_560_000  # 1,024 steps of 2.5 nL
LEAST_RESERVE_STEPS = 128
_MOST_RESERVE_STEPS = 16_384


def reserve_steps(step_volume_pl: int) -> int:
    """How many steps one reservation holds: about RESERVE_PL, at least two runs, at most 16,384."""
    steps = RESERVE_PL // step_volume_pl
    return min(max(steps, LEAST_RESERVE_STEPS), _MOST_RESERVE_STEPS)


class Ledger:
    """One record of whole numbers by position; `words` are what it holds (see `pump.records.state`): they lie
    in the record itself, as 32 bits each, low byte first on every board."""

    def __init__(self, store, words: int):
        """`store`: the board's."""
        self._document = store.keep("ledger")
        self._put_crc = store.put_crc
        self._size = _HEAD_SIZE + 4 * words
        self._record = array("I", bytes(self._size + _CRC_SIZE))
        struct.pack_into(_HEAD, self._record, 0, _MAGIC, VERSION, words, 0)
        self._checked = memoryview(self._record)[:-1]
        self.words = self._checked[_HEAD_SIZE // 4 :]
        self._sequence = 0
        self.format = VERSION  # what wrote the record that was loaded

    def load(self) -> int:
        """Read the record: EMPTY, GOOD, CORRUPT or OTHER_VERSION. OSError when the flash fails. Allocates:
        boot only."""
        data = self._document.read()
        if not data:
            return EMPTY
        end = len(data) - _CRC_SIZE
        if end < _HEAD_SIZE or struct.unpack_from("<I", data, end)[0] != binascii.crc32(data[:end]):
            return CORRUPT
        magic, version, words, sequence = struct.unpack_from(_HEAD, data, 0)
        if magic != _MAGIC:
            return CORRUPT
        self.format = version
        if not _OLDEST <= version <= VERSION or words != len(self.words) or end != self._size:
            return OTHER_VERSION
        self._sequence = sequence
        self.words[:] = array("I", data[_HEAD_SIZE:end])
        return GOOD

    def save(self) -> None:
        """Write the words. OSError when the flash fails: the record before stays whole."""
        record = self._record
        self._sequence += 1
        record[_SEQUENCE] = self._sequence
        self._put_crc(self._checked, self._size, record, self._size)
        self._document.write(record)
