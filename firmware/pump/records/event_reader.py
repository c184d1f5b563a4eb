"""Reading the event log back, in pages that fit an answer: all rings merged by number, or one alone.

Records that cannot be read are left out: the reader of the log sees the gap, in the numbers and in the
chain. A page that goes on where the last one ended costs no search. Allocates: commands only.
"""

import struct

from pump.records.event_queue import FIELDS_SIZE
from pump.records.event_ring import SLOT, TAG_SIZE, is_good_record, segment_name

ENTRY_SIZE = (
    FIELDS_SIZE + 2 + TAG_SIZE
)  # as on the wire: the fields, the ring, the tag with its length before it
_TAG_AT = 48


class RingReader:
    """Goes through one ring's records in their order."""

    def __init__(self, ring):
        self.ring = ring
        self._file = None
        self._serial = 0  # where the reader stands
        self._slot = 0
        self._next_slot = -1  # which slot the open file would read
        self._wanted = 0  # it stands at the first record of at least this number,
        self._changes = -1  # as long as the ring's segments are these
        self.record = bytearray(SLOT)
        self.sequence = 0  # of the record under the reader, 0: at the end

    def begin(self, first: int) -> None:
        """Stand at the first record of at least this number."""
        ring = self.ring
        here = self._wanted <= first and (first <= self.sequence or not self.sequence)
        if not here or self._changes != ring.changes:
            self._changes = ring.changes
            self._search(first)
        self._load(first)

    def move_on(self) -> None:
        """To the next record."""
        self._slot += 1
        self._load(self.sequence + 1)

    def end(self) -> None:
        """Close what is open; the next `begin` may go on from here."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _load(self, wanted: int) -> None:
        """Read the record that the reader stands at, or the next good one."""
        ring = self.ring
        self._wanted = wanted
        while self._serial <= ring.serial:
            while self._slot < ring.count_of(self._serial):
                if self._read():
                    self.sequence = struct.unpack_from("<I", self.record, 0)[0]
                    if self.sequence >= wanted:
                        return
                self._slot += 1
            if self._serial == ring.serial:
                break
            self.end()
            self._serial += 1
            self._slot = 0
        self.sequence = 0

    def _read(self) -> bool:
        """The record of this slot into `record`; False when it cannot be had."""
        try:
            if self._file is None:
                self._file = self.ring.folder.read(segment_name(self._serial))
                self._next_slot = -1
            if self._next_slot != self._slot:
                self._file.seek((self._slot + 1) * SLOT)
            self._next_slot = self._slot + 1
            return self._file.readinto(self.record) == SLOT and is_good_record(self.record)
        except OSError:
            self.end()
            return False

    def _search(self, first: int) -> None:
        """Stand at or before the place where a record of this number would be."""
        ring = self.ring
        serial = ring.oldest
        while serial < ring.serial and 0 < ring.first_of(serial + 1) <= first:
            serial += 1
        self.end()
        self._serial = serial
        low = 0
        high = ring.count_of(serial)
        while low < high:
            self._slot = (low + high) // 2
            if not self._read():
                break  # from `low` on they are looked at one by one
            if struct.unpack_from("<I", self.record, 0)[0] >= first:
                high = self._slot
            else:
                low = self._slot + 1
        self._slot = low


class LogReader:
    """Pages over all rings."""

    def __init__(self, rings):
        self._readers = [RingReader(ring) for ring in rings]  # by their numbers
        self.following = 0  # after `page`: the number from which the next page goes on

    def page(self, first: int, last: int, most: int, only: int, buffer, at: int) -> int:
        """Put at most `most` entries numbered `first` to `last` at `buffer[at:]`; how many. `only`: of the
        ring of this number, 0: of all."""
        self.following = first
        readers = self._readers[only : only + 1] if only else self._readers
        count = 0
        try:
            for reader in readers:
                reader.begin(first)
            while count < most:
                lowest = None
                for reader in readers:
                    if reader.sequence and (lowest is None or reader.sequence < lowest.sequence):
                        lowest = reader
                if lowest is None or lowest.sequence > last:
                    break
                self._copy(lowest, buffer, at)
                at += ENTRY_SIZE
                count += 1
                self.following = lowest.sequence + 1
                lowest.move_on()
        finally:
            for reader in readers:
                reader.end()
        return count

    def _copy(self, reader, buffer, at: int) -> None:
        record = reader.record
        buffer[at : at + FIELDS_SIZE] = record[:FIELDS_SIZE]
        buffer[at + FIELDS_SIZE] = reader.ring.number
        buffer[at + FIELDS_SIZE + 1] = TAG_SIZE
        buffer[at + FIELDS_SIZE + 2 : at + ENTRY_SIZE] = record[_TAG_AT : _TAG_AT + TAG_SIZE]

    def first_kept(self, ring) -> int:
        """Number of the oldest record of this ring that can be read; 0 when there is none."""
        reader = self._readers[ring.number]
        reader.begin(0)
        reader.end()
        return reader.sequence
