"""What an attacker has: the line, what passed on it, and a computer. No key."""

import binascii
import secrets
from dataclasses import dataclass

from thecal.link.transport import Transport
from thecal_protocol import framing, messages
from thecal_protocol.codec import encode, name_of, table_hash

TABLE_HASH = table_hash(messages.SCHEMA)
SILENCE_S = 0.1


@dataclass(frozen=True)
class Answer:
    """A frame from the pump."""

    secured: bool
    result: str  # of a plain one


class Tap(Transport):
    """A line of which everything is recorded, both ways."""

    def __init__(self, port: str) -> None:
        self.sent: list[bytes] = []
        self.heard = b""
        super().__init__(port)

    def send(self, data: bytes) -> None:
        self.sent.append(data)
        super().send(data)

    def _read(self, timeout_s: float) -> bytes:
        data = super()._read(timeout_s)
        self.heard += data
        return data


def plain(opcode: int, values: dict[str, object] | None = None, *, session: int = 0, seq: int = 1) -> bytes:
    """A frame without a tag."""
    buffer = bytearray(framing.FRAME_SIZE)
    end = framing.REQUEST_AT
    if values is not None:
        end = encode(messages.request_fields(opcode), values, buffer, end, framing.REQUEST_END)
    return bytes(buffer[: framing.seal_request(buffer, end, session, seq, opcode)])


def hello(protocol: int = messages.PROTOCOL_VERSION, hash_: bytes = TABLE_HASH) -> bytes:
    """Anybody may say hello."""
    nonce = secrets.randbits(32)
    values: dict[str, object] = {"protocol": protocol, "table_hash": hash_, "nonce": nonce}
    return plain(messages.HELLO, values, seq=nonce & 0xFFFF)


def body_of(frame: bytes) -> bytes:
    """What a frame says, without COBS and CRC."""
    buffer = bytearray(frame.strip(b"\0"))
    assert framing.unstuff(buffer, len(buffer))
    return bytes(buffer[1:-4])


def mended(body: bytes) -> bytes:
    """A frame of any body, with the CRC that fits it."""
    buffer = bytearray(framing.FRAME_SIZE + 8)
    whole = body + binascii.crc32(body).to_bytes(4, "little")
    end = 1 + len(whole)
    buffer[1:end] = whole
    framing.stuff(buffer, end)
    return bytes(buffer[:end]) + b"\0"


def ask(line: Transport, frame: bytes, timeout_s: float = 5.0) -> Answer | None:
    """Send a frame; what comes back, if anything does."""
    line.send(b"\0" + frame)
    if not line.receive(timeout_s):
        return None
    reader = line.reader
    secured = bool(reader.flags & framing.FLAG_SECURED)
    return Answer(secured, "" if secured else name_of(messages.REFUSALS, reader.result))
