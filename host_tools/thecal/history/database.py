"""The store's file: opening it, adding to it, and errors in clear words.

Every method that adds is one transaction: it happens whole or not at all, whatever ends the program meanwhile
(WAL, synchronous NORMAL: a kill loses nothing, a power cut perhaps the last transaction, never half of one).
Adding what is there already changes nothing.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, event, exc, insert, select, text, update
from sqlalchemy.dialects.sqlite import insert as upsert

from thecal._io import private
from thecal._io.arguments import checked_wide
from thecal.history import where
from thecal.history.opening import StoreError, begin, clear_words, document, prepare
from thecal.history.schema import (
    RECORD,
    VERSION,
    bring_up,
    logs,
    programs,
    pumps,
    records,
    residuals,
    sessions,
)
from thecal.history.strange import checked

BUSY_S = 5.0  # for so long another program may write before this one gives up
_BATCH = 20_000
_SAME = " AND ".join(f"old.{name} = new.{name}" for name in RECORD)

Row = tuple[object, ...]  # one record, by schema.RECORD; `a` and `b` as signed numbers


@dataclass(frozen=True)
class Added:
    """What became of a log that was added. `log`: which of the pump's logs it belongs to."""

    records: int
    new: int
    log: int
    another: bool  # it is not the log that the store knew of this pump: it stands beside it


def _is_there(path: Path) -> bool:
    with contextlib.suppress(OSError):  # a name that is too long
        return path.exists()
    return False


@checked_wide
class Store:
    """An open store. Not for use from several threads."""

    def __init__(self, path: Path, engine: Engine) -> None:
        self.path = path
        self._engine = engine

    @classmethod
    def open(cls, path: Path | None = None, *, create: bool = True, busy_s: float = BUSY_S) -> Self:
        """Open the store, and make it where it is not there yet.

        Args:
            path: its file; None: where `where.path` says.
            create: whether it may be made.
            busy_s: for how many seconds another program may hold it.

        Returns:
            The open store; `close`, or the end of a `with`, gives the file back.

        Raises:
            StoreError: it cannot be opened, is switched off, or is of another version.
        """
        path = where.path() if path is None else Path(path)
        if path is None:
            raise StoreError("the store is switched off", f"unset {where.VARIABLE}, or name a file with it")
        if not create and not _is_there(path):
            raise StoreError(
                f"there is no store {path} yet", "it begins with the first program, log, refill or import"
            )
        if _is_there(path) and not path.is_file():
            raise StoreError(
                f"{path} is no file that could hold a store", f"name another with {where.VARIABLE}"
            )
        with clear_words(path):
            private.folder(path.parent)
            private.ready(path)  # SQLite gives its journals the same mode
            engine = create_engine(
                f"sqlite:///{path}", connect_args={"timeout": busy_s}, json_deserializer=document
            )
            event.listen(engine, "connect", prepare)
            event.listen(engine, "begin", begin)
            store = cls(path, engine)
            try:
                store._make_tables()
            except BaseException:
                engine.dispose()
                raise
            return store

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self._engine.dispose()

    @contextlib.contextmanager
    def reading(self) -> Generator[Connection]:
        """A view of one instant."""
        with clear_words(self.path), self._engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Generator[Connection]:
        """One transaction: everything in it happens, or nothing."""
        options = self._engine.execution_options(thecal_writes=True)
        with clear_words(self.path), options.begin() as connection:
            yield connection

    def _make_tables(self) -> None:
        with self.reading() as connection:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if version < VERSION:
            with self.writing() as connection:
                bring_up(connection)

    # -- adding

    def add_pump(self, serial: str, model: str = "", firmware: str = "") -> int:
        """Note a pump that was seen.

        Args:
            serial: its serial number.
            model: its model.
            firmware: its firmware's version.

        Returns:
            The row's id.

        Raises:
            StoreError: the file cannot be used; nothing was added.
        """
        with self.writing() as connection:
            return _pump(connection, serial, model, firmware)

    def add_session(self, serial: str, values: Mapping[str, Any]) -> None:
        """Note a session with a pump.

        Args:
            serial: the pump's serial number.
            values: columns of `schema.sessions`, without id, pump and time.

        Raises:
            StoreError: the file cannot be used; nothing was added.
        """
        with self.writing() as connection:
            row = {"id": uuid.uuid4().hex, "pump_id": _pump(connection, serial), "at": now_utc()}
            connection.execute(insert(sessions), [row | dict(values)])

    def add_program(
        self, serial: str, digest: bytes, therapy: Mapping[str, object], at_us: int | None
    ) -> bool:
        """A program that a pump runs; whether it is new. `at_us`: of its commit, where it is known."""
        with self.writing() as connection:
            pump_id = _pump(connection, serial)
            if at_us is None:
                known = select(programs.c.id).where(
                    programs.c.pump_id == pump_id, programs.c.digest == digest
                )
                if connection.execute(known).first():
                    return False
            row = {
                "pump_id": pump_id,
                "digest": digest,
                "at_us": -1 if at_us is None else at_us,
                "seen": now_utc(),
                "name": str(therapy.get("name", "")),
                "therapy": dict(therapy),
            }
            return _added(connection.execute(upsert(programs).on_conflict_do_nothing(), [row]))

    def add_residual(self, serial: str, values: Mapping[str, Any]) -> bool:
        """Note what came out at a refill.

        Args:
            serial: the pump's serial number.
            values: columns of `schema.residuals`, volumes in pL.

        Returns:
            Whether it is new.

        Raises:
            StoreError: the file cannot be used; nothing was added.
        """
        with self.writing() as connection:
            row = {"pump_id": _pump(connection, serial), "seen": now_utc()} | dict(values)
            return _added(connection.execute(upsert(residuals).on_conflict_do_nothing(), [row]))

    def add_log(self, serial: str, rows: Iterable[Row]) -> Added:
        """Add records of a pump's log: to the log of this pump that they fit, or as another.

        Args:
            serial: the pump's serial number.
            rows: records, by `schema.RECORD`.

        Returns:
            How many are new, and which of the pump's logs they belong to.

        Raises:
            StoreError: the file cannot be used; nothing was added.
        """
        with self.writing() as connection:
            pump_id = _pump(connection, serial)
            count = _incoming(connection, rows)
            log_id, number, another = _fitting_log(connection, pump_id)
            columns = ", ".join(RECORD)
            new = connection.execute(
                text(
                    f"INSERT INTO records (log_id, {columns}) SELECT :log, {columns} FROM incoming "
                    "WHERE true ON CONFLICT DO NOTHING"
                ),
                {"log": log_id},
            ).rowcount
            return Added(count, new, number, another)

    # -- what is there, as far as adding needs it

    def last_record(self, serial: str) -> tuple[int, bytes]:
        """The newest record of a pump's newest log.

        Args:
            serial: the pump's serial number.

        Returns:
            Its number and tag; (0, b"") when there is none.

        Raises:
            StoreError: the file cannot be used.
        """
        with self.reading() as connection:
            newest = (
                select(logs.c.id)
                .join(pumps, pumps.c.id == logs.c.pump_id)
                .where(pumps.c.serial == serial)
                .order_by(logs.c.number.desc())
                .limit(1)
            )
            wanted = (
                select(records.c.sequence, records.c.tag)
                .where(records.c.log_id == newest.scalar_subquery())
                .order_by(records.c.sequence.desc())
                .limit(1)
            )
            row = connection.execute(wanted).mappings().first()
            found: dict[str, Any] = checked(records, dict(row)) if row else {"sequence": 0, "tag": b""}
        return found["sequence"], found["tag"]


def now_utc() -> str:
    """The computer's time."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _pump(connection: Connection, serial: str, model: str = "", firmware: str = "") -> int:
    now = now_utc()
    row = connection.execute(select(pumps.c.id).where(pumps.c.serial == serial)).first()
    if row is None:
        values = {"serial": serial, "model": model, "firmware": firmware, "first_seen": now, "last_seen": now}
        connection.execute(insert(pumps), [values])
        return _pump(connection, serial, model, firmware)
    if model:
        seen = {"model": model, "firmware": firmware, "last_seen": now}
        connection.execute(update(pumps).where(pumps.c.id == row.id).values(seen))
    return int(row.id)


def _incoming(connection: Connection, rows: Iterable[Row]) -> int:
    """Put records into a table of their own, which lasts as long as this connection."""
    connection.exec_driver_sql("DROP TABLE IF EXISTS temp.incoming")
    columns = ", ".join(RECORD)
    connection.exec_driver_sql(
        f"CREATE TEMP TABLE incoming ({columns}, PRIMARY KEY (sequence)) WITHOUT ROWID"
    )
    statement = f"INSERT INTO temp.incoming ({columns}) VALUES ({', '.join('?' * len(RECORD))})"
    remaining = iter(rows)
    count = 0
    while batch := list(islice(remaining, _BATCH)):
        try:
            connection.exec_driver_sql(statement, batch)
        except exc.IntegrityError as error:
            raise StoreError(
                "the same number stands twice among these records", "import a log as `thecal log` wrote it"
            ) from error
        count += len(batch)
    return count


def _fitting_log(connection: Connection, pump_id: int) -> tuple[int, int, bool]:
    """(id, number, whether it is another than those known) of the log that the incoming records belong to.

    That is the newest one in which no record differs from them, and which has one of them; else, when they
    contradict no log, the newest; else a new one. (A log never changes: a record that differs means another
    log.)
    """
    known = select(logs.c.id, logs.c.number).where(logs.c.pump_id == pump_id).order_by(logs.c.number.desc())
    rows = [checked(logs, dict(row)) for row in connection.execute(known).mappings()]
    found: list[tuple[int, int]] = [(row["id"], row["number"]) for row in rows]
    fits: list[tuple[int, int]] = []
    for log_id, number in found:
        both, same = connection.execute(
            text(
                f"SELECT count(*), sum({_SAME}) FROM temp.incoming AS new JOIN records AS old "
                "ON old.log_id = :log AND old.sequence = new.sequence"
            ),
            {"log": log_id},
        ).one()
        if both and same == both:
            return log_id, number, False
        if not both:
            fits.append((log_id, number))
    if fits and fits[0] == found[0]:
        return *fits[0], False
    number = found[0][1] + 1 if found else 1
    row = {"pump_id": pump_id, "number": number, "first_seen": now_utc()}
    done = connection.execute(insert(logs).returning(logs.c.id), [row])
    return int(done.scalar_one()), number, bool(found)


def _added(result: Any) -> bool:
    return result.rowcount > 0
