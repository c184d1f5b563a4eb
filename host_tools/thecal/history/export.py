"""The store as CSV or Parquet: one file per table, exact integers, every column named with its unit;
beside them what the records say of people: changes, requests, confirmations (`happenings`).

Each file is written beside its name and put there when it is whole: a full disk leaves no half of one.
"""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Callable, Generator, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Table

from thecal._io import atomic_write, extras, private
from thecal._io.shown import cells
from thecal.errors import ThecalError
from thecal.history import happenings
from thecal.history.database import Store
from thecal.history.queries import rows
from thecal.history.schema import logs, programs, pumps, records, residuals, sessions

_BATCH = 50_000
_UNSIGNED = ("a", "b")  # of records: unsigned 64 bits


class Sheet(NamedTuple):
    """One file of an export."""

    name: str
    columns: tuple[str, ...]
    numbers: frozenset[str]
    unsigned: tuple[str, ...]
    rows: Callable[[Store, int | None], Iterator[dict[str, Any]]]


class ExportError(ThecalError):
    """An export could not be written. Files that are there are whole."""


def write_csv(store: Store, folder: Path, pump_id: int | None) -> list[Path]:
    """Every table as CSV with a head line; bytes as hexadecimal, nested values as JSON."""

    def put(sheet: Sheet, path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(sheet.columns)
            for row in sheet.rows(store, pump_id):
                writer.writerow(cells(map(_plain, row.values())))

    return _write(folder, "csv", put)


def write_parquet(store: Store, folder: Path, pump_id: int | None) -> list[Path]:
    """Every table as Parquet (zstd), read back exactly by pandas, polars, DuckDB and the like."""
    pa = extras.load("pyarrow", extras.EXCHANGE, "Parquet")
    pq = extras.load("pyarrow.parquet", extras.EXCHANGE, "Parquet")

    def put(sheet: Sheet, path: Path) -> None:
        kinds: dict[str, Any] = {
            name: pa.uint64()
            if name in sheet.unsigned
            else pa.int64()
            if name in sheet.numbers
            else pa.binary()
            if name in ("tag", "digest", "program_digest")
            else pa.string()
            for name in sheet.columns
        }
        schema: Any = pa.schema(list(kinds.items()))
        source = sheet.rows(store, pump_id)
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in _batches(source):
                columns: Any = {name: [_nested(row[name]) for row in batch] for name in kinds}
                writer.write_table(pa.table(columns, schema=schema))

    return _write(folder, "parquet", put)


def _sheet(table: Table) -> Sheet:
    own = [column.name for column in table.c if column.name not in ("pump_id", "log_id")]
    before = [] if table is pumps else ["serial", *(["log"] if table is records else [])]
    numbers = frozenset({"log", *(column.name for column in table.c if column.type.python_type is int)})
    unsigned = _UNSIGNED if table is records else ()

    def found(store: Store, pump_id: int | None) -> Iterator[dict[str, Any]]:
        return rows(store, table, pump_id)

    return Sheet(table.name, (*before, *own), numbers, unsigned, found)


SHEETS = (
    *map(_sheet, (pumps, logs, sessions, programs, residuals, records)),
    *(
        Sheet(name, columns, happenings.NUMBERS, happenings.UNSIGNED, found)
        for name, columns, found in (
            ("changes", happenings.CHANGES, happenings.changes),
            ("requests", happenings.REQUESTS, happenings.requests),
            ("confirmations", happenings.CONFIRMATIONS, happenings.confirmations),
        )
    ),
)


def _batches(source: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(islice(source, _BATCH)):
        yield batch


def _write(folder: Path, suffix: str, put: Callable[[Sheet, Path], None]) -> list[Path]:
    written: list[Path] = []
    with in_words(folder):
        private.folder(folder)
        for sheet in SHEETS:
            path = folder / f"{sheet.name}.{suffix}"
            with atomic_write.whole(path) as draft:
                put(sheet, draft)
            written.append(path)
    return written


@contextlib.contextmanager
def in_words(place: Path) -> Generator[None]:
    """What the operating system says of files."""
    try:
        yield
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise ExportError(
            f"the export to {place} cannot be written: {what}", "make room or name another place"
        ) from error


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else _nested(value)


def _nested(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
