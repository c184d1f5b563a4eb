"""Log files, as `thecal log` writes them (`--jsonl`, `--csv`, `--json`), read for the store.

Read as a stream: a million records take little memory. What is not such a record is refused with its line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, cast

from thecal._io import input_file
from thecal.errors import FileError
from thecal.history.schema import signed
from thecal.link.responses.pump import Event

_NUMBERS = ("sequence", "boot", "at_us", "code", "ref", "a", "b")
_LIMITS = (1 << 32, 1 << 16, 1 << 63, 1 << 8, 1 << 16, 1 << 64, 1 << 64)  # of each of these
_TAG_BYTES = 16
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}|unknown \([0-9]{1,3}\)")  # of any firmware
_MOST_BYTES = 1_000_000_000  # some 4 million records: they are not held in memory
_HEAD = 400
_DIGITS = 20

Row = tuple[object, ...]


def row_of(event: Event) -> Row:
    """A record that came over the link."""
    return (
        event.sequence,
        event.boot,
        event.at.total_us,
        event.kind,
        event.actor,
        event.code,
        event.ref,
        signed(event.a),
        signed(event.b),
        event.tag,
    )


def serial_of(path: Path) -> str:
    """The pump's serial number where the file names it: a document of `thecal log --json`; else empty."""
    input_file.need_file(path)
    if not _is_document(path):
        return ""
    serial = _document(path).get("serial", "")
    return serial if isinstance(serial, str) else ""


def read(path: Path) -> Iterator[Row]:
    """Every record of the file. FileError, with the line, at the first that is none."""
    input_file.need_file(path)
    if _is_document(path):
        yield from _entries(path, enumerate(_events(path), 1), "record")
        return
    found = input_file.lines(path, _MOST_BYTES)
    head = next(found, "")
    if head.startswith("{"):
        yield from _entries(path, input_file.json_lines(path, _MOST_BYTES), "line")
    elif head.startswith("sequence,"):
        yield from _entries(path, enumerate(csv.DictReader(chain([head], found)), 2), "line")
    else:
        raise _bad(path, "line", 1, "neither JSON nor the head line of a CSV")


def _is_document(path: Path) -> bool:
    """Whether it is one document, as of `thecal log --json`."""
    head = next(input_file.lines(path, _MOST_BYTES, cut=True), "")[:_HEAD]
    return head.startswith("{") and '"events"' in head


def _entries(path: Path, entries: Iterator[tuple[int, Any]], what: str) -> Iterator[Row]:
    at = 0
    try:
        for number, entry in entries:
            at = number
            yield _row(entry)
    except (KeyError, TypeError, ValueError, AttributeError, csv.Error) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise _bad(path, what, at, why) from None


def _row(entry: Any) -> Row:
    """Only what a record has is taken: whatever else stands in the file stays out of the store."""
    if not isinstance(entry, dict):
        raise ValueError("it is no object")
    found = cast("dict[str, Any]", entry)
    tag = bytes.fromhex(found["tag"])
    if len(tag) != _TAG_BYTES:
        raise ValueError("its tag is not 16 bytes")
    kind, actor = found["kind"], found["actor"]
    for word in (kind, actor):
        if not isinstance(word, str) or not _WORD.fullmatch(word):
            raise ValueError(f"{word!r:.50} is no kind and no actor")
    numbers = [_whole(found[name]) for name in _NUMBERS]
    for number, limit, name in zip(numbers, _LIMITS, _NUMBERS, strict=True):
        if not 0 <= number < limit:
            raise ValueError(f"{name} is {number}")
    sequence, boot, at_us, code, ref, a, b = numbers
    return sequence, boot, at_us, kind, actor, code, ref, signed(a), signed(b), tag


def _whole(value: object) -> int:
    """A number of a record, as JSON or CSV has it."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"{value!r:.40} is no whole number")


def _document(path: Path) -> dict[str, Any]:
    document = input_file.read_json(path)
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}


def _events(path: Path) -> list[Any]:
    events = _document(path).get("events")
    return cast("list[Any]", events) if isinstance(events, list) else []


def _bad(path: Path, what: str, number: int, why: str) -> FileError:
    return FileError(
        f"{path}, {what} {number}: no record of a log ({why})",
        "nothing was imported; give a file that `thecal log` wrote with --jsonl, --csv or --json",
    )
