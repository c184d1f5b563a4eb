"""The one window of time of a report, and what was prescribed and delivered in it, by drug and calendar day.

Prescribed: what schedule and accepted boluses call for had nothing interfered. Delivered: what the log tells
was given, less what was counted and not seen to move. A bridge counts by the old drug that it pushes out of
the catheter, a prime as no dose. Doses are ng, good to the accuracy of the log's records.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any

from thecal.errors import ThecalError
from thecal.eventlog.local_times import REFERENCE, LocalTimes
from thecal.eventlog.text import instant_text
from thecal.link.responses.pump import Event, Instant
from thecal.report.course import EXCLUSIVE, Course, Given, boluses_of, hold_of, standing_before
from thecal.report.programs import Era, eras
from thecal.report.record import Record
from thecal.units.amounts import PL_PER_ML, US_PER_DAY, US_PER_S
from thecal_protocol.messages import DOSE_RECORDS, EVENT_KINDS

_DOSE_KINDS = frozenset(name for number, name in EVENT_KINDS if number in DOSE_RECORDS)
_MOST_DAYS = 4_000  # bars of a figure; a longer window (a clock that jumped) has none


@dataclass(frozen=True)
class Window:
    """What is asked for, in pump local time; None: as far as the record goes."""

    since: datetime | None = None
    until: datetime | None = None
    last_us: int | None = None


@dataclass(frozen=True)
class Day:
    """A calendar day of the pump, as far as the window covers it. Doses by drug, ng."""

    start_us: int
    end_us: int
    date: datetime | None  # its midnight; None: the log tells no local time
    number: int  # from 1
    prescribed: Mapping[str, float]
    delivered: Mapping[str, float]

    @property
    def whole(self) -> bool:
        """Whether all of it is in the window, to a minute; over a change of the clock 22 h are a day too."""
        return self.end_us - self.start_us > 22 * 3600 * US_PER_S

    def rate(self, doses: Mapping[str, float], drug: str) -> float:
        """As ng a day: of a part of a day, over the time that it covers."""
        return doses.get(drug, 0.0) * US_PER_DAY / max(1, self.end_us - self.start_us)


@dataclass(frozen=True)
class _Bridge:
    """The old drug that a bridge pushes out of the catheter."""

    start_us: int
    end_us: int
    ng: Mapping[str, float]

    def upto(self, at_us: int) -> float:
        """Its part by then."""
        return min(1.0, max(0.0, (at_us - self.start_us) / max(1, self.end_us - self.start_us)))


@dataclass
class Period:
    """From `start_us` to `end_us` of the pump's clock. `courses`: of the programs, oldest first; empty: none
    is known, and then `why` says so."""

    record: Record
    start_us: int
    end_us: int
    begins: str  # why it begins there, in words
    times: LocalTimes
    events: list[Event]  # of the window
    courses: list[Course]
    why: str = ""
    clipped: bool = False  # to less than the record has
    counted: list[Course] = field(
        default_factory=list[Course]
    )  # the same with primes and bridges, for volumes
    bridges: list[_Bridge] = field(default_factory=list[_Bridge])

    def local(self, at_us: int) -> datetime | None:
        """Pump local time then, as its clock was set then."""
        local = self.times.at(at_us)
        if local is None and self.record.local is not None and self.record.now_us is not None:
            return self.record.local + timedelta(microseconds=at_us - self.record.now_us)
        return local

    def when(self, at_us: int, form: str = "%Y-%m-%d %H:%M") -> str:
        """An instant for people: pump local time, else its clock since it was first started."""
        local = self.local(at_us)
        return f"{local:{form}}" if local is not None else instant_text(Instant(*divmod(at_us, US_PER_S)))

    @property
    def drugs(self) -> list[str]:
        """Every drug of the window, in the order in which they came."""
        names = [drug["name"] for course in self.courses for drug in course.program["drugs"]]
        names += [name for bridge in self.bridges for name in bridge.ng]
        return list(dict.fromkeys(names))

    @cached_property
    def boluses(self) -> list[Given]:
        """Every bolus that began in the window."""
        if not self.courses:
            return boluses_of(self.events)
        found = (bolus for course in self.counted for bolus in course.boluses)
        return [bolus for bolus in found if self.start_us <= bolus.at_us <= self.end_us]

    @cached_property
    def days(self) -> list[Day]:
        """The calendar days of the window; empty where no program is known."""
        if not self.courses or self.end_us <= self.start_us:
            return []
        marks = self._midnights()
        if len(marks) > _MOST_DAYS:
            return []
        doses = [self.doses(at_us) for at_us in marks]
        found: list[Day] = []
        for number, (start_us, end_us) in enumerate(pairwise(marks), 1):
            before, after = doses[number - 1], doses[number]
            parts = [{name: after[k][name] - before[k][name] for name in after[k]} for k in (0, 1)]
            local = self.local(start_us)
            date = datetime.combine(local.date(), datetime.min.time()) if local else None
            found.append(Day(start_us, end_us, date, number, *parts))
        return found

    def _midnights(self) -> list[int]:
        """Begin, every midnight between, end."""
        begin, end = self.local(self.start_us), self.local(self.end_us)
        if begin is None or end is None:
            inner = range(self.start_us + US_PER_DAY, self.end_us, US_PER_DAY)
            return [self.start_us, *inner[:_MOST_DAYS], self.end_us]
        count = min(_MOST_DAYS, max(0, (end.date() - begin.date()).days))
        midnight = datetime.combine(begin.date(), datetime.min.time())
        inner = [self._instant(midnight + timedelta(days=n)) for n in range(1, count + 1)]
        return [self.start_us, *sorted({x for x in inner if self.start_us < x < self.end_us}), self.end_us]

    def _instant(self, local: datetime) -> int:
        at_us = self.times.instants(local)
        if at_us is None:  # by the clock as it is set now
            assumed = self.local(0)
            return (local - (assumed or local)) // timedelta(microseconds=1)
        return at_us

    def doses(self, at_us: int) -> tuple[dict[str, float], dict[str, float]]:
        """(prescribed, delivered) by drug since the first course began."""
        prescribed: dict[str, float] = dict.fromkeys(self.drugs, 0.0)
        delivered: dict[str, float] = dict.fromkeys(self.drugs, 0.0)
        for course in self.courses:
            if course.start_us > at_us:
                break
            upto = min(at_us, course.end_us)
            [planned], [given] = course.volumes([upto])
            given -= self._missed(course)(upto)
            for drug in course.program["drugs"]:
                per_pl = drug["concentration_ng_per_ml"] / PL_PER_ML
                prescribed[drug["name"]] += planned * per_pl
                delivered[drug["name"]] += given * per_pl
        for bridge in self.bridges:
            for name, ng in bridge.ng.items():
                prescribed[name] += ng * bridge.upto(at_us)
                delivered[name] += ng * bridge.upto(at_us)
        return prescribed, delivered

    def _missed(self, course: Course) -> Any:
        if id(course) not in self._missing:
            self._missing[id(course)] = missed_of(course)
        return self._missing[id(course)]

    @cached_property
    def _missing(self) -> dict[int, Any]:
        return {}

    def missed(self) -> dict[str, float]:
        """Of each drug what was counted in the window and not seen to move; it is not among the delivered."""
        found = dict.fromkeys(self.drugs, 0.0)
        for course in self.courses:
            missed = self._missed(course)
            begin_us, end_us = max(self.start_us, course.start_us), min(self.end_us, course.end_us)
            if end_us > begin_us:
                for drug in course.program["drugs"]:
                    per_pl = drug["concentration_ng_per_ml"] / PL_PER_ML
                    found[drug["name"]] += (missed(end_us) - missed(begin_us)) * per_pl
        return found

    def totals(self) -> tuple[dict[str, float], dict[str, float]]:
        """(prescribed, delivered) by drug over the window."""
        before, after = self.doses(self.start_us), self.doses(self.end_us)
        one, other = ({name: after[k][name] - before[k][name] for name in after[k]} for k in (0, 1))
        return one, other


def missed_of(course: Course) -> Any:
    """What was counted and not seen to move, pL, as a function of the time: known at each stall and at its
    end, spread evenly between. In one that stands, nothing moves."""
    marks: list[tuple[int, float]] = [(course.start_us, 0.0)]
    standing = False
    for event in course.events:
        if event.kind in ("motor_stalled", "motor_recovered"):
            at_us = event.at.total_us
            if event.kind == "motor_stalled" and not standing:
                marks.append((at_us, marks[-1][1]))
            marks.append((at_us, float(event.b)))
            standing = event.kind == "motor_stalled"
    starts = [at_us for at_us, _ in marks]

    def missed(at_us: int) -> float:
        index = bisect_right(starts, at_us) - 1
        if index < 0:
            return 0.0
        begin_us, pl = marks[index]
        if index + 1 == len(marks):
            if not standing:
                return pl
            _, (then, now) = course.volumes([begin_us, at_us])
            return pl + now - then
        end_us, more = marks[index + 1]
        return pl + (more - pl) * (at_us - begin_us) / max(1, end_us - begin_us)

    return missed


def period_of(record: Record, window: Window) -> Period:
    """The window of a record. ThecalError: nothing of the record is in it."""
    events = record.events
    end_us = record.now_us if record.now_us is not None else events[-1].at.total_us if events else 0
    if events:
        end_us = max(end_us, events[-1].at.total_us) if record.now_us is None else end_us
    references = (x for x in events if x.kind == REFERENCE)
    times = LocalTimes((x.at.total_us, x.code, x.ref, x.a, x.b) for x in references)
    known = eras(events, record.program)
    start_us, begins, why = _known_from(record, known)
    period = Period(record, start_us, max(start_us, end_us), begins, times, events, [], why)
    _clip(period, window)
    period.counted = list(_courses(period, known))
    period.courses = [_without_exclusive(course) for course in period.counted]
    period.bridges = list(_bridges(period, known))
    period.events = [x for x in events if period.start_us <= x.at.total_us <= period.end_us]
    return period


def _known_from(record: Record, known: Sequence[Era]) -> tuple[int, str, str]:
    """From when on the record tells what was prescribed and given; in words why; and what is missing."""
    events = record.events
    if not events:
        return record.now_us or 0, "", "There are no records."
    covered_us, whole = _covered(record)
    if not known:
        why = (
            "The pump has no program."
            if record.state == "unprogrammed"
            else "Lines of a log hold no program, and these do not begin with a pump's first one."
        )
        return covered_us, "the oldest record that there is", why
    first = known[0]
    if first.commit is not None and first.commit.at.total_us >= covered_us:
        before = [x for x in events if x.kind == "program_committed" and x.at < first.commit.at]
        words = "the program before it is not on record" if before else "the first program"
        return first.commit.at.total_us, words, ""
    return (
        covered_us,
        "the oldest record that the pump keeps" if whole else "the oldest record that there is",
        "",
    )


def _covered(record: Record) -> tuple[int, bool]:
    """From when on no record of a dose is missing at the beginning."""
    events = record.events
    start_us = events[0].at.total_us
    state = record.log_state
    if state is None:
        return start_us, False
    for ring in ("doses", "events"):
        first = getattr(state, ring).first
        gone = any(getattr(state, ring).before)
        if not gone:
            continue
        if ring == "events" and not any(x.ring == "events" and x.kind in _DOSE_KINDS for x in events):
            continue  # none of a dose ever had to go there
        found = next((x.at.total_us for x in events if x.sequence >= first and x.ring == ring), start_us)
        start_us = max(start_us, found)
    return start_us, True


def _clip(period: Period, window: Window) -> None:
    """To what was asked for."""
    if window == Window():
        return
    local = period.local(period.start_us)
    start_us, end_us = period.start_us, period.end_us
    if window.last_us is not None:
        start_us = max(start_us, end_us - window.last_us)
    for at, bound in ((window.since, "since"), (window.until, "until")):
        if at is None:
            continue
        if local is None:
            raise ThecalError("the record tells no local time", "leave out --from and --to, or use --last")
        at_us = period._instant(at)  # pyright: ignore[reportPrivateUsage]
        start_us, end_us = (
            (max(start_us, at_us), end_us) if bound == "since" else (start_us, min(end_us, at_us))
        )
    has = f"it tells of {period.when(period.start_us)} to {period.when(period.end_us)}"
    if end_us <= start_us and period.end_us > period.start_us:
        raise ThecalError(
            "the record has nothing of this window", f"{has}; say another, or leave it out for all of that"
        )
    period.clipped = (start_us, end_us) != (period.start_us, period.end_us)
    if start_us != period.start_us:
        period.begins = "as asked for"
    period.start_us, period.end_us = start_us, end_us


def _courses(period: Period, known: Sequence[Era]) -> Iterator[Course]:
    """Of each program, as far as it is in the record."""
    record, hold = period.record, 0
    starts = [era.commit.at.total_us if era.commit else None for era in known]
    end_of_all = record.now_us if record.now_us is not None else period.end_us
    for index, era in enumerate(known):
        at_us = starts[index]
        following = starts[index + 1] if index + 1 < len(known) else None
        end_us = following if following is not None else max(end_of_all, at_us or 0)
        events = list(era.events)
        begin_us = at_us if at_us is not None else events[0].at.total_us
        flows = None
        if at_us is None:
            flows, hold = standing_before(events, record.state if following is None else "infusing")
        boluses = boluses_of(events)
        course = Course(begin_us, max(begin_us, end_us), dict(era.program), boluses, record, events, flows)
        course.hold, course.local = hold, period.local
        if at_us is None and following is None:
            course.basal_ng_per_day = record.basal_ng_per_day
        for event in events:
            found = hold_of(event)
            hold = hold if found is None else found
        yield course


def _without_exclusive(course: Course) -> Course:
    """Of doses: what is no dose counts nothing. The same course, where there is nothing of that."""
    if not any(bolus.kind in EXCLUSIVE for bolus in course.boluses):
        return course
    kept = [replace(x, given_pl=0) if x.kind in EXCLUSIVE else x for x in course.boluses]
    return replace(course, boluses=kept)


def _bridges(period: Period, known: Sequence[Era]) -> Iterator[_Bridge]:
    """Each by the drugs of the program before it."""
    for index, (era, course) in enumerate(zip(known, period.counted, strict=True)):
        old = known[index - 1].program["drugs"] if index else None
        for bolus in course.boluses:
            if bolus.kind != "bridge":
                continue
            pl, end_us = bolus.given_pl, bolus.end_us
            if pl is None:
                running = period.record.bolus
                pl = running[1] if running and running[0] == "bridge" and index + 1 == len(known) else 0
            drugs = old or [
                era.program["drugs"][0] | {"concentration_ng_per_ml": x["concentration_ng_per_ml"]}
                for x in era.program["bridge"]
            ]
            ng = {x["name"]: pl * x["concentration_ng_per_ml"] / PL_PER_ML for x in drugs}
            yield _Bridge(bolus.at_us, end_us if end_us is not None else period.end_us, ng)
