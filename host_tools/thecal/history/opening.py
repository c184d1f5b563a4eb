"""How the store's file is opened: touched only once it is known to be ours, and SQLite's errors in words."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, exc

from thecal._io import input_file
from thecal.errors import ThecalError
from thecal.history.schema import VERSION
from thecal.history.strange import MOST_BYTES, Strange, what_is_strange

_AGAIN_S = 0.02


class StoreError(ThecalError):
    """The store cannot be used. What was asked for did not happen, not even in part."""


def prepare(connection: sqlite3.Connection, record: object) -> None:
    """Every new connection: what is there is a store, or nothing yet; transactions are ours to begin, the
    journal is a WAL, temporary tables are files.
    """
    connection.isolation_level = None
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
    cursor = connection.cursor()
    _check(cursor)
    _take_wal(cursor)
    for pragma in ("synchronous = NORMAL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _check(cursor: sqlite3.Cursor) -> None:
    """Nothing is touched before it is known whose it is. Strange: it is no store of this version."""
    (version,) = cursor.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise _Newer(str(version))
    found = cursor.execute("SELECT type, name, rootpage, sql FROM sqlite_master").fetchall()
    if version or found:  # else it is about to be made
        wrong = what_is_strange(found, version)
        if wrong:
            raise Strange(wrong)


def document(text: str) -> Any:
    """A JSON value of the store. Strange: it is none of ours."""
    try:
        return input_file.json_of(text)
    except ValueError as error:
        raise Strange(str(error)) from None


def _take_wal(cursor: sqlite3.Cursor) -> None:
    """SQLite does not wait, here alone, for another that makes the same store at this moment."""
    (busy_ms,) = cursor.execute("PRAGMA busy_timeout").fetchone()
    deadline = time.monotonic() + busy_ms / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= deadline:
                raise
            time.sleep(_AGAIN_S)


def begin(connection: Connection) -> None:
    """A writer takes its place at once: it never finds out at its end that another was there."""
    writes = connection.get_execution_options().get("thecal_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class _Newer(Exception):
    """A later thecal's version."""


@contextlib.contextmanager
def clear_words(path: Path) -> Generator[None]:
    """What SQLite and the operating system say of the file, as StoreErrors."""
    try:
        yield
    except exc.DatabaseError as error:
        raise _in_words(path, str(error.orig)) from error
    except exc.SQLAlchemyError as error:  # of values or columns that no table of ours has
        said = " ".join(str(error).split())[:200]
        raise StoreError(f"that cannot be stored: {said}", "nothing was added") from None
    except sqlite3.Error as error:
        raise _in_words(path, str(error)) from error
    except _Newer as error:
        raise StoreError(
            f"the store {path} is of version {error}, this thecal knows {VERSION}",
            "use the newer thecal, or name another file with THECAL_STORE",
        ) from None
    except (Strange, OverflowError, UnicodeError) as error:
        raise StoreError(
            f"{path} holds what thecal never wrote ({error})",
            "move it away, or name another file with THECAL_STORE",
        ) from None
    except OSError as error:
        raise StoreError(
            f"the store {path} cannot be opened: {str(error.strerror).lower()}",
            "name another file with THECAL_STORE",
        ) from error


def _in_words(path: Path, said: str) -> StoreError:
    if "locked" in said or "busy" in said:
        hint = "the store was not changed: try again when that has ended"
        return StoreError(f"another program is writing to the store {path}", hint)
    if "full" in said or "disk I/O error" in said:
        hint = "the store was not changed: make room, then try again"
        return StoreError(f"there is no room for the store {path} ({said})", hint)
    if "not a database" in said or "malformed" in said:
        hint = "move it away, or name another file with THECAL_STORE"
        return StoreError(f"{path} is no store, or damaged ({said})", hint)
    return StoreError(f"the store {path} cannot be used ({said})", "name another file with THECAL_STORE")
