"""Programmed and delivered volume over time, from the log since the last program began.

Programmed: what the schedule and every accepted bolus call for had nothing interfered. Delivered, as the log
tells it: the same while delivery flowed, and of boluses what the log says was given. The ledger, which counts
steps, is the truth; this is its course, good to the accuracy of the log's records. Times are microseconds of
the pump's clock, volumes pL.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

from thecal.amounts import PL_PER_ML, US_PER_DAY
from thecal.answers import Event
from thecal.log_text import name
from thecal.ranges import MINIMUM_RATE_PL_PER_DAY
from thecal.report.record import Record
from wire.messages import BOLUS_KINDS
from wire.therapy import BASAL_CONTINUOUS, BASAL_FLEX, BASAL_MINIMUM

EXCLUSIVE = ("prime", "bridge")
_ENDS = ("bolus_delivered", "bolus_cut_short", "bolus_interrupted")
_HALTS = ("stopped", "delivery_held", "fault_latched")
_GOES_ON = ("resumed", "delivery_released")


class Mark(NamedTuple):
    """Something changes: the basal rate, whether it flows, or a bolus rate (programmed, delivered), pL/us."""

    at_us: int
    what: str  # "basal", "flow", "exclusive", "bolus"
    value: Fraction
    other: Fraction = Fraction(0)


@dataclass
class Given:
    """A bolus that began. `given_pl` None: it still runs, or a reset ended it and nobody counted."""

    kind: str
    at_us: int
    dose_ng: int
    duration_us: int
    end_us: int | None = None
    given_pl: int | None = None
    how: str = "running"


@dataclass
class Course:
    """What happened since the last program began."""

    start_us: int
    end_us: int
    program: dict[str, Any]
    boluses: list[Given]
    marks: list[Mark] = field(default_factory=list[Mark])

    def volumes(self, times_us: Sequence[int], *, exact: bool = False) -> tuple[list[Any], list[Any]]:
        """(programmed, delivered) at these ascending times; exact ones are fractions, and slow."""
        return _swept(self.marks, self.start_us, times_us, exact)


def local_of(record: Record, at_us: int) -> datetime | None:
    """Pump local time of an instant, by the clock as it is set now."""
    if record.local is None or record.now_us is None:
        return None
    return record.local + timedelta(microseconds=at_us - record.now_us)


def boluses_of(events: Iterable[Event]) -> list[Given]:
    """Every bolus that began, with its end."""
    found: list[Given] = []
    running: dict[tuple[int, int], Given] = {}
    for event in events:
        if event.kind == "bolus_started":
            kind = name(event.code, BOLUS_KINDS).replace(" ", "_")
            bolus = Given(kind, event.at.total_us, event.a, event.b)
            found.append(bolus)
            running[event.code, event.ref] = bolus
        elif event.kind in _ENDS:
            key = (event.code, event.ref)
            if event.kind == "bolus_interrupted":  # by a reset, which knows no number
                key = next((key for key in running if key[0] == event.code), key)
            bolus = running.pop(key, None)
            if bolus is not None:
                bolus.end_us, bolus.how = event.at.total_us, event.kind.removeprefix("bolus_")
                bolus.given_pl = None if bolus.how == "interrupted" else event.a
    return found


def course_of(record: Record) -> Course | None:
    """The course since the last program's commit; None: the log does not reach back to one."""
    program = record.program
    commits = [index for index, event in enumerate(record.events) if event.kind == "program_committed"]
    if program is None or not commits:
        return None
    events = record.events[commits[-1] :]
    start_us, end_us = events[0].at.total_us, record.now_us or record.events[-1].at.total_us
    course = Course(start_us, max(start_us, end_us), program, boluses_of(events))
    course.marks += _basal_marks(record, course, events)
    course.marks += _flow_marks(program, events, start_us)
    for bolus in course.boluses:
        course.marks += _bolus_marks(bolus, course)
    course.marks += _left_out(course, events)
    course.marks.sort(key=lambda mark: mark.at_us)
    return course


def _pl_per_us(dose_ng_per_day: int, program: dict[str, Any]) -> Fraction:
    concentration = program["drugs"][0]["concentration_ng_per_ml"]
    return Fraction(dose_ng_per_day * PL_PER_ML, concentration * US_PER_DAY)


def _basal_marks(record: Record, course: Course, events: list[Event]) -> Iterable[Mark]:
    program, mode = course.program, course.program["basal_mode"]
    if mode == BASAL_CONTINUOUS:
        yield Mark(course.start_us, "basal", _pl_per_us(program["basal_dose_ng_per_day"], program))
        for event in events:
            if event.kind == "plan_step":
                yield Mark(event.at.total_us, "basal", _pl_per_us(event.a, program))
    elif mode == BASAL_MINIMUM:
        yield Mark(course.start_us, "basal", Fraction(MINIMUM_RATE_PL_PER_DAY, US_PER_DAY))
    elif mode == BASAL_FLEX:
        yield from _flex_marks(record, course)


def _flex_marks(record: Record, course: Course) -> Iterable[Mark]:
    program = course.program
    begin = local_of(record, course.start_us)
    if begin is None:
        return
    midnight = datetime.combine(begin.date(), datetime.min.time()) - timedelta(days=7)
    days = (course.end_us - course.start_us) // US_PER_DAY + 9
    for day in range(days):
        date = midnight + timedelta(days=day)
        for step in sorted(program["basal_steps"], key=lambda x: x["start_min"]):
            if step["days"] >> date.weekday() & 1:
                at = date + timedelta(minutes=step["start_min"])
                at_us = course.start_us + round((at - begin) / timedelta(microseconds=1))
                if at_us <= course.end_us:  # those before the start come first: the last of them holds
                    rate = _pl_per_us(step["dose_ng_per_day"], program)
                    yield Mark(max(at_us, course.start_us), "basal", rate)


def _flow_marks(program: dict[str, Any], events: list[Event], start_us: int) -> Iterable[Mark]:
    yield Mark(start_us, "flow", Fraction(program["start_delay_s"] == 0))
    for event in events:
        if event.kind in _HALTS:
            yield Mark(event.at.total_us, "flow", Fraction(0))
        elif event.kind in _GOES_ON:
            yield Mark(event.at.total_us, "flow", Fraction(1))


def _bolus_marks(bolus: Given, course: Course) -> Iterable[Mark]:
    """Programmed evenly over its duration; given evenly until its end."""
    end_us = course.end_us if bolus.end_us is None else bolus.end_us
    duration_us = max(1, bolus.duration_us)
    if bolus.kind in EXCLUSIVE:
        wanted_pl = Fraction(bolus.given_pl or 0)
        yield Mark(bolus.at_us, "exclusive", Fraction(1))
        yield Mark(end_us, "exclusive", Fraction(-1))
    else:
        wanted_pl = _pl_per_us(bolus.dose_ng, course.program) * US_PER_DAY
    programmed = wanted_pl / duration_us
    yield Mark(bolus.at_us, "bolus", programmed)
    yield Mark(bolus.at_us + duration_us, "bolus", -programmed)
    lasted_us = max(1, end_us - bolus.at_us)
    given_pl = bolus.given_pl
    if given_pl is None:
        given_pl = min(wanted_pl, programmed * lasted_us)
    delivered = Fraction(given_pl) / lasted_us
    yield Mark(bolus.at_us, "bolus", Fraction(0), delivered)
    yield Mark(bolus.at_us + lasted_us, "bolus", Fraction(0), -delivered)


def _left_out(course: Course, events: list[Event]) -> Iterable[Mark]:
    """A scheduled bolus that fell into a stop: programmed, never given."""
    for event in events:
        if event.kind == "bolus_left_out":
            rate = _pl_per_us(event.a, course.program) * US_PER_DAY / 60_000_000
            yield Mark(event.at.total_us, "bolus", rate)
            yield Mark(event.at.total_us + 60_000_000, "bolus", -rate)


def _swept(
    marks: list[Mark], start_us: int, times_us: Sequence[int], exact: bool
) -> tuple[list[Any], list[Any]]:
    """Both volumes at each time: between marks they are straight lines."""
    number: Any = Fraction if exact else float
    basal, flow, exclusive, extra, given = number(0), False, 0, number(0), number(0)
    knots: list[tuple[int, Any, Any, Any, Any]] = []  # (at, programmed, delivered, and their rates)
    at_us, programmed, delivered, to_plan, to_give = start_us, number(0), number(0), number(0), number(0)
    last_us = times_us[-1] if times_us else start_us
    for mark in marks:
        if mark.at_us > last_us:
            break
        if mark.at_us > at_us:
            span = mark.at_us - at_us
            programmed, delivered = programmed + to_plan * span, delivered + to_give * span
            at_us = mark.at_us
        if mark.what == "basal":
            basal = number(mark.value)
        elif mark.what == "flow":
            flow = bool(mark.value)
        elif mark.what == "exclusive":
            exclusive += int(mark.value)
        else:
            extra, given = extra + number(mark.value), given + number(mark.other)
        alone = number(0) if exclusive else basal
        to_plan, to_give = alone + extra, (alone if flow else number(0)) + given
        knots.append((at_us, programmed, delivered, to_plan, to_give))
    starts = [knot[0] for knot in knots]
    out: tuple[list[Any], list[Any]] = ([], [])
    for time_us in times_us:
        index = bisect_right(starts, time_us) - 1
        if index < 0:
            out[0].append(number(0))
            out[1].append(number(0))
            continue
        at_us, programmed, delivered, to_plan, to_give = knots[index]
        out[0].append(programmed + to_plan * (time_us - at_us))
        out[1].append(delivered + to_give * (time_us - at_us))
    return out
