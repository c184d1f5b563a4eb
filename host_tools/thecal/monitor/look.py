"""What the live monitor knows of a pump: one look after the other, each asking only for what may be new.

The rolling windows are worked out from the pump's log and program, as the report does it
(thecal.report.course): to a step or two what the motor gave, stops and schedule heeded. The protocol tells
no windows; the pump keeps its own, which also look ahead (docs/explanation/dosing.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from thecal.commands.alarm_view import AlarmView
from thecal.commands.log import Selection
from thecal.commands.status import Snapshot
from thecal.link.responses.pump import Event
from thecal.pump import Pump
from thecal.report.course import course_since
from thecal.report.record import Record
from thecal.units.amounts import PL_PER_ML, US_PER_S
from thecal_protocol.codec import number_of
from thecal_protocol.messages import BOLUS_KINDS

DAY_US = 86_400 * US_PER_S
HOUR_US = 3600 * US_PER_S
KEPT = 2000  # records held at most
_BACK_US = 2 * DAY_US  # so far back the log is read: boluses that reach into the last day began after that
_FIRST = 200  # records asked for at the start
_PATIENT = number_of(BOLUS_KINDS, "patient_bolus")
_RESTART_LOCKOUT = ("program_committed", "refilled")  # so does an accepted patient's bolus


@dataclass(frozen=True)
class Window:
    """What of one drug was given in a rolling window, against its limit."""

    drug: str
    hours: int
    given_ng: float
    limit_ng: int  # 0: there is none
    whole: bool = True  # else another program gave some too, which this computer cannot tell: at least this


@dataclass(frozen=True)
class PatientBolus:
    """What the prescription allows, and how much of it is taken."""

    dose_ng: int
    duration_us: int
    given_24h: int
    max_24h: int
    lockout_left_us: int


@dataclass(frozen=True)
class Look:
    """A pump at one instant, with what led there."""

    snapshot: Snapshot
    alarms: AlarmView
    program: dict[str, Any] | None
    events: list[Event]  # oldest first
    windows: list[Window]
    patient: PatientBolus | None


class Looking:
    """Looks at one pump again and again. Not for use from several threads."""

    def __init__(self, pump: Pump) -> None:
        self.pump = pump
        self._last: Snapshot | None = None
        self._events: list[Event] | None = None

    def look(self) -> Look:
        """The pump now. LinkError, PortError: it does not answer, or the port is gone."""
        pump, client = self.pump, self.pump.client
        snapshot = self._last = Snapshot.take(pump.port, client, pump.hello, self._last)
        program = dict(snapshot.program) if snapshot.program else None
        events = self._new_events(snapshot)
        windows = windows_of(snapshot, program, events)
        return Look(snapshot, snapshot.view, program, events, windows, patient_of(snapshot, program, events))

    def _new_events(self, snapshot: Snapshot) -> list[Event]:
        """At first the last two days' records, afterwards what has come since."""
        if self._events is None:
            since_us = snapshot.status.now.total_us - _BACK_US
            count = _FIRST
            while True:
                self._events = Selection(count=count).read(self.pump.client)
                whole = len(self._events) < count or self._events[0].at.total_us < since_us
                if whole or count >= KEPT:
                    return self._events
                count *= 2
        last = self._events[-1].sequence if self._events else 0
        if snapshot.status.next_event > last + 1:
            self._events = (self._events + self.pump.client.events(last + 1))[-KEPT:]
        return self._events


def windows_of(snapshot: Snapshot, program: dict[str, Any] | None, events: list[Event]) -> list[Window]:
    """For every drug its 24 h and, where that has a limit, its hour."""
    status = snapshot.status
    now_us = status.now.total_us
    record = Record("", events, state=status.state, local=snapshot.local, now_us=now_us, program=program)
    course = course_since(record, max(0, now_us - _BACK_US), status.basal_ng_per_day)
    if program is None or course is None:
        return []
    found: list[Window] = []
    for hours, name in ((24, "max_dose_24h_ng"), (1, "max_dose_1h_ng")):
        since_us = now_us - hours * HOUR_US
        _, (before, now) = course.volumes([since_us, now_us])
        for drug in program["drugs"]:
            if hours == 24 or drug[name]:
                given_ng = (now - before) * drug["concentration_ng_per_ml"] / PL_PER_ML
                whole = course.start_us <= since_us or _first_program(events)
                found.append(Window(drug["name"], hours, given_ng, drug[name], whole))
    return found


def _first_program(events: list[Event]) -> bool:
    """Whether nothing was given before the program that runs: the log is known from its begin on."""
    commits = sum(event.kind == "program_committed" for event in events)
    return bool(events) and events[0].sequence == 1 and commits == 1


def patient_of(
    snapshot: Snapshot, program: dict[str, Any] | None, events: list[Event]
) -> PatientBolus | None:
    """The patient's bolus by the prescription, from the records of the last day; None: none is prescribed."""
    if program is None or not program["patient_bolus"]:
        return None
    rule = program["patient_bolus"][0]
    now_us = snapshot.status.now.total_us
    starts = [e.at.total_us for e in events if e.kind == "bolus_started" and e.code == _PATIENT]
    resets = starts + [event.at.total_us for event in events if event.kind in _RESTART_LOCKOUT]
    left_us = max(resets, default=now_us - rule["lockout_us"]) + rule["lockout_us"] - now_us
    return PatientBolus(
        rule["dose_ng"],
        rule["duration_us"],
        sum(now_us - start < DAY_US for start in starts),
        rule["max_per_24h"],
        max(0, left_us),
    )
