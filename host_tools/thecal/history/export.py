"""The store as CSV or Parquet: one file per table, exact integers, every column named with its unit.

Each file is written beside its name and put there when it is whole: a full disk leaves no half of one.
"""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Callable, Generator, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from thecal._io import atomic_write, extras, private
from thecal._io.shown import cells
from thecal.errors import ThecalError
from thecal.history.database import Store
from thecal.history.queries import rows
from thecal.history.schema import logs, programs, pumps, records, residuals, sessions

TABLES = (pumps, logs, sessions, programs, residuals, records)
_BATCH = 50_000
_UNSIGNED = ("a", "b")  # of records: unsigned 64 bits


class ExportError(ThecalError):
    """An export could not be written. Files that are there are whole."""


def write_csv(store: Store, folder: Path, pump_id: int | None) -> list[Path]:
    """Every table as CSV with a head line; bytes as hexadecimal, nested values as JSON."""

    def put(table: Table, path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(names(table))
            for row in rows(store, table, pump_id):
                writer.writerow(cells(map(_plain, row.values())))

    return _write(folder, "csv", put)


def write_parquet(store: Store, folder: Path, pump_id: int | None) -> list[Path]:
    """Every table as Parquet (zstd), read back exactly by pandas, polars, DuckDB and the like."""
    pa = extras.load("pyarrow", extras.EXCHANGE, "Parquet")
    pq = extras.load("pyarrow.parquet", extras.EXCHANGE, "Parquet")

    def put(table: Table, path: Path) -> None:
        kinds: dict[str, Any] = {
            name: pa.uint64()
            if name in _UNSIGNED and table is records
            else pa.int64()
            if name in _numbers(table)
            else pa.binary()
            if name in ("tag", "digest", "program_digest")
            else pa.string()
            for name in names(table)
        }
        schema: Any = pa.schema(list(kinds.items()))
        source = rows(store, table, pump_id)
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in _batches(source):
                columns: Any = {name: [_nested(row[name]) for row in batch] for name in kinds}
                writer.write_table(pa.table(columns, schema=schema))

    return _write(folder, "parquet", put)


def names(table: Table) -> list[str]:
    """The columns of an export."""
    own = [column.name for column in table.c if column.name not in ("pump_id", "log_id")]
    if table is pumps:
        return own
    return ["serial", *(["log"] if table is records else []), *own]


def _numbers(table: Table) -> set[str]:
    return {"log", *(column.name for column in table.c if column.type.python_type is int)}


def _batches(source: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(islice(source, _BATCH)):
        yield batch


def _write(folder: Path, suffix: str, put: Callable[[Table, Path], None]) -> list[Path]:
    written: list[Path] = []
    with in_words(folder):
        private.folder(folder)
        for table in TABLES:
            path = folder / f"{table.name}.{suffix}"
            with atomic_write.whole(path) as draft:
                put(table, draft)
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
