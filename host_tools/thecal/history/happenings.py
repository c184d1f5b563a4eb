"""What the records of the store say of people: what was changed, asked for and confirmed, by whom and when.

Each is a table of its own for the exports, made of the pump's records anew each time; `thecal history` shows
them at the session that brought them in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import select

from thecal.eventlog import describe
from thecal.eventlog.local_times import REFERENCE, LocalTimes
from thecal.eventlog.program_changes import changes_of
from thecal.eventlog.repeats import repeats_of
from thecal.history.database import Store
from thecal.history.queries import rows
from thecal.history.schema import pumps, records, sessions
from thecal.history.strange import checked
from thecal.link.responses.pump import Event, Instant
from thecal_protocol.messages import ALARMS, BOLUS_KINDS, MESSAGES, PATIENT_BOLUS, REFUSALS

# The columns, beside the pump's serial number, which of its logs, and number and instant of the record.
WHEN_AND_WHO = ("serial", "log", "sequence", "at_us", "local_time", "actor")
CHANGES = (*WHEN_AND_WHO, "words", "field", "index", "drug", "old", "new", "reason")
REQUESTS = (*WHEN_AND_WHO, "request", "outcome", "refused_for", "times", "dose_ng", "given_pl")
CONFIRMATIONS = (*WHEN_AND_WHO, "confirmed", "what", "times")
NUMBERS = frozenset(("log", "sequence", "at_us", "index", "times"))
UNSIGNED = ("dose_ng", "given_pl")  # of damaged records all of their 64 bits

_CONFIRMED = {
    "alarm_confirmed": "alarm",
    "soft_limit_passed": "soft limit",
    "press_taken": "press of the button",
    "fault_cleared": "fault",
}
_BOLUS_ENDS = {"bolus_delivered": "given", "bolus_cut_short": "cut short", "bolus_interrupted": "interrupted"}
_REFUSED = ("bolus_refused", "command_refused")

Log = Sequence[Event]


def changes(store: Store, pump_id: int | None) -> Iterator[dict[str, Any]]:
    """Every field that a program changed, old and new, and why, where whoever did it said so."""
    why = reasons(store)
    for serial, log, events, times in _logs(store, pump_id, ("program_committed", "program_field")):
        commits: dict[int, int] = {}  # by what ties their records together; the newest counts
        at_of: dict[int, int] = {}  # when the commit was of the record of this number
        for event in events:
            if event.kind == "program_committed":
                commits[event.ref] = event.at.total_us
            elif event.kind == "program_field":
                at_of[event.sequence] = commits.get(event.ref, event.at.total_us)
        for one in changes_of(events):
            at_us = at_of[one.sequence]
            head = (serial, log, one.sequence, at_us, _text(times.at(at_us)), one.actor)
            said = why.get((serial, at_us))
            tail = (one.words, one.field, one.index, one.drug or None, one.old, one.new, said)
            yield dict(zip(CHANGES, (*head, *tail), strict=True))


def requests(store: Store, pump_id: int | None) -> Iterator[dict[str, Any]]:
    """Every bolus that was asked for or began, and every command that was refused. What the log counted
    together (`times`) is dated by the first."""
    wanted = ("bolus_started", *_BOLUS_ENDS, *_REFUSED, "repeated")
    for serial, log, events, times in _logs(store, pump_id, wanted):
        ends = _ends(events)
        for event in events:
            row = _request(event, ends)
            if row is not None:
                at_us, *rest = row
                head = (serial, log, event.sequence, at_us, _text(times.at(at_us)), event.actor)
                yield dict(zip(REQUESTS, (*head, *rest), strict=True))


def confirmations(store: Store, pump_id: int | None) -> Iterator[dict[str, Any]]:
    """What a person took upon himself: alarms and faults that were confirmed, soft limits that were passed,
    presses of the pump's button."""
    for serial, log, events, times in _logs(store, pump_id, (*_CONFIRMED, "repeated")):
        for event in events:
            row = _confirmation(event)
            if row is not None:
                at_us, *rest = row
                head = (serial, log, event.sequence, at_us, _text(times.at(at_us)), event.actor)
                yield dict(zip(CONFIRMATIONS, (*head, *rest), strict=True))


def event_of(row: dict[str, Any]) -> Event:
    """A record of the store, as it came over the link."""
    at = Instant(*divmod(row["at_us"], 1_000_000))
    numbers = (row["code"], row["ref"], row["a"], row["b"])
    return Event(row["sequence"], at, row["kind"], row["actor"], *numbers, row["boot"], row["tag"])


def local_times(events: Iterable[Event]) -> LocalTimes:
    """Local time by a log."""
    found = (event for event in events if event.kind == REFERENCE)
    return LocalTimes((one.at.total_us, one.code, one.ref, one.a, one.b) for one in found)


def _logs(
    store: Store, pump_id: int | None, kinds: Sequence[str]
) -> Iterator[tuple[str, int, Log, LocalTimes]]:
    """Of each log its records of these kinds, and its local times."""
    found = rows(store, records, pump_id, (*kinds, REFERENCE))
    for (serial, log), part in groupby(found, lambda row: (row["serial"], row["log"])):
        events = [event_of(row) for row in part]
        yield serial, log, events, local_times(events)


def reasons(store: Store) -> dict[tuple[str, int], str]:
    """Why a program was committed: by the pump's serial number and the instant on its clock."""
    wanted = select(pumps.c.serial, sessions.c.committed_us, sessions.c.reason).join_from(
        sessions, pumps, pumps.c.id == sessions.c.pump_id
    )
    with store.reading() as connection:
        found = connection.execute(wanted.where(sessions.c.reason.is_not(None))).mappings().all()
    every = [checked(sessions, dict(row)) for row in found]
    return {
        (one["serial"], one["committed_us"]): one["reason"]
        for one in every
        if one["committed_us"] is not None
    }


def _text(local: datetime | None) -> str | None:
    return local.isoformat() if local is not None else None


def _ends(events: Log) -> dict[int, tuple[str, int | None]]:
    """How each bolus that began ended, by the number of its first record, and what it gave."""
    running: dict[tuple[int, int], int] = {}
    found: dict[int, tuple[str, int | None]] = {}
    for event in events:
        key = (event.code, event.ref)
        if event.kind == "bolus_started":
            running[key] = event.sequence
        elif event.kind in _BOLUS_ENDS:
            if event.kind == "bolus_interrupted":  # by a reset, which knows no number
                key = next((other for other in running if other[0] == event.code), key)
            if (number := running.pop(key, None)) is not None:
                given_pl = None if event.kind == "bolus_interrupted" else event.a
                found[number] = (_BOLUS_ENDS[event.kind], given_pl)
    return found


def _request(event: Event, ends: dict[int, tuple[str, int | None]]) -> tuple[Any, ...] | None:
    """From the instant on, by REQUESTS."""
    at_us = event.at.total_us
    if event.kind == "bolus_started":
        outcome, given_pl = ends.get(event.sequence, ("running", None))
        return at_us, describe.name(event.code, BOLUS_KINDS), outcome, None, 1, event.a, given_pl
    kind, code, refusal, times, dose_ng = event.kind, event.code, event.b, 1, event.a
    repeats = repeats_of(event)
    if repeats is not None:
        kind, code, refusal, times, dose_ng = (
            repeats.kind or "",
            repeats.code,
            repeats.refusal,
            repeats.count,
            0,
        )
        at_us = repeats.first_s * 1_000_000
    if kind not in _REFUSED or (kind, code) == ("command_refused", PATIENT_BOLUS):
        return None  # the patient's request has a record of its own, bolus_refused
    name = describe.name(code, BOLUS_KINDS if kind == "bolus_refused" else MESSAGES)
    dose = dose_ng if kind == "bolus_refused" and dose_ng else None
    return at_us, name, "refused", describe.name(refusal, REFUSALS), times, dose, None


def _confirmation(event: Event) -> tuple[Any, ...] | None:
    """From the instant on, by CONFIRMATIONS."""
    repeats = repeats_of(event)
    if repeats is not None:
        if repeats.kind != "alarm_confirmed":
            return None
        words = describe.name(repeats.code, ALARMS)
        return repeats.first_s * 1_000_000, _CONFIRMED[repeats.kind], words, repeats.count
    if event.kind not in _CONFIRMED:
        return None
    return event.at.total_us, _CONFIRMED[event.kind], describe.WORDS[event.kind](event), 1
