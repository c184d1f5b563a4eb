"""Log files, as `thecal log` writes them (`--jsonl`, `--csv`, `--json`), read for the store.

Read as a stream: a million records take little memory. What is not such a record is refused with its line.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from thecal.errors import ThecalError
from thecal.history.schema import signed
from thecal.link.responses.pump import Event

_NUMBERS = ("sequence", "boot", "at_us", "code", "ref", "a", "b")
_LIMITS = (1 << 32, 1 << 16, 1 << 63, 1 << 8, 1 << 16, 1 << 64, 1 << 64)  # of each of these
_TAG_BYTES = 16
_WORD = 40  # characters

Row = tuple[object, ...]


class LogFileError(ThecalError):
    """A file is not a log as `thecal log` writes it. Nothing of it was imported."""


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
    with _opened(path) as file:
        if file.read(1) != "{" or '"events"' not in file.read(400):
            return ""
    document = _document(path)
    serial = document.get("serial", "")
    return serial if isinstance(serial, str) else ""


def read(path: Path) -> Iterator[Row]:
    """Every record of the file. LogFileError, with the line, at the first that is none."""
    with _opened(path) as file:
        head = file.readline()
        if head.startswith("{") and '"events"' in head[:400]:
            yield from _entries(path, enumerate(_events(path), 1), "record")
        elif head.startswith("{"):
            file.seek(0)
            yield from _entries(path, _json_lines(path, file), "line")
        elif head.startswith("sequence,"):
            file.seek(0)
            yield from _entries(path, enumerate(csv.DictReader(file), 2), "line")
        else:
            raise _bad(path, "line", 1, "neither JSON nor the head line of a CSV")


def _entries(path: Path, entries: Iterator[tuple[int, Any]], what: str) -> Iterator[Row]:
    for number, entry in entries:
        try:
            yield _row(entry)
        except (KeyError, TypeError, ValueError) as error:
            why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise _bad(path, what, number, why) from None


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
        if not isinstance(word, str) or not 0 < len(word) <= _WORD:
            raise ValueError(f"{word!r} is no kind and no actor")
    numbers = [int(found[name]) for name in _NUMBERS]
    for number, limit, name in zip(numbers, _LIMITS, _NUMBERS, strict=True):
        if not 0 <= number < limit:
            raise ValueError(f"{name} is {number}")
    sequence, boot, at_us, code, ref, a, b = numbers
    return sequence, boot, at_us, kind, actor, code, ref, signed(a), signed(b), tag


def _json_lines(path: Path, file: Any) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError:
                raise _bad(path, "line", number, "it is no JSON") from None


def _document(path: Path) -> dict[str, Any]:
    try:
        document: object = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise LogFileError(f"{path} cannot be read: {error}") from None
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}


def _events(path: Path) -> list[Any]:
    events = _document(path).get("events")
    return cast("list[Any]", events) if isinstance(events, list) else []


def _opened(path: Path) -> Any:
    try:
        return path.open(encoding="utf-8", errors="replace", newline="")
    except OSError as error:
        raise LogFileError(f"{path} cannot be read: {str(error.strerror).lower()}") from None


def _bad(path: Path, what: str, number: int, why: str) -> LogFileError:
    return LogFileError(
        f"{path}, {what} {number}: no record of a log ({why})",
        "nothing was imported; give a file that `thecal log` wrote with --jsonl, --csv or --json",
    )
