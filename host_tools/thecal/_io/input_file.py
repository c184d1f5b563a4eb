"""The one reader for files from outside: bounded in size, time and depth, whatever stands under the name.

    read_bytes(path, most)      the whole of a small file
    read_text(path, most)       the same as text: UTF-8, with or without a byte-order mark
    lines(path, most)           a long text line by line, never the whole of it in memory
    read_json(path)             a JSON document with plain numbers, nested no deeper than ours are
    json_lines(path, most)      one such document in each line
    read_secret(path, most)     a small file that is this user's alone, or it is not used

A file may also be a pipe (`<(...)`) or a device: what comes is waited for, but not long, and never more is
taken than a good file could hold. Every failure is a `FileError`: one line that names the file.
"""

from __future__ import annotations

import codecs
import math
import os
import select
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from thecal._io import private
from thecal._io.shown import check_depth, shown_all
from thecal.errors import FileError

MOST_JSON_BYTES = 32_000_000  # a record of 100,000 events
MOST_LINE_BYTES = 16_384
_WIDE = 4  # a text that is not ASCII takes so many times its bytes at worst
_LEAST_BYTES_PER_VALUE = 10  # of a JSON document on average: records have twice as many
_FREE_VALUES = 100_000
_PATIENCE_S = 10.0  # for all that comes from a pipe or a device
_CHUNK = 65_536
_MARKS = {codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


def need_file(path: Path) -> None:
    """What is looked at twice has to be a file, no pipe."""
    if path.exists() and not path.is_file():
        raise FileError(f"{path} is no file", "save it as one first")


def read_bytes(path: Path, most: int) -> bytes:
    """All of a file of at most so many bytes."""
    return b"".join(_chunks(path, most))


def read_secret(path: Path, most: int, remedy: str) -> bytes | None:
    """All of a file of keys; None: there is none. FileError, with this remedy: also when it is a link or
    another user's, or when others may read it (SEC-22)."""
    if not os.path.lexists(path):
        return None
    if path.is_symlink():
        raise FileError(
            f"{path} is a link to another place, which may be anybody's",
            f"put the file itself there, or {remedy}",
        )

    def check(found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode) or not private.ours(found):
            raise FileError(f"{path} is no file of yours", remedy)
        if found.st_mode & private.OTHERS:
            raise FileError(f"others may read {path}", f"if nobody did: chmod 600 {path}; otherwise {remedy}")

    return b"".join(_chunks(path, most, os.O_NOFOLLOW, check))


def read_text(path: Path, most: int) -> str:
    """All of a text."""
    return _text(path, read_bytes(path, most))


def lines(path: Path, most: int, *, cut: bool = False) -> Iterator[str]:
    """A text line by line, without their ends. `cut`: of one that is too long its beginning, then no more."""
    rest, first = b"", True
    for chunk in _chunks(path, most):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield _line(path, line, first)
            first = False
        if len(rest) > MOST_LINE_BYTES:
            if cut and first:
                yield rest[:MOST_LINE_BYTES].decode("utf-8-sig", "replace")
                return
            raise _too_long(path)
    if rest:
        yield _line(path, rest, first)


def json_lines(path: Path, most: int) -> Iterator[tuple[int, Any]]:
    """The JSON documents of a file that has one in each line, with the numbers of the lines."""
    for number, line in enumerate(lines(path, most), 1):
        if line.strip():
            try:
                yield number, json_of(line)
            except ValueError as error:
                raise FileError(
                    f"{path}, line {number}: no record of a log ({error})", "is it the right file?"
                ) from None


def read_json(path: Path) -> Any:
    """A JSON document, every text in it `shown`."""
    data = read_bytes(path, MOST_JSON_BYTES)
    if not data.isascii() and len(data) > MOST_JSON_BYTES // _WIDE:
        raise _too_large(path, MOST_JSON_BYTES // _WIDE)
    try:
        return json_of(_text(path, data))
    except ValueError as error:
        raise FileError(f"{path} is no JSON document: {error}", "is it the right file?") from None


def json_of(text: str) -> Any:
    """The document in a text, every text in it `shown`. ValueError, in one line: it is none of ours."""
    import json  # only here: every start would pay for it

    values = text.count(",") + text.count("{") + text.count("[")
    if values > _FREE_VALUES + len(text) // _LEAST_BYTES_PER_VALUE:
        raise ValueError("it holds more values than a record does")
    try:
        document = json.loads(text, parse_constant=_no_number, parse_float=_finite)
        if text.isascii() and not any(
            mark in text for mark in "\\\x7f"
        ):  # then every text in it is printable
            check_depth([document])
            return document
        return shown_all(document)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at line {error.lineno}, column {error.colno}".lower()) from None
    except ValueError as error:  # an integer of thousands of digits among them
        raise ValueError("a number in it is too long" if "digits" in str(error) else str(error)) from None


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no number that can be held")
    return number


def _text(path: Path, data: bytes) -> str:
    for mark, name in _MARKS.items():
        if data.startswith(mark):
            raise FileError(f"{path} is {name} text", "save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is not UTF-8 text (byte {error.start})", "is it the right file?") from None
    if "\0" in text:
        raise FileError(f"{path} is no text", "is it the right file?")
    return text


def _line(path: Path, line: bytes, first: bool) -> str:
    if len(line) > MOST_LINE_BYTES:
        raise _too_long(path)
    return _text(path, line if first or not line.startswith(codecs.BOM_UTF8) else b" " + line).rstrip("\r")


def _chunks(
    path: Path, most: int, flags: int = 0, check: Callable[[os.stat_result], None] | None = None
) -> Iterator[bytes]:
    """What is in the file, piece by piece. `check` raises what is wrong with it before that."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | flags)
    except (OSError, ValueError) as error:  # a name that no file can have
        raise _unreadable(path, error) from None
    try:
        found = os.fstat(handle)
        if check is not None:
            check(found)
        regular = stat.S_ISREG(found.st_mode)
        until = time.monotonic() + _PATIENCE_S
        taken = 0
        while True:
            if not regular:
                _wait(path, handle, until - time.monotonic())
            chunk = os.read(handle, _CHUNK)
            if not chunk:
                return
            taken += len(chunk)
            if taken > most:
                raise _too_large(path, most)
            yield chunk
    except BlockingIOError:
        raise _silent(path) from None
    except OSError as error:
        raise _unreadable(path, error) from None
    finally:
        os.close(handle)


def _wait(path: Path, handle: int, left_s: float) -> None:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    if left_s <= 0 or not poll.poll(left_s * 1000):
        raise _silent(path)


def _silent(path: Path) -> FileError:
    return FileError(
        f"{path} does not come to its end in {_PATIENCE_S:g} s", "name a file, not a pipe that waits"
    )


def _too_long(path: Path) -> FileError:
    return FileError(f"{path} has a line longer than any record", "is it the right file?")


def _too_large(path: Path, most: int) -> FileError:
    return FileError(f"{path} is larger than {most} bytes", "is it the right file?")


def _unreadable(path: Path, error: Exception) -> FileError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    missing = isinstance(error, FileNotFoundError)
    hint = "correct its name, or say in which folder it is" if missing else "name another file"
    return FileError(f"{path} cannot be read: {why.lower()}", hint)
