"""Programmed and delivered volume over time, from the log since the last program began.

Programmed: what the schedule and every accepted bolus call for had nothing interfered. Delivered, as the log
tells it: the same while delivery flowed, and of boluses what the log says was given. The ledger, which counts
steps, is the truth; this is its course, good to the accuracy of the log's records. Times are microseconds of
the pump's clock, volumes pL.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

from thecal.eventlog.describe import name
from thecal.link.responses.pump import Event
from thecal.report.record import Record
from thecal.therapy.limits import MINIMUM_RATE_PL_PER_DAY
from thecal.units.amounts import PL_PER_ML, US_PER_DAY
from thecal_protocol.messages import BOLUS_KINDS
from thecal_protocol.program import BASAL_CONTINUOUS, BASAL_FLEX, BASAL_MINIMUM

EXCLUSIVE = ("prime", "bridge")
FREE, KEEP_OPEN, HALTED, FAULT = 0, 1, 2, 3  # what an alarm leaves of therapy: all, the minimum rate, nothing
_ENDS = ("bolus_delivered", "bolus_cut_short", "bolus_interrupted")
_FLOWS = {"stopped": 0, "resumed": 1}
_HELD = {"fault_latched": FAULT, "fault_cleared": FREE, "delivery_released": FREE}
_MICROSECOND = timedelta(microseconds=1)
_LEFT_OUT_US = 60_000_000  # over so long a bolus that was left out counts as programmed

Ratio = Callable[[int, int], Any]  # `Fraction`: exact and slow; `_divided`: for plots


class Mark(NamedTuple):
    """Something changes: the basal rate, whether it flows, how far an alarm holds it, or a bolus rate
    (programmed, delivered), pL/us."""

    at_us: int
    what: str  # "basal", "flow", "hold", "exclusive", "bolus"
    value: Any  # as the `Ratio` makes it; of flow, hold and exclusive whole
    other: Any = 0


class Knot(NamedTuple):
    """Both volumes at a time, and the rates with which they go on until the next knot."""

    at_us: int
    programmed: Any
    delivered: Any
    to_plan: Any
    to_give: Any


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
    """What happened since the last program began. `events`: from its commit on.

    Of a course that begins later, `flows` and `basal_ng_per_day` say how it stood then; None: as the
    program says.
    """

    start_us: int
    end_us: int
    program: dict[str, Any]
    boluses: list[Given]
    record: Record
    events: list[Event]
    flows: bool | None = None
    basal_ng_per_day: int | None = None
    hold: int = FREE  # as it stood at its begin
    local: Callable[[int], datetime | None] | None = None  # None: by the clock as it is set now

    def volumes(self, times_us: Sequence[int], *, exact: bool = False) -> tuple[list[Any], list[Any]]:
        """(programmed, delivered) at these times; exact ones are fractions, and slow."""
        knots = _knots(_marks(self, Fraction), self.start_us, Fraction) if exact else self._knots
        starts = [knot.at_us for knot in knots]
        out: tuple[list[Any], list[Any]] = ([], [])
        for time_us in times_us:
            index = bisect_right(starts, time_us) - 1
            if index < 0:
                out[0].append(0)
                out[1].append(0)
                continue
            knot = knots[index]
            out[0].append(knot.programmed + knot.to_plan * (time_us - knot.at_us))
            out[1].append(knot.delivered + knot.to_give * (time_us - knot.at_us))
        return out

    @cached_property
    def _knots(self) -> list[Knot]:
        """Of the plots, which ask again and again."""
        return _knots(_marks(self, _divided), self.start_us, _divided)


def local_of(record: Record, at_us: int) -> datetime | None:
    """Pump local time of an instant, by the clock as it is set now."""
    if record.local is None or record.now_us is None:
        return None
    return record.local + timedelta(microseconds=at_us - record.now_us)


def boluses_of(events: Iterable[Event]) -> list[Given]:
    """Every bolus that began, with its end."""
    found: list[Given] = []
    running: dict[tuple[int, int], Given] = {}
    kinds = dict(BOLUS_KINDS)
    for event in events:
        if event.kind == "bolus_started":
            kind = kinds.get(event.code) or name(event.code, BOLUS_KINDS).replace(" ", "_")
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
    return Course(start_us, max(start_us, end_us), program, boluses_of(events), record, events)


def course_since(record: Record, start_us: int, basal_ng_per_day: int) -> Course | None:
    """The course of the program that runs, from `start_us` on or from its commit, if that is later; None:
    there is none. `basal_ng_per_day`: the basal dose now. Primes and bridges count nothing: they are no dose.
    """
    course, program = course_of(record), record.program
    if program is None or record.now_us is None:
        return None
    if course is None or course.start_us < start_us:
        events = [event for event in record.events if event.at.total_us >= start_us]
        flows, hold = standing_before(events, record.state)
        course = Course(start_us, record.now_us, program, boluses_of(events), record, events, flows)
        course.hold = hold
        course.basal_ng_per_day = _basal_before(events, program, basal_ng_per_day)
    course.boluses = [replace(x, given_pl=0) if x.kind in EXCLUSIVE else x for x in course.boluses]
    return course


def standing_before(events: Iterable[Event], state: str | None) -> tuple[bool, int]:
    """Whether therapy flowed before the first of these records, and how far an alarm held it: what they say
    of it first was not so before. `state`: of the pump after them."""
    flows: bool | None = None
    hold: int | None = None
    for event in events:
        if flows is None and event.kind in _FLOWS:
            flows = not _FLOWS[event.kind]
        if hold is None and (found := hold_of(event)) is not None:
            hold = FREE if found else HALTED
    if flows is None:
        flows = state not in ("stopped", "unprogrammed")
    if hold is None:
        hold = {"held": KEEP_OPEN, "halted": HALTED, "fault": FAULT}.get(state or "", FREE)
    return flows, hold


def _basal_before(events: list[Event], program: dict[str, Any], now_ng_per_day: int) -> int:
    """The basal dose before the first step of a plan among these events."""
    doses = [program["basal_dose_ng_per_day"], *(step["dose_ng_per_day"] for step in program["plan"])]
    for event in events:
        if event.kind == "plan_step" and event.a in doses[1:]:
            return int(doses[doses.index(event.a, 1) - 1])
    return now_ng_per_day


def _marks(course: Course, ratio: Ratio) -> list[Mark]:
    """Everything that changes, in the order of time."""
    marks = [*_basal_marks(course, ratio), *_flow_marks(course)]
    for bolus in course.boluses:
        marks += _bolus_marks(bolus, course, ratio)
    marks += _left_out(course, ratio)
    marks.sort(key=lambda mark: mark.at_us)
    return marks


def _divided(one: int, other: int) -> float:
    return one / other


def _concentration(course: Course) -> int:
    """Of the primary drug, by which doses are meant; ng/mL."""
    return int(course.program["drugs"][0]["concentration_ng_per_ml"])


def _pl_per_us(dose_ng_per_day: int, course: Course, ratio: Ratio) -> Any:
    return ratio(dose_ng_per_day * PL_PER_ML, _concentration(course) * US_PER_DAY)


def _basal_marks(course: Course, ratio: Ratio) -> Iterable[Mark]:
    program, mode = course.program, course.program["basal_mode"]
    if mode == BASAL_CONTINUOUS:
        dose = course.basal_ng_per_day
        dose = program["basal_dose_ng_per_day"] if dose is None else dose
        yield Mark(course.start_us, "basal", _pl_per_us(dose, course, ratio))
        for event in course.events:
            if event.kind == "plan_step":
                yield Mark(event.at.total_us, "basal", _pl_per_us(event.a, course, ratio))
    elif mode == BASAL_MINIMUM:
        yield Mark(course.start_us, "basal", ratio(MINIMUM_RATE_PL_PER_DAY, US_PER_DAY))
    elif mode == BASAL_FLEX:
        yield from _flex_marks(course, ratio)


def _flex_marks(course: Course, ratio: Ratio) -> Iterable[Mark]:
    def local(at_us: int) -> datetime | None:
        return course.local(at_us) if course.local else local_of(course.record, at_us)

    starts = [
        course.start_us,
        *(x.at.total_us for x in course.events if x.kind == "clock_set" and x.at.total_us > course.start_us),
    ]
    for start_us, end_us in pairwise([*starts, course.end_us + 1]):
        if (there := local(start_us)) is not None:  # over a clock that was set, the schedule follows at once
            yield from _flex_span(course, ratio, there, start_us, end_us)


def _flex_span(course: Course, ratio: Ratio, begin: datetime, start_us: int, end_us: int) -> Iterable[Mark]:
    """While the clock goes on: the last step before `start_us` holds there."""
    midnight = datetime.combine(begin.date(), datetime.min.time()) - timedelta(days=7)
    days = (end_us - start_us) // US_PER_DAY + 9
    steps = sorted(course.program["basal_steps"], key=lambda step: step["start_min"])
    for day in range(days):
        date = midnight + timedelta(days=day)
        for step in steps:
            if step["days"] >> date.weekday() & 1:
                at_us = start_us + (date + timedelta(minutes=step["start_min"]) - begin) // _MICROSECOND
                if at_us < end_us:
                    rate = _pl_per_us(step["dose_ng_per_day"], course, ratio)
                    yield Mark(max(at_us, start_us), "basal", rate)


def _flow_marks(course: Course) -> Iterable[Mark]:
    flows = course.program["start_delay_s"] == 0 if course.flows is None else course.flows
    yield Mark(course.start_us, "flow", int(flows))
    yield Mark(course.start_us, "hold", course.hold)
    for event in course.events:
        if event.kind in _FLOWS:
            yield Mark(event.at.total_us, "flow", _FLOWS[event.kind])
        elif (hold := hold_of(event)) is not None:
            yield Mark(event.at.total_us, "hold", hold)


def hold_of(event: Event) -> int | None:
    """How far an alarm holds therapy from this record on; None: it says nothing of it."""
    if event.kind == "delivery_held":
        return KEEP_OPEN if event.b == KEEP_OPEN else HALTED
    return _HELD.get(event.kind)


def _bolus_marks(bolus: Given, course: Course, ratio: Ratio) -> Iterable[Mark]:
    """Programmed evenly over its duration; given evenly until its end."""
    at_us = bolus.at_us
    end_us = course.end_us if bolus.end_us is None else bolus.end_us
    duration_us, lasted_us = max(1, bolus.duration_us), max(1, end_us - at_us)
    wanted, per_pl = (bolus.dose_ng * PL_PER_ML, _concentration(course))  # their quotient is in pL
    if bolus.kind in EXCLUSIVE:
        wanted, per_pl = bolus.given_pl or 0, 1
        yield Mark(at_us, "exclusive", 1)
        yield Mark(end_us, "exclusive", -1)
    programmed = ratio(wanted, per_pl * duration_us)
    if bolus.given_pl is None:  # nobody counted: as programmed, and no more than that
        delivered = ratio(wanted, per_pl * max(duration_us, lasted_us))
    else:
        delivered = ratio(bolus.given_pl, lasted_us)
    yield Mark(at_us, "bolus", programmed, delivered)
    yield Mark(at_us + duration_us, "bolus", -programmed)
    yield Mark(at_us + lasted_us, "bolus", 0, -delivered)


def _left_out(course: Course, ratio: Ratio) -> Iterable[Mark]:
    """A scheduled bolus that fell into a stop: programmed, never given."""
    for event in course.events:
        if event.kind == "bolus_left_out":
            rate = ratio(event.a * PL_PER_ML, _concentration(course) * _LEFT_OUT_US)
            yield Mark(event.at.total_us, "bolus", rate)
            yield Mark(event.at.total_us + _LEFT_OUT_US, "bolus", -rate)


def _knots(marks: list[Mark], start_us: int, ratio: Ratio) -> list[Knot]:
    """Both volumes at every mark: between marks they are straight lines."""
    keep_open = ratio(MINIMUM_RATE_PL_PER_DAY, US_PER_DAY)
    basal: Any = 0
    extra: Any = 0
    given: Any = 0
    programmed: Any = 0
    delivered: Any = 0
    to_plan: Any = 0
    to_give: Any = 0
    flow = exclusive = hold = 0
    at_us = start_us
    knots: list[Knot] = []
    for mark in marks:
        if mark.at_us > at_us:
            span = mark.at_us - at_us
            programmed, delivered = programmed + to_plan * span, delivered + to_give * span
            at_us = mark.at_us
        if mark.what == "bolus":
            extra, given = extra + mark.value, given + mark.other
        elif mark.what == "basal":
            basal = mark.value
        elif mark.what == "flow":
            flow = mark.value
        elif mark.what == "hold":
            hold = mark.value
        else:
            exclusive += mark.value
        alone = 0 if exclusive else basal
        let = alone if hold == FREE else min(alone, keep_open) if hold == KEEP_OPEN else 0
        to_plan, to_give = alone + extra, (let if flow else 0) + given
        knots.append(Knot(at_us, programmed, delivered, to_plan, to_give))
    return knots
