"""One ring of the event log on flash: segment files of fixed-size records, the oldest file giving way.

A segment is a header and up to SEGMENT_RECORDS records (each ring has its own number), 64 bytes each, named
by its serial number. Records
are appended and written through in batches; littlefs makes each batch all or nothing. The file that follows
is made and opened in advance (`prepare`), so that changing over to it allocates nothing.

    record    fields (`messages`' event entry, 35 bytes), zeros to 44; CRC-32 of these; tag (16 bytes)
    tag       AES-128-CBC-MAC, zero IV, of (tag of the record before it in this ring, zeros at the ring's
              beginning) and the record's first 48 bytes: fixed length, so the plain CBC-MAC is sound
    header    magic, version, ring, 0, serial, number of the first record; tag before it; zeros to 60; CRC-32

`write` never allocates but for a CRC's long integer where small integers have 31 bits; everything else does.
OSError leaves the ring closed to writing until `open`, which finds out from the flash alone where things
stand.
"""

import array
import binascii
import struct

from pump.records.event_queue import FIELDS_SIZE

try:
    from cryptolib import aes
except ImportError:  # CPython: only imported there, for its tables and to be checked
    aes = None

VERSION = 1
SLOT = 64
SEGMENT_RECORDS = 512  # the most of any ring
TAG_SIZE = 16
_MAGIC = 0x56454354  # "TCEV"
_HEAD = "<IBBHII"
_BEFORE = 16  # where a header has the tag before its first record
_CRC_AT = 60  # in a header
_RECORD_CRC_AT = 44
_TAG_AT = 48
_BOOT_AT = 33
_CBC = 2
_ZEROS = bytes(TAG_SIZE)
_PADDING = bytes(_RECORD_CRC_AT - FIELDS_SIZE)
_NOT_NOW = (OSError, MemoryError)  # made once: the heap may be locked when it is needed


def is_good_record(record) -> bool:
    """Is there a record in these 64 bytes, zeros where they belong, and is its CRC right?"""
    return (
        bytes(record[FIELDS_SIZE:_RECORD_CRC_AT]) == _PADDING
        and struct.unpack_from("<I", record, _RECORD_CRC_AT)[0]
        == binascii.crc32(memoryview(record)[:_RECORD_CRC_AT])
        and struct.unpack_from("<I", record, 0)[0] != 0
    )


def segment_name(serial: int) -> str:
    """The file of the segment of this serial number."""
    return "%08x" % serial


def serial_of(name: str) -> int:
    """The serial number of the segment in this file; 0 when it holds none."""
    if len(name) != 8:
        return 0
    for digit in name:
        if digit not in "0123456789abcdef":
            return 0
    return int(name, 16)


class EventRing:
    """Records of one queue on flash."""

    def __init__(self, number: int, queue, store, folder: str, full_segments: int, segment_records: int):
        """`store`: the board's. At least `full_segments` segments of so many records are kept."""
        self.number = number
        self._segment_records = segment_records
        self.queue = queue
        self.folder = store.folder(folder)
        self._put_crc = store.put_crc
        self._files = full_segments + 2  # with the one in use and the one in advance
        self.counts = array.array("H", [0] * self._files)  # records by serial % files
        self.firsts = array.array("I", [0] * self._files)  # number of the first one
        self.oldest = 0  # serial of the oldest segment
        self.serial = 0  # of the one in use
        self.last = 0  # number of the last record
        self.boot = 0  # of that record
        self.unreadable = 0  # records at the end that `open` could not read
        self.changes = 0  # goes up when segments come and go
        self._in_use_size = 0  # bytes of the segment in use, when it was opened
        self._file = None
        self._next_file = None
        self._cipher = None
        self._stage = bytearray(TAG_SIZE + SLOT)  # zeros, then the record being sealed
        view = memoryview(self._stage)
        self._mac_input = view[: TAG_SIZE + _TAG_AT]
        self._crc_input = view[TAG_SIZE : TAG_SIZE + _RECORD_CRC_AT]
        self._record = view[TAG_SIZE:]
        self._sealed = bytearray(SLOT)  # ends with the last tag
        self._header = bytearray(SLOT)
        self._header_view = memoryview(self._header)[:_CRC_AT]

    # --- the steady path ---

    def write(self, limit: int) -> None:
        """Put the queue's entries with numbers below `limit` on flash, as many as go into one segment.
        OSError: as many as the flash says."""
        queue = self.queue
        done = 0
        while done < queue.count and queue.sequence(done) < limit:
            if self.counts[self.serial % self._files] >= self._segment_records:
                if done:
                    break  # one write at a time: the rest comes next
                self._change_over(queue.sequence(0))
            self._seal(queue.entries, queue.offset(done))
            self._write(self._record)
            self.counts[self.serial % self._files] += 1
            done += 1
        self._finish(done)

    def _finish(self, done: int) -> None:
        """What has been written is on flash when this returns."""
        if done:
            self._flush()
            self.last = self.queue.sequence(done - 1)
            self.queue.drop(done)

    def _write(self, view) -> None:
        try:
            self._file.write(view)
        except OSError:
            self.close()
            raise

    def _flush(self) -> None:
        try:
            self._file.flush()
        except OSError:
            self.close()
            raise

    def _seal(self, entries, at: int) -> None:
        """The record of an entry, with its CRC and the chain's next tag, into the stage."""
        stage = self._stage
        for index in range(FIELDS_SIZE):
            stage[TAG_SIZE + index] = entries[at + index]
        self._put_crc(self._crc_input, _RECORD_CRC_AT, stage, TAG_SIZE + _RECORD_CRC_AT)
        # The cipher goes on from the last tag, which the leading zeros leave as it is: this is the MAC of
        # tag and record under a zero IV.
        self._cipher.encrypt(self._mac_input, self._sealed)
        for index in range(TAG_SIZE):
            stage[TAG_SIZE + _TAG_AT + index] = self._sealed[_TAG_AT + index]

    def _change_over(self, first: int) -> None:
        """Go on in the next segment, whose first record will be of this number."""
        if self._next_file is None:
            self.prepare()
        if self._next_file is None:
            self.close()
            raise OSError(28)  # ENOSPC: there is nowhere to go on
        self._file.close()
        self._file = self._next_file
        self._next_file = None
        self.serial += 1
        self._begin_segment(first)

    def _begin_segment(self, first: int) -> None:
        header = self._header
        struct.pack_into(_HEAD, header, 0, _MAGIC, VERSION, self.number, 0, self.serial, first)
        for index in range(TAG_SIZE):
            header[_BEFORE + index] = self._sealed[_TAG_AT + index]
        self._put_crc(self._header_view, _CRC_AT, header, _CRC_AT)
        self._write(header)
        self.counts[self.serial % self._files] = 0
        self.firsts[self.serial % self._files] = first
        self.changes += 1

    # --- now and then ---

    def prepare(self) -> None:
        """Have the next segment open, at the cost of the oldest. Allocates, once in a segment:
        where there is no memory at present, the next call tries again."""
        if self._next_file is not None or self._file is None:
            return
        try:
            self._make_room(2)
            self._next_file = self.folder.append(segment_name(self.serial + 1))
        except _NOT_NOW:
            self._next_file = None

    def close(self) -> None:
        """No more writing until `open`."""
        file = self._file
        following = self._next_file
        self._file = None
        self._next_file = None
        try:
            if file is not None:
                file.close()
            if following is not None:
                following.close()
        except OSError:
            self.changes += 1  # what they held was never promised

    def is_open(self) -> bool:
        return self._file is not None

    def is_prepared(self) -> bool:
        """Is the next segment open, as `prepare` makes it?"""
        return self._next_file is not None

    def _make_room(self, ahead: int) -> None:
        """Remove the oldest segments until there may be `ahead - 1` more after the one in use. OSError."""
        while self.serial + ahead - self.oldest > self._files:
            self.folder.remove(segment_name(self.oldest))
            self.oldest += 1
            self.changes += 1

    def open(self, key) -> None:
        """Find the end of the ring from its files, and be ready to go on there. OSError."""
        self.close()
        self._look_at_files()
        if self._find_end(key):
            self._file = self.folder.append(segment_name(self.serial))
        else:
            self.serial += 1
            self.oldest = self.oldest or self.serial
            self._make_room(1)
            self._file = self.folder.append(segment_name(self.serial))
            self._begin_segment(self.last + 1)
        self.prepare()

    def _look_at_files(self) -> None:
        """Which segments there are, how many records each has, and with which number it begins."""
        sizes = self._sizes()
        serials = sorted(sizes)
        self.serial = serials[-1] if serials else 0
        self.oldest = max(serials[0], self.serial + 1 - self._files) if serials else 0
        self._in_use_size = sizes[self.serial] if serials else 0
        self.changes += 1
        for index in range(self._files):
            self.counts[index] = 0
            self.firsts[index] = 0
        for serial in serials:
            if serial < self.oldest:
                self.folder.remove(segment_name(serial))
            else:
                count = min(sizes[serial] // SLOT - 1, SEGMENT_RECORDS)
                self.counts[serial % self._files] = count
                self.firsts[serial % self._files] = self._first_of(serial)

    def _sizes(self):
        """Bytes by serial number of the segments with something in them; an empty one was made in advance."""
        sizes = {}
        for name, size in self.folder.sizes().items():
            serial = serial_of(name)
            if serial and size >= SLOT:
                sizes[serial] = size
            elif serial and size:
                self.folder.remove(name)
        return sizes

    def _first_of(self, serial: int) -> int:
        header = self.header_of(serial)
        if header is not None:
            return struct.unpack_from("<I", header, 12)[0]
        record = bytearray(SLOT)
        if self.read(serial, 0, record) and is_good_record(record):
            return struct.unpack_from("<I", record, 0)[0]
        return 0

    def header_of(self, serial: int):
        """A segment's header, or None when it is not there or not to be trusted."""
        header = bytearray(SLOT)
        if not self.read(serial, -1, header):
            return None
        magic, version, ring, _, found, _ = struct.unpack_from(_HEAD, header, 0)
        if magic != _MAGIC or version != VERSION or ring != self.number or found != serial:
            return None
        if struct.unpack_from("<I", header, _CRC_AT)[0] != binascii.crc32(memoryview(header)[:_CRC_AT]):
            return None
        return header

    def before(self) -> bytes:
        """The tag before the oldest record that is kept."""
        header = self.header_of(self.oldest)
        return bytes(header[_BEFORE : _BEFORE + TAG_SIZE]) if header is not None else _ZEROS

    def tag(self) -> bytes:
        """The tag of the last record on flash."""
        return bytes(self._sealed[_TAG_AT:])

    def read(self, serial: int, slot: int, record) -> bool:
        """One record (slot -1: the header) into 64 bytes; False when it cannot be had."""
        try:
            file = self.folder.read(segment_name(serial))
            try:
                file.seek((slot + 1) * SLOT)
                return file.readinto(record) == SLOT
            finally:
                file.close()
        except OSError:
            return False

    def _find_end(self, key) -> bool:
        """The last record that can be read: its number, boot and tag. Is the segment in use fit to go on?"""
        self.unreadable = 0
        self.last = 0
        self.boot = 0
        tag = _ZEROS
        record = bytearray(SLOT)
        found = False
        for serial in range(self.serial, self.oldest - 1, -1):
            slot = self.counts[serial % self._files] - 1
            while slot >= 0 and not found:
                found = self.read(serial, slot, record) and is_good_record(record)
                self.unreadable += 0 if found else 1
                slot -= 1
            if found:
                self.last = struct.unpack_from("<I", record, 0)[0]
                self.boot = struct.unpack_from("<H", record, _BOOT_AT)[0]
                tag = bytes(record[_TAG_AT:])
                break
        self._sealed[_TAG_AT:] = tag
        self._cipher = aes(key, _CBC, tag)
        return (
            self._in_use_size == (self.counts[self.serial % self._files] + 1) * SLOT
            and not self.unreadable
            and self.header_of(self.serial) is not None
        )

    def records(self) -> int:
        """How many are kept."""
        return sum(self.counts[serial % self._files] for serial in range(self.oldest, self.serial + 1))

    def count_of(self, serial: int) -> int:
        return self.counts[serial % self._files] if self.oldest <= serial <= self.serial else 0

    def first_of(self, serial: int) -> int:
        return self.firsts[serial % self._files]
