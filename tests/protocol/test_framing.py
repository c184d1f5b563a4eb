"""Frames against a second implementation: the `cobs` package, binascii and struct."""

import binascii
import struct

import pytest
from cobs import cobs
from hypothesis import example, given
from hypothesis import strategies as st

from support.wire_values import Frame, plain_frame
from thecal_protocol import framing
from thecal_protocol.framing import FrameReader

# bodies with many zeros, with none, and of the lengths where COBS turns
bodies = st.one_of(
    st.binary(max_size=254),
    st.lists(st.sampled_from([0, 0, 1, 255]), max_size=254).map(bytes),
    st.integers(250, 254).map(lambda n: b"\x01" * n),
    st.integers(250, 254).map(lambda n: b"\x01" * (n - 1) + b"\0"),
    st.integers(250, 254).map(lambda n: b"\0" + b"\x01" * (n - 1)),
)


def plain_reading(stream: bytes) -> tuple[list[Frame], int]:
    """The good frames of a whole stream, and how many bad ones; the last piece has no delimiter."""
    good: list[Frame] = []
    bad = 0
    for piece in stream.split(b"\0")[:-1]:
        if piece:
            frame = _plain_unpacked(piece)
            if frame:
                good.append(frame)
            else:
                bad += 1
    return good, bad


def _plain_unpacked(piece: bytes) -> Frame | None:
    if len(piece) > 255:
        return None
    try:
        body = cobs.decode(piece)
    except cobs.DecodeError:
        return None
    if len(body) < 9 or binascii.crc32(body[:-4]) != int.from_bytes(body[-4:], "little"):
        return None
    flags, session, seq = struct.unpack_from("<BHH", body)
    if flags in (0x12, 0x13):
        return Frame(flags, session, seq, 0, 0, body[5:-4])
    if flags not in (0x10, 0x11) or len(body) < 10 + (flags & 1):
        return None
    opcode = body[5]
    if flags & 1:
        return Frame(flags, session, seq, opcode, body[6], body[7:-4])
    return Frame(flags, session, seq, opcode, 0, body[6:-4])


def read(stream: bytes, sizes: list[int]) -> tuple[list[Frame], FrameReader]:
    """What FrameReader finds in `stream`, cut into pieces of `sizes` (then of 64)."""
    reader = FrameReader()
    frames: list[Frame] = []
    start = 0
    pieces = iter(sizes)
    while start < len(stream):
        chunk = stream[start : start + next(pieces, 64)]
        start += len(chunk)
        at = 0
        while at < len(chunk):
            at = reader.feed(chunk, at, len(chunk))
            if reader.ready:
                payload = bytes(reader.buffer[reader.payload_at : reader.payload_end])
                frames.append(
                    Frame(reader.flags, reader.session, reader.seq, reader.opcode, reader.result, payload)
                )
    return frames, reader


u16 = st.integers(0, 0xFFFF)
u8 = st.integers(0, 0xFF)
payloads = st.binary(max_size=framing.MAX_PAYLOAD)
frames = st.one_of(
    st.builds(Frame, st.just(0x10), u16, u16, u8, st.just(0), payloads),
    st.builds(Frame, st.just(0x11), u16, u16, u8, u8, payloads),
    st.builds(Frame, st.sampled_from([0x12, 0x13]), u16, u16, st.just(0), st.just(0), payloads),
)
pieces = st.one_of(
    frames.map(plain_frame),
    st.binary(max_size=40),
    st.binary(max_size=40).map(lambda noise: noise + b"\0"),
    st.integers(240, 600).map(lambda n: b"\xff" * n + b"\0"),
    st.builds(Frame, u8, u16, u16, u8, u8, st.binary(max_size=8)).map(plain_frame),
    st.builds(
        lambda f, at, bit: _flipped(plain_frame(f), at, bit), frames, st.integers(0, 255), st.integers(0, 7)
    ),
    st.builds(lambda f, at: plain_frame(f)[:at], frames, st.integers(0, 255)),
)
streams = st.lists(pieces, max_size=8).map(b"".join)
sizes = st.lists(st.integers(1, 300), max_size=20)


def _flipped(frame: bytes, at: int, bit: int) -> bytes:
    at %= len(frame)
    return frame[:at] + bytes((frame[at] ^ (1 << bit),)) + frame[at + 1 :]


@given(bodies)
@example(b"")
@example(b"\x01" * 254)
@example(b"\0" * 254)
def test_stuffing_is_that_of_the_cobs_package(body: bytes):
    buffer = bytearray(b"?" + body)
    framing.stuff(buffer, len(buffer))
    assert buffer == cobs.encode(body)
    assert len(buffer) == len(body) + 1
    assert framing.unstuff(buffer, len(buffer))
    assert buffer[1:] == body


@given(
    st.one_of(st.binary(min_size=1, max_size=255), bodies.map(cobs.encode)).map(
        lambda b: b.replace(b"\0", b"\1")
    )
)
def test_unstuffing_takes_what_the_cobs_package_takes(encoded: bytes):
    buffer = bytearray(encoded)
    try:
        expected = cobs.decode(encoded)
    except cobs.DecodeError:
        assert not framing.unstuff(buffer, len(buffer))
    else:
        assert framing.unstuff(buffer, len(buffer))
        assert buffer[1:] == expected
        assert cobs.encode(expected) == encoded  # one encoding per body


def test_a_zero_code_byte_ends_unstuffing():
    assert not framing.unstuff(bytearray(b"\x02a\0b"), 4)


@given(u16, u16, u8, payloads)
def test_requests_are_laid_out_as_documented(session: int, seq: int, opcode: int, payload: bytes):
    buffer = bytearray(framing.FRAME_SIZE)
    end = framing.REQUEST_AT + len(payload)
    buffer[framing.REQUEST_AT : end] = payload
    count = framing.seal_request(buffer, end, session, seq, opcode)
    assert bytes(buffer[:count]) == plain_frame(Frame(0x10, session, seq, opcode, 0, payload))


@given(u16, u16, u8, u8, payloads)
def test_answers_are_laid_out_as_documented(session: int, seq: int, opcode: int, result: int, payload: bytes):
    buffer = bytearray(framing.FRAME_SIZE)
    end = framing.ANSWER_AT + len(payload)
    buffer[framing.ANSWER_AT : end] = payload
    count = framing.seal_answer(buffer, end, session, seq, opcode, result)
    assert bytes(buffer[:count]) == plain_frame(Frame(0x11, session, seq, opcode, result, payload))


def test_sizes_fit_with_room_for_the_tag():
    assert framing.MAX_BODY == 6 + 1 + framing.MAX_PAYLOAD + 8 + 4
    assert framing.FRAME_SIZE == 1 + framing.MAX_BODY + 1


@given(streams, sizes)
def test_the_reader_finds_what_a_plain_reader_finds(stream: bytes, sizes: list[int]):
    good, bad = plain_reading(stream)
    found, reader = read(stream, sizes)
    assert found == good
    assert (reader.good, reader.bad) == (len(good), bad)
    assert len(reader.buffer) == framing.FRAME_SIZE


@pytest.mark.req("SEC-08", part="framing")
@given(streams, sizes, frames)
def test_after_a_delimiter_the_reader_is_in_step_again(stream: bytes, sizes: list[int], frame: Frame):
    found, _ = read(stream + b"\0" + plain_frame(frame), sizes)
    assert found[-1] == frame


def test_no_flipped_bit_and_no_cut_passes():
    frame = plain_frame(Frame(0x11, 0x1234, 7, 0x22, 0, bytes(range(40))))
    for at in range(len(frame) - 1):
        for bit in range(8):
            found, _ = read(_flipped(frame, at, bit), [])
            assert found == []
        assert read(frame[:at] + b"\0", [])[0] == []


def test_a_frame_one_byte_too_long_is_bad_and_the_next_one_good():
    body = struct.pack("<BHHB", 0x10, 1, 1, 2) + bytes(245)
    body += binascii.crc32(body).to_bytes(4, "little")
    assert len(body) == 255
    good = Frame(0x10, 1, 2, 2, 0, b"")
    found, reader = read(cobs.encode(body) + b"\0" + plain_frame(good), [])
    assert found == [good]
    assert (reader.good, reader.bad) == (1, 1)


def test_a_good_frame_with_more_before_its_delimiter_is_bad():
    body = struct.pack("<BHHB", 0x10, 0x101, 0x101, 2) + b"\x01" * 244
    body += binascii.crc32(body).to_bytes(4, "little")
    frame = cobs.encode(body)
    assert len(frame) == 255
    assert len(read(frame + b"\0", [])[0]) == 1
    for more in (b"\x01", b"\x01\x01", b"\x01" * 600):
        found, reader = read(frame + more + b"\0", [])
        assert (found, reader.bad) == ([], 1)


@pytest.mark.parametrize("flags", [0x10, 0x11])
def test_a_body_too_short_for_its_header_is_bad_whatever_its_crc(flags: int):
    for length in range(6 + (flags & 1)):
        body = struct.pack("<BHHBB", flags, 1, 2, 3, 0)[:length]
        body += binascii.crc32(body).to_bytes(4, "little")
        found, reader = read(cobs.encode(body) + b"\0", [])
        assert (found, reader.bad) == ([], 1)


def test_reset_forgets_a_frame_begun():
    frame = plain_frame(Frame(0x10, 1, 1, 2, 0, b"abc"))
    reader = FrameReader()
    reader.feed(frame, 0, 5)
    reader.reset()
    assert reader.feed(frame, 0, len(frame)) == len(frame)
    assert reader.ready
    assert reader.bad == 0


def test_counters_stay_small_integers():
    reader = FrameReader()
    reader.good = reader.bad = 0x3FFFFFFF
    frame = plain_frame(Frame(0x10, 1, 1, 2, 0, b""))
    reader.feed(frame, 0, len(frame))
    reader.feed(b"\x01\0", 0, 2)
    assert (reader.good, reader.bad) == (0, 0)
