"""Frames of the serial link: COBS, CRC-32 and the header.

    frame   = COBS(body) 0x00                                   at most 256 bytes
    body    = flags u8 | session u16 | seq u16 | opcode u8 | [result u8 in answers] | payload | crc32 u32
    secured = flags u8 | session u16 | seq u16 | sealed(opcode or result u8 | payload) | tag, 8 bytes | crc32
    flags   = 0x10 (frame format 1) | 0x01 answer | 0x02 secured

All integers are little endian; the CRC (IEEE, as in binascii.crc32) covers everything before it. A body is
at most 254 bytes, so COBS always adds exactly one byte and every body has exactly one encoding. Both ways
work in place: the body stands at `buffer[1:]`, `buffer[0]` is COBS's first code byte, and its other code
bytes stand where the zeros of the body were.

Sending: encode the payload at `buffer[REQUEST_AT:]` or `buffer[ANSWER_AT:]` of a `bytearray(FRAME_SIZE)`,
never past `REQUEST_END` / `ANSWER_END`, then `seal_request` / `seal_answer`; send `buffer[:n]`. A secured
frame, request or answer: the payload at `buffer[REQUEST_AT:]`, then `seal_secured`.

Receiving: `FrameReader`. It never grows, and is in step again at the first 0x00 after garbage.

Allocation: `feed` allocates nothing for bytes that complete no frame; a completed frame costs one memoryview
slice and, where integers have 31 bits, one long integer if its CRC is wrong. Sealing costs one slice and one
long integer. Time is linear in the bytes; no call blocks.
"""

import binascii
import struct

MAX_BODY = 254
MAX_PAYLOAD = 235  # 254 - 6 header - 1 result - 8 tag  - 4 CRC
FRAME_SIZE = 256  # COBS code byte + body + delimiter

FORMAT_1 = 0x10
FLAG_ANSWER = 0x01
FLAG_SECURED = 0x02
_KNOWN_FLAGS = FLAG_ANSWER | FLAG_SECURED

REQUEST_AT = 7  # code byte + 6 header bytes
ANSWER_AT = 8
REQUEST_END = REQUEST_AT + MAX_PAYLOAD
ANSWER_END = ANSWER_AT + MAX_PAYLOAD

_CRC_SIZE = 4
_MAX_ENCODED = 255
_MIN_REQUEST = REQUEST_AT + _CRC_SIZE
_MIN_ANSWER = ANSWER_AT + _CRC_SIZE
TEXT_AT = 6  # of a secured frame: where what is sealed begins
_MIN_SECURED = TEXT_AT + _CRC_SIZE  # with nothing sealed: whoever opens it finds that the tag is cut short
_CRC_RESIDUE = 0x2144DF1C  # crc32 of anything followed by its own crc32 (little endian); fits 30 bits
_COUNTER_MASK = 0x3FFFFFFF


def stuff(buffer: bytearray, end: int) -> None:
    """COBS encode in place: the body `buffer[1:end]`, <= 254 bytes, becomes `buffer[0:end]`, no zeros."""
    code_at = 0
    for at in range(1, end):
        if buffer[at] == 0:
            buffer[code_at] = at - code_at
            code_at = at
    buffer[code_at] = end - code_at


def unstuff(buffer: bytearray, end: int) -> bool:
    """COBS decode in place: `buffer[0:end]` (1..255 bytes, none zero) becomes the body `buffer[1:end]`.

    False when it is no COBS encoding; the buffer's contents are then undefined.
    """
    at = 0
    while True:
        following = at + buffer[at]
        if following == at or following > end:
            return False
        buffer[at] = 0
        if following == end:
            return True
        at = following


def seal_request(buffer: bytearray, end: int, session: int, seq: int, opcode: int) -> int:
    """Finish the request whose payload stands at `buffer[REQUEST_AT:end]`; returns n: send `buffer[:n]`."""
    struct.pack_into("<BHHB", buffer, 1, FORMAT_1, session, seq, opcode)
    return _close(buffer, end)


def seal_answer(buffer: bytearray, end: int, session: int, seq: int, opcode: int, result: int) -> int:
    """Finish the answer whose payload stands at `buffer[ANSWER_AT:end]`; returns n: send `buffer[:n]`."""
    struct.pack_into("<BHHBB", buffer, 1, FORMAT_1 | FLAG_ANSWER, session, seq, opcode, result)
    return _close(buffer, end)


def seal_secured(
    buffer: bytearray, end: int, flags: int, session: int, seq: int, code: int, cipher: "object"
) -> int:
    """Finish the secured frame whose payload stands at `buffer[REQUEST_AT:end]`; returns n: send
    `buffer[:n]`.

    `flags`: 0 or FLAG_ANSWER; `code`: the opcode, or in an answer the result; `cipher`: of this
    direction, `thecal_protocol.secure.Ccm` or what the host has in its place.
    """
    struct.pack_into("<BHHB", buffer, 1, FORMAT_1 | FLAG_SECURED | flags, session, seq, code)
    return _close(buffer, cipher.seal(buffer, end))  # pyright: ignore


def _close(buffer: bytearray, end: int) -> int:
    struct.pack_into("<I", buffer, end, binascii.crc32(memoryview(buffer)[1:end]))
    end += _CRC_SIZE
    stuff(buffer, end)
    buffer[end] = 0
    return end + 1


class FrameReader:
    """Finds checked frames in a stream of bytes.

        at = 0
        while at < count:
            at = reader.feed(chunk, at, count)
            if reader.ready:
                ...  # flags, session, seq, opcode, result; payload: buffer[payload_at:payload_end]

    The attributes hold until the next `feed`. Frames that are too long or too short, are no COBS, have a
    wrong CRC, another frame format or unknown flags are dropped and counted in `bad`; empty ones (0x00 0x00)
    are free: a sender may put 0x00 first to part its frame from whatever noise came before. `good` and `bad`
    wrap at 2^30. Whether an answer or a request is due is the caller's to judge. Of a secured frame, opcode
    and result are 0 and the payload is `buffer[TEXT_AT:payload_end]`, sealed, with its tag, for the caller to
    open.
    """

    def __init__(self) -> None:
        self.buffer = bytearray(FRAME_SIZE)
        self._view = memoryview(self.buffer)
        self._fill = 0  # encoded bytes gathered; _MAX_ENCODED + 1: too long, skipping to the next delimiter
        self.good = 0
        self.bad = 0
        self.ready = False
        self.flags = 0
        self.session = 0
        self.seq = 0
        self.opcode = 0
        self.result = 0  # of answers; 0 in requests
        self.payload_at = 0
        self.payload_end = 0

    def reset(self) -> None:
        """Forget a frame begun (the line was reopened)."""
        self._fill = 0
        self.ready = False

    def feed(self, chunk: "bytearray | bytes | memoryview", at: int, end: int) -> int:
        """Take `chunk[at:end]` up to the end of its first good frame; returns how far it got (see class)."""
        self.ready = False
        buffer = self.buffer
        fill = self._fill
        while at < end:
            byte = chunk[at]
            at += 1
            if byte:
                if fill <= _MAX_ENCODED:
                    buffer[fill] = byte
                    fill += 1
            else:
                size = fill
                fill = 0
                if size and self._accept(size):
                    self.ready = True
                    break
        self._fill = fill
        return at

    def _accept(self, size: int) -> bool:
        if self._open(size):
            self.good = (self.good + 1) & _COUNTER_MASK
            return True
        self.bad = (self.bad + 1) & _COUNTER_MASK
        return False

    def _open(self, size: int) -> bool:
        buffer = self.buffer
        if size > _MAX_ENCODED or size < _MIN_SECURED or not unstuff(buffer, size):
            return False
        if binascii.crc32(self._view[1:size]) != _CRC_RESIDUE:
            return False
        flags = buffer[1]
        if flags & ~_KNOWN_FLAGS != FORMAT_1:
            return False
        self.flags = flags
        self.session = buffer[2] | buffer[3] << 8
        self.seq = buffer[4] | buffer[5] << 8
        self.opcode = self.result = 0
        self.payload_end = size - _CRC_SIZE
        self.payload_at = TEXT_AT
        if flags & FLAG_SECURED:
            return True
        if size < _MIN_REQUEST:
            return False
        self.opcode = buffer[6]
        self.payload_at = REQUEST_AT
        if flags & FLAG_ANSWER:
            if size < _MIN_ANSWER:
                return False
            self.result = buffer[7]
            self.payload_at = ANSWER_AT
        return True
