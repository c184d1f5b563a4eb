"""What happened with pumps on this computer, oldest first: sessions and what had happened since the one
before, programs with what they changed, by whom and why, refills."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from thecal.history.database import Store
from thecal.history.happenings import changes, confirmations, requests
from thecal.history.queries import as_wire, numbered, one_pump, rows
from thecal.history.schema import logs, pumps, records, residuals, sessions
from thecal.history.strange import checked
from thecal.therapy import settings_diff

_OPENED = timedelta(minutes=2)  # a session brings its log in within so long
_PATIENT = "patient bolus"

Row = dict[str, Any]
Place = tuple[str, int]  # a pump's serial number, and which of its logs or which instant


def history(store: Store, serial: str, last: int) -> list[Row]:
    """Sessions, programs and refills of one pump (or all, without a serial), oldest first; the last so
    many.
    """
    pump_id = one_pump(store, serial)["id"] if serial else None
    lines: list[Row] = [*_sessions(store, pump_id), *_programs(store, pump_id)]
    for row in rows(store, residuals, pump_id):
        lines.append({"what": "refill", "at": row["seen"], **row})
    lines.sort(key=lambda line: str(line["at"]))
    return lines[-last:] if last else lines


def _sessions(store: Store, pump_id: int | None) -> Iterator[Row]:
    found = list(rows(store, sessions, pump_id))
    asked, confirmed = _by_log(requests(store, pump_id)), _by_log(confirmations(store, pump_id))
    by_log: dict[Place, list[Row]] = {}
    logs_of = _logs_of(store)
    for row in found:
        by_log.setdefault(_log_of(row, logs_of.get(row["serial"], [])), []).append(row)
    for place, group in by_log.items():
        before_us = -1
        for row in sorted(group, key=lambda row: row["pump_us"]):
            span = (before_us, row["pump_us"])
            row["since"] = {
                "requests": _counted(_within(asked.get(place, []), *span)),
                "confirmations": [_short(one) for one in _within(confirmed.get(place, []), *span)],
            }
            before_us = row["pump_us"]
    for row in found:
        row["program_digest"] = row["program_digest"].hex()
        yield {"what": "session", **row}


def _logs_of(store: Store) -> dict[str, list[tuple[int, datetime]]]:
    """Which logs a pump has, and since when, by its serial number."""
    wanted = select(pumps.c.serial, logs.c.number, logs.c.first_seen).join_from(logs, pumps)
    found: dict[str, list[tuple[int, datetime]]] = {}
    with store.reading() as connection:
        for row in connection.execute(wanted.order_by(logs.c.number)).mappings():
            one = checked(logs, dict(row))
            since = datetime.fromisoformat(one["first_seen"])
            found.setdefault(one["serial"], []).append((one["number"], since))
    return found


def _log_of(session: Row, known: list[tuple[int, datetime]]) -> Place:
    """The log that a session had before it."""
    until = datetime.fromisoformat(session["at"]) + _OPENED
    first = known[0][0] if known else 0
    return session["serial"], next((number for number, seen in reversed(known) if seen <= until), first)


def _by_log(found: Iterable[Row]) -> dict[Place, list[Row]]:
    """Those of each log, in the order of time."""
    logs_of: dict[Place, list[Row]] = {}
    for row in found:
        logs_of.setdefault((row["serial"], row["log"]), []).append(row)
    for rows_of in logs_of.values():
        rows_of.sort(key=_at_us)
    return logs_of


def _at_us(row: Row) -> int:
    return row["at_us"]


def _within(found: list[Row], after_us: int, to_us: int) -> list[Row]:
    return found[bisect_right(found, after_us, key=_at_us) : bisect_right(found, to_us, key=_at_us)]


def _counted(found: list[Row]) -> list[Row]:
    """How often each was asked for, with the same outcome."""
    names = ("request", "actor", "outcome", "refused_for")
    counts: Counter[tuple[Any, ...]] = Counter()
    for row in found:
        counts[tuple(row[name] for name in names)] += row["times"]
    return [dict(zip(names, key, strict=True)) | {"times": times} for key, times in counts.items()]


def _short(row: Row) -> Row:
    return {name: row[name] for name in ("local_time", "actor", "confirmed", "what", "times")}


def _programs(store: Store, pump_id: int | None) -> Iterator[Row]:
    """Numbered, as --compare knows them. What one changed: as the pump has it on record; of a pump that
    keeps no such records, by the program before it."""
    on_record: dict[Place, list[Row]] = {}
    for change in changes(store, pump_id):
        on_record.setdefault((change["serial"], change["at_us"]), []).append(change)
    actors = {
        (row["serial"], row["at_us"]): row["actor"]
        for row in rows(store, records, pump_id, ("program_committed",))
    }
    reasons = {
        (row["serial"], row["committed_us"]): row["reason"]
        for row in rows(store, sessions, pump_id)
        if row["committed_us"] is not None and row["reason"]
    }
    before: dict[str, Row] = {}
    for number, row in numbered(store, pump_id):
        place = (row["serial"], row["at_us"])
        actor = actors.get(place, "not known")
        found = [_change(one) for one in on_record.get(place, ())]
        was = before.get(row["serial"])
        if not found and was is not None:
            found = _compared(was, row["therapy"], actor)
        before[row["serial"]] = row["therapy"]
        yield {
            "what": "program",
            "at": row["seen"],
            **row,
            "digest": row["digest"].hex(),
            "number": number,
            "actor": actor,
            "reason": reasons.get(place),
            "changes": found,
            "first": was is None,
        }


def _change(row: Row) -> Row:
    """As it stands in JSON, where its drug has a name by itself."""
    return {name: row[name] for name in ("actor", "words", "field", "index", "drug", "old", "new")}


def _compared(old: Row, new: Row, actor: str) -> list[Row]:
    return [
        {
            "actor": actor,
            "words": one.field,
            "field": one.field,
            "index": 0,
            "drug": None,
            "old": one.old or "none",
            "new": one.new or "none",
        }
        for one in settings_diff.changes(as_wire(old), as_wire(new))
    ]
