"""Payloads and blobs by table: dicts <-> bytes, strictly. Also the table hash and lookups by number and name.

A table of fields is a tuple of `(name, kind)`; kinds:

    u8 u16 u32 u64 i64   little endian integers
    bytes                u8 length, then the bytes
    str                  u8 length in bytes, then UTF-8 (checked as strictly on MicroPython as on CPython)
    (fields...)          a repeated group: u16 count, then the entries; a list of dicts

There is exactly one encoding of each value and `decode` takes no other: bytes left over, bytes missing and
bad UTF-8 are errors, and so is every value that does not fit its kind, a missing name or one that the table
has not. Every failure is a `WireError` with one of the numbers of WIRE_ERRORS, which never change meaning.

Allocation: `encode` allocates little (long integers, the bytes of strings), `decode` one dict per entry.
Neither belongs in the dose path. Memory is bounded by the input: a count that promises more than there is
fails at the first missing entry.
"""

import binascii
import hashlib
import struct

TRUNCATED = 1
TRAILING = 2
BAD_UTF8 = 3
OUT_OF_RANGE = 4
WRONG_TYPE = 5
MISSING_FIELD = 6
UNKNOWN_FIELD = 7
NO_ROOM = 8
UNKNOWN_NUMBER = 9
UNKNOWN_NAME = 10

WIRE_ERRORS = (
    (TRUNCATED, "truncated"),
    (TRAILING, "trailing bytes"),
    (BAD_UTF8, "bad utf-8"),
    (OUT_OF_RANGE, "out of range"),
    (WRONG_TYPE, "wrong type"),
    (MISSING_FIELD, "missing field"),
    (UNKNOWN_FIELD, "unknown field"),
    (NO_ROOM, "no room"),
    (UNKNOWN_NUMBER, "unknown number"),
    (UNKNOWN_NAME, "unknown name"),
)

# kind: (struct format, size, lowest, highest)
INTEGER_KINDS = {
    "u8": ("<B", 1, 0, 0xFF),
    "u16": ("<H", 2, 0, 0xFFFF),
    "u32": ("<I", 4, 0, 0xFFFFFFFF),
    "u64": ("<Q", 8, 0, 0xFFFFFFFFFFFFFFFF),
    "i64": ("<q", 8, -0x8000000000000000, 0x7FFFFFFFFFFFFFFF),
}
_MAX_LENGTH = 255  # of bytes and str
_pack_into = struct.pack_into  # a word less in a frame than by its module


class WireError(Exception):
    """What cannot be encoded or decoded. `number`: of WIRE_ERRORS; `where`: the field or name at fault."""

    def __init__(self, number: int, where: str) -> None:
        super().__init__(number, where)
        self.number = number
        self.where = where

    def __str__(self) -> str:
        return name_of(WIRE_ERRORS, self.number) + ": " + self.where


def encode(
    fields: "tuple[tuple[str, object], ...]",
    values: "dict[str, object]",
    buffer: bytearray,
    at: int,
    end: int,
) -> int:
    """Write `values` by the table `fields` at `buffer[at:]`, never past `end`; returns where it stopped."""
    if not isinstance(values, dict) or len(values) != len(fields):  # pyright: ignore
        _check_names(fields, values)
    integers = INTEGER_KINDS
    for name, kind in fields:
        if name not in values:
            _check_names(fields, values)
        value = values[name]
        if not isinstance(kind, str):
            at = _put_group(name, kind, value, buffer, at, end)
        elif kind in integers:
            row = integers[kind]
            _check_whole(name, row, value, end - at)
            _pack_into(row[0], buffer, at, value)
            at += row[1]
        else:
            at = _put_content(name, _content(name, kind, value), buffer, at, end)
    return at


def decode(
    fields: "tuple[tuple[str, object], ...]", buffer: "bytearray | bytes | memoryview", at: int, end: int
) -> "dict[str, object]":
    """The values that `buffer[at:end]` holds by the table `fields`; it must hold them and nothing else."""
    values, at = _take_fields(fields, memoryview(buffer), at, end)
    if at != end:
        raise WireError(TRAILING, "end")
    return values


def encoded(fields: "tuple[tuple[str, object], ...]", values: "dict[str, object]") -> bytearray:
    """`values` by the table `fields`, in a new buffer of exactly their size."""
    buffer = bytearray(size(fields, values))
    encode(fields, values, buffer, 0, len(buffer))
    return buffer


def size(fields: "tuple[tuple[str, object], ...]", values: "dict[str, object]") -> int:
    """How many bytes `encode` will write."""
    _check_names(fields, values)
    total = 0
    for name, kind in fields:
        value = values[name]
        if not isinstance(kind, str):
            total += 2
            group = _group(kind)
            for entry in _entries(name, value):
                total += size(group, entry)
        elif kind in INTEGER_KINDS:
            total += INTEGER_KINDS[kind][1]
        else:
            total += 1 + len(_content(name, kind, value))
    return total


def table_hash(schema: object) -> bytes:
    """First 8 bytes of SHA-256 over the canonical text of `schema`, nested tuples of integers and strings.

    Canonical text: integers in decimal, strings in double quotes (they hold none), tuples in parentheses with
    a comma after every element, no spaces. Both ends compute the same; see docs/reference/protocol.md.
    """
    sha = hashlib.sha256()
    _hash_text(sha, schema)
    return sha.digest()[:8]


def row_of(table: "tuple[tuple[object, ...], ...]", number: int) -> "tuple[object, ...]":
    """The row of `table` whose first element is `number`: a message by opcode, a proposal by kind."""
    for row in table:
        if row[0] == number:
            return row
    raise WireError(UNKNOWN_NUMBER, str(number))


def name_of(table: "tuple[tuple[object, ...], ...]", number: int) -> str:
    """The name beside `number` in a table of (number, name, ...)."""
    return str(row_of(table, number)[1])


def number_of(table: "tuple[tuple[object, ...], ...]", name: str) -> int:
    """The number beside `name` in a table of (number, name, ...)."""
    for row in table:
        number = row[0]
        if row[1] == name and isinstance(number, int):
            return number
    raise WireError(UNKNOWN_NAME, name)


def version_text(protocol: int, schema_hash: bytes) -> str:
    """How both ends write their version: the `detail` of protocol_mismatch, the host's message of it."""
    return f"protocol {protocol}, table {binascii.hexlify(schema_hash).decode()}"


def _hash_text(sha: "hashlib._Hash", item: object) -> None:  # pyright: ignore[reportPrivateUsage]
    """Add the canonical text of `item` to a hash, in pieces: the whole of it would be one big allocation."""
    if isinstance(item, str):
        sha.update(('"' + item + '"').encode())
    elif isinstance(item, int):
        sha.update(str(item).encode())
    else:
        sha.update(b"(")
        for element in _group(item):
            _hash_text(sha, element)
            sha.update(b",")
        sha.update(b")")


def _check_names(fields: "tuple[tuple[str, object], ...]", values: "dict[str, object]") -> None:
    if not isinstance(values, dict):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise WireError(WRONG_TYPE, fields[0][0])
    for name, _ in fields:
        if name not in values:
            raise WireError(MISSING_FIELD, name)
    if len(values) != len(fields):
        known = [name for name, _ in fields]
        for name in values:
            if name not in known:
                raise WireError(UNKNOWN_FIELD, str(name))


def _group(kind: object) -> "tuple[tuple[str, object], ...]":
    return kind  # pyright: ignore[reportReturnType] -- a kind that is no name is a table of fields


def _entries(name: str, value: object) -> "list[dict[str, object]]":
    if isinstance(value, list):
        return value  # pyright: ignore[reportUnknownVariableType] -- encode checks every entry
    raise WireError(WRONG_TYPE, name)


def _content(name: str, kind: str, value: object) -> "bytes | bytearray":
    """The bytes of a `bytes` or `str` value, checked."""
    if kind == "str" and isinstance(value, str):
        try:
            value = value.encode()
        except UnicodeError:  # a lone surrogate: CPython only
            raise WireError(BAD_UTF8, name)
        if not _is_utf8(value, 0, len(value)):
            raise WireError(BAD_UTF8, name)
    elif kind != "bytes" or not isinstance(value, (bytes, bytearray)):
        raise WireError(WRONG_TYPE, name)
    if len(value) > _MAX_LENGTH:
        raise WireError(OUT_OF_RANGE, name)
    return value


def _check_whole(name: str, kind: "tuple[str, int, int, int]", value: object, room: int) -> None:
    """Is it one of a kind of INTEGER_KINDS, and is there room for it? Four arguments and a small frame, which
    MicroPython keeps on its stack: it runs for every field."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise WireError(WRONG_TYPE, name)
    if value < kind[2] or value > kind[3]:
        raise WireError(OUT_OF_RANGE, name)
    if kind[1] > room:
        raise WireError(NO_ROOM, name)


def _put_content(name: str, content: "bytes | bytearray", buffer: bytearray, at: int, end: int) -> int:
    stop = at + 1 + len(content)
    if stop > end:
        raise WireError(NO_ROOM, name)
    buffer[at] = stop - at - 1
    buffer[at + 1 : stop] = content
    return stop


def _put_group(name: str, kind: object, value: object, buffer: bytearray, at: int, end: int) -> int:
    entries = _entries(name, value)
    _check_whole(name, INTEGER_KINDS["u16"], len(entries), end - at)
    _pack_into("<H", buffer, at, len(entries))
    at += 2
    for entry in entries:
        at = encode(_group(kind), entry, buffer, at, end)
    return at


def _take_fields(
    fields: "tuple[tuple[str, object], ...]", view: memoryview, at: int, end: int
) -> "tuple[dict[str, object], int]":
    values: dict[str, object] = {}
    for name, kind in fields:
        if isinstance(kind, str):
            values[name] = _take(name, kind, view, at, end)
            at += INTEGER_KINDS[kind][1] if kind in INTEGER_KINDS else 1 + view[at]
            continue
        group = _group(kind)
        if at + 2 > end:
            raise WireError(TRUNCATED, name)
        count = view[at] | view[at + 1] << 8
        at += 2
        entries: list[dict[str, object]] = []
        for _ in range(count):
            entry, at = _take_fields(group, view, at, end)
            entries.append(entry)
        values[name] = entries
    return values, at


def _take(name: str, kind: str, view: memoryview, at: int, end: int) -> object:
    if kind in INTEGER_KINDS:
        if at + INTEGER_KINDS[kind][1] > end:
            raise WireError(TRUNCATED, name)
        return struct.unpack_from(INTEGER_KINDS[kind][0], view, at)[0]
    if at >= end or at + 1 + view[at] > end:
        raise WireError(TRUNCATED, name)
    stop = at + 1 + view[at]
    if kind == "bytes":
        return bytes(view[at + 1 : stop])
    if not _is_utf8(view, at + 1, stop):
        raise WireError(BAD_UTF8, name)
    return str(view[at + 1 : stop], "utf-8")


def _is_utf8(data: "bytes | memoryview", at: int, end: int) -> bool:
    """Whether `data[at:end]` is UTF-8 without overlong forms, surrogates and numbers past U+10FFFF.

    MicroPython's own check lets all three pass.
    """
    while at < end:
        lead = data[at]
        at += 1
        if lead < 0x80:
            continue
        if lead < 0xC2 or lead > 0xF4:
            return False
        more = 1 if lead < 0xE0 else 2 if lead < 0xF0 else 3
        if at + more > end:
            return False
        second = data[at]
        if (
            (lead == 0xE0 and second < 0xA0)  # overlong
            or (lead == 0xED and second > 0x9F)  # surrogate
            or (lead == 0xF0 and second < 0x90)  # overlong
            or (lead == 0xF4 and second > 0x8F)  # past U+10FFFF
        ):
            return False
        for _ in range(more):
            if data[at] & 0xC0 != 0x80:
                return False
            at += 1
    return True
