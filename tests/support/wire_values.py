"""Values for the wire's tables, and a second implementation of payloads and frames, for tests only."""

import binascii
import random
import struct
from typing import Any, NamedTuple

from cobs import cobs
from hypothesis import strategies as st

from thecal_protocol.messages import MESSAGES, PROPOSALS, REFUSED

Fields = tuple[tuple[str, Any], ...]

RANGES = {
    "u8": (0, 2**8 - 1),
    "u16": (0, 2**16 - 1),
    "u32": (0, 2**32 - 1),
    "u64": (0, 2**64 - 1),
    "i64": (-(2**63), 2**63 - 1),
}

# every table of fields of the protocol, by a name of its own
TABLES: dict[str, Fields] = {f"{name} request": request for _, name, *_, request, _ in MESSAGES}
TABLES |= {f"{name} answer": answer for _, name, *_, answer in MESSAGES}
TABLES |= {f"{name} proposal": fields for _, name, fields in PROPOSALS}
TABLES["refused"] = REFUSED
# and one that has every kind, and groups in groups
TABLES["all kinds"] = (
    ("a", "u8"),
    ("b", "u16"),
    ("c", "u32"),
    ("d", "u64"),
    ("e", "i64"),
    ("f", "bytes"),
    ("g", "str"),
    ("h", (("i", "str"), ("j", (("k", "u8"), ("l", (("m", "i64"),)))))),
)

texts = st.text(max_size=60).filter(lambda text: len(text.encode()) <= 255)


def values_of(fields: Fields) -> st.SearchStrategy[dict[str, Any]]:
    """Everything that fits a table."""
    return st.fixed_dictionaries({name: _value_of(kind) for name, kind in fields})


def _value_of(kind: Any) -> st.SearchStrategy[Any]:
    if not isinstance(kind, str):
        return st.lists(values_of(kind), max_size=4)
    if kind == "bytes":
        return st.binary(max_size=255)
    if kind == "str":
        return texts
    low, high = RANGES[kind]
    return st.one_of(st.integers(low, high), st.sampled_from([low, high, 0, 1]))


def random_values(fields: Fields, rng: random.Random) -> dict[str, Any]:
    """One that fits a table, by a seeded generator (for runs on other interpreters)."""
    return {name: _random_value(kind, rng) for name, kind in fields}


def _random_value(kind: Any, rng: random.Random) -> Any:
    if not isinstance(kind, str):
        return [random_values(kind, rng) for _ in range(rng.choice((0, 1, 1, 2, 5)))]
    if kind == "bytes":
        return rng.randbytes(rng.choice((0, 1, 16, 255)))
    if kind == "str":
        return "".join(
            rng.choice("aZ 0é€😀\x00\x7f\u07ff\u0800\uffff\U0010ffff") for _ in range(rng.randrange(50))
        )
    low, high = RANGES[kind]
    return rng.choice((low, high, 0, 1, rng.randint(low, high), rng.randint(low, high) >> rng.randrange(64)))


def plainly_encoded(fields: Fields, values: dict[str, Any]) -> bytes:
    """The encoding, as docs/reference/protocol.md says it and nothing shared with `thecal_protocol.codec`."""
    out = b""
    for name, kind in fields:
        value = values[name]
        if kind == "bytes":
            out += bytes((len(value),)) + value
        elif kind == "str":
            out += bytes((len(value.encode()),)) + value.encode()
        elif isinstance(kind, str):
            out += value.to_bytes(int(kind[1:]) // 8, "little", signed=kind[0] == "i")
        else:
            out += len(value).to_bytes(2, "little") + b"".join(plainly_encoded(kind, v) for v in value)
    return out


class Frame(NamedTuple):
    flags: int
    session: int
    seq: int
    opcode: int
    result: int
    payload: bytes


def plain_frame(frame: Frame) -> bytes:
    """A frame, by the words of docs/reference/protocol.md and nothing of thecal_protocol.framing."""
    body = struct.pack("<BHH", frame.flags, frame.session, frame.seq)
    if not frame.flags & 2:
        body += bytes((frame.opcode,))
    if frame.flags & 3 == 1:
        body += bytes((frame.result,))
    body += frame.payload
    body += binascii.crc32(body).to_bytes(4, "little")
    return cobs.encode(body) + b"\0"
