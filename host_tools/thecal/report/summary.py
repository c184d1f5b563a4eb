"""Page one of the report, and the whole of it: which pump and therapy, the dose now and what changed it,
delivered against prescribed, boluses, reservoir, alarms, the log; then the appendices (`appendix`).

`build` makes a `Report` of a record. Figures are named here and drawn in `figures`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from thecal.eventlog.program_changes import Change, changes_of
from thecal.link.responses.pump import Event
from thecal.report import appendix, bringup, state_blocks
from thecal.report import chain as chains
from thecal.report.blocks import (
    Block,
    Columns,
    Facts,
    Figure,
    Lines,
    Section,
    Table,
    Text,
    about_mass,
)
from thecal.report.course import Course
from thecal.report.flow_file import MeasuredFlow
from thecal.report.period import Period, Window, period_of
from thecal.report.record import CLOCK_NEVER_SET, Record
from thecal.report.whole import Report
from thecal.therapy.program_math import intended_dose
from thecal.therapy.refill_date import highest_use_pl_per_day
from thecal.units.amounts import (
    PL_PER_ML,
    US_PER_S,
    concentration_text,
    fixed_text,
    ratio_text,
    span_text,
)

NOT_A_DEVICE = "Not a medical device: for research and study, not for treating anybody."
_CHANGES_SHOWN = 4
_APART = Fraction(5, 100)  # of a day that is told apart
_DAYS_NAMED = 4
_STATES = {
    "stopped": "The pump is STOPPED: nothing flows until it is resumed.",
    "held": "An alarm HOLDS the pump: it gives the minimum rate, no dose, until the alarm has cleared.",
    "halted": "An alarm HALTS the pump: nothing flows until the alarm has cleared.",
    "fault": "The pump is in FAULT: nothing flows until the fault is cleared.",
    "unprogrammed": "The pump has no program: nothing flows.",
}


def build(
    record: Record,
    key: bytes | None,
    made: datetime,
    measured: MeasuredFlow | None = None,
    window: Window | None = None,
) -> Report:
    """The report of a record. `key`: of the pump's log, None when it is not known here. `measured`: a flow
    that was weighed; of a record without a log nothing else is shown. `window`: of time, None: all of it."""
    chain = chains.check(record, key)
    period = period_of(record, window or Window())
    report = Report(
        title=_title(record, measured),
        subtitle=f"Session report, made {made:%Y-%m-%d %H:%M} from {record.source}",
        record=record,
        chain=chain,
        period=period,
    )
    board = list(bringup.blocks(record.bringup, record.serial))
    if not record.events and (measured is not None or board):
        if measured is not None:
            report.front.append(("Flow accuracy", list(appendix.measured_blocks(report, measured))))
        report.front += [("Bring-up of the board", board)] if board else []
        return report
    report.front = _front(report)
    report.sections = appendix.sections(report, measured)
    report.sections += [("Bring-up of the board", board)] if board else []
    return report


def _title(record: Record, measured: MeasuredFlow | None) -> str:
    if record.serial:
        return f"Pump {record.serial}"
    return "A pump's log" if record.events else "A pump's flow" if measured else "A pump's board"


def _front(report: Report) -> list[Section]:
    return [
        ("", list(_head_blocks(report))),
        ("Dose now, and what changed it", list(_dose_blocks(report))),
        ("Delivered against prescribed", list(_delivery_blocks(report))),
        (
            "",
            [
                Columns(
                    (
                        ("Boluses", list(state_blocks.bolus_blocks(report))),
                        ("Reservoir and refill", list(state_blocks.reservoir_blocks(report))),
                    )
                )
            ],
        ),
        ("Alarms that need action", list(state_blocks.alarm_blocks(report))),
        ("Is the log whole?", list(state_blocks.log_blocks(report.chain))),
        ("", [Lines(("Reviewed by", "Role", "Date", "Signature"))]),
    ]


def _head_blocks(report: Report) -> Iterator[Block]:
    record, period = report.record, report.period
    if record.clock_set is False:
        yield Text(CLOCK_NEVER_SET, "warning")
    rows: list[tuple[str, str]] = []
    if record.pump:
        rows.append(("pump", f"{record.pump}; {record.state}"))
    if record.program:
        drugs = ", ".join(
            f"{x['name']} {concentration_text(x['concentration_ng_per_ml'])}" for x in record.program["drugs"]
        )
        rows.append(("therapy", f"{record.program['name']}: {drugs}"))
    form = "%a %Y-%m-%d %H:%M"
    length = span_text((period.end_us - period.start_us) // US_PER_S)
    begins = f"; begins with {period.begins}" if period.begins and period.begins != "as asked for" else ""
    whose = "" if period.local(period.end_us) else ", by the pump's own clock"
    whose = " (never set)" if record.clock_set is False else whose
    times = f"{period.when(period.start_us, form)} to {period.when(period.end_us, form)}"
    rows.append(("period", f"{times}, {length}{whose}{begins}"))
    if report.chain.standing == "broken":
        yield Text(
            "The log was changed, or something is missing from it: see below, Is the log whole?", "bad"
        )
    yield Facts(rows)


# -- dose


def _dose_blocks(report: Report) -> Iterator[Block]:
    record, program = report.record, report.record.program
    if record.state in _STATES:
        yield Text(_STATES[record.state], "warning" if record.state == "unprogrammed" else "bad")
    if record.program and record.bolus and record.bolus[0] == "bridge":
        yield Text("A bridge runs: the old filling is being pushed out of the catheter.", "warning")
    if program is None and not report.period.courses:
        yield Text(report.period.why or "The record holds no program.", "warning")
    elif program is not None:
        yield Table(*_doses_now(record, program), right=(1, 2, 3), strong=1)
    rows = _steps(report.period)
    if not rows:
        yield Text("The dose did not change in this period.")
        return
    if len(rows) > _CHANGES_SHOWN:
        yield Text(f"The last {_CHANGES_SHOWN} of {len(rows)} changes; see Changes of the program for more.")
    head = ("when", "by", "a day, old", "new", "change", "also changed")
    shown = rows[-_CHANGES_SHOWN:]
    if any(row[-1] for row in shown):
        yield Table((*head, "reason"), shown, right=(2, 3), strong=3)
    else:
        yield Table(head, [row[:-1] for row in shown], right=(2, 3), strong=3)


def _doses_now(record: Record, program: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """By drug: what flows by schedule now, its daily mean, and what a day may come to with every bolus."""
    mean, flows = intended_dose(program), record.state in ("infusing", None)
    primary = program["drugs"][0]["concentration_ng_per_ml"]
    now = mean if record.basal_ng_per_day is None else Fraction(record.basal_ng_per_day)
    most_pl = highest_use_pl_per_day(program)
    rows: list[tuple[str, ...]] = []
    for drug in program["drugs"]:
        share = Fraction(drug["concentration_ng_per_ml"], primary)
        rate = f"{about_mass(now * share)}/day" if flows else "no dose"
        most = most_pl * drug["concentration_ng_per_ml"] / PL_PER_ML
        rows.append((drug["name"], rate, f"{about_mass(mean * share)}/day", f"{about_mass(most)}/day"))
    return ("drug", "basal dose now", "mean by schedule", "at most, with every bolus"), rows


def _steps(period: Period) -> list[tuple[str, ...]]:
    """Each change of the dose: when, by whom, old, new, factor, what else, why."""
    changes: dict[int, list[Change]] = {}
    for change in changes_of(period.record.events):
        changes.setdefault(change.ref, []).append(change)
    rows: list[tuple[int, tuple[str, ...]]] = []
    before: Course | None = None
    for course in period.courses:
        first = course.events[0] if course.events else None
        if first is not None and first.kind == "program_committed" and _within(first, period):
            rows.append((first.at.total_us, _step(period, first, before, course, changes.get(first.ref, []))))
        dose = intended_dose(course.program)
        for event in course.events:
            if event.kind == "plan_step" and _within(event, period):
                cells = (
                    period.when(event.at.total_us),
                    "the plan",
                    *_old_new(dose, Fraction(event.a)),
                    "",
                    "",
                )
                rows.append((event.at.total_us, cells))
                dose = Fraction(event.a)
        before = course
    return [cells for _, cells in sorted(rows, key=lambda row: row[0])]


def _within(event: Event, period: Period) -> bool:
    return period.start_us <= event.at.total_us <= period.end_us


def _old_new(old: Fraction | None, new: Fraction) -> tuple[str, str, str]:
    if old is None:
        return "none", f"{about_mass(new)}/day", "first program known"
    texts = [f"{about_mass(dose)}/day" for dose in (old, new)]
    factor = "" if old == new else f"x {ratio_text(new / old)}" if old and new else "changed"
    return texts[0], texts[1], factor


def _step(
    period: Period, commit: Event, before: Course | None, course: Course, changes: Sequence[Change]
) -> tuple[str, ...]:
    old = intended_dose(before.program) if before else None
    others = [x.words for x in changes if not x.field.startswith(("basal_", "name"))] if before else []
    also = ", ".join(dict.fromkeys(others))
    also = also if len(also) <= 70 else f"{len(set(others))} more settings"
    at = period.when(commit.at.total_us)
    reason = period.record.reasons.get(commit.at.total_us, "")
    return at, commit.actor, *_old_new(old, intended_dose(course.program)), also, reason


# -- delivery


def _delivery_blocks(report: Report) -> Iterator[Block]:
    period = report.period
    if not period.courses:
        yield Text(f"Cannot be told. {period.why}".strip(), "warning")
        return
    prescribed, delivered = period.totals()
    days = max(1e-9, (period.end_us - period.start_us) / (86_400 * US_PER_S))
    if not any(prescribed.values()) and not any(delivered.values()):
        yield Text("Nothing was prescribed in this period, and nothing delivered.")
        return
    if period.end_us - period.start_us >= 3600 * US_PER_S and period.days:
        yield Figure(
            "delivery",
            "Bars: delivered, each calendar day of the pump. Line: prescribed by schedule and accepted "
            "boluses. Of a day that is not whole (hatched), the mean of its hours.",
        )
    else:
        yield Text("Less than an hour: too little to draw.")
    missed = period.missed()
    rows: list[tuple[str, ...]] = []
    for drug in period.drugs:
        planned, given = prescribed[drug], delivered[drug]
        share = f"{fixed_text(100 * given / planned, 1)} %" if planned else "-"
        mean = f"{about_mass(given / days)}/day"
        rows.append((drug, about_mass(planned), about_mass(given), share, mean, about_mass(missed[drug])))
    head = ("drug", "prescribed", "delivered", "delivered, share", "delivered, mean", "not seen to move")
    if not any(missed.values()):
        head, rows = head[:-1], [row[:-1] for row in rows]
    yield Table(head, rows, right=tuple(range(1, len(head))), strong=2)
    yield from _days_apart(period)
    yield from _against_ledger(period, delivered)


def _days_apart(period: Period) -> Iterator[Block]:
    drug = period.drugs[0]
    found = [
        (day.date, day.delivered[drug] / day.prescribed[drug])
        for day in period.days
        if day.prescribed[drug] > 0
        and abs(day.delivered[drug] - day.prescribed[drug]) > float(_APART) * day.prescribed[drug]
    ]
    if found:
        worst = sorted(found, key=lambda x: -abs(x[1] - 1))[:_DAYS_NAMED]
        named = ", ".join(
            f"{date:%a %Y-%m-%d} {fixed_text(100 * share, 1)} %" for date, share in worst if date
        )
        count = "1 day" if len(found) == 1 else f"{len(found)} days"
        more = "; the farthest" if len(found) > _DAYS_NAMED else ""
        yield Text(f"More than 5 % apart on {count}{more}: {named}; see Doses by day.", "warning")


def _against_ledger(period: Period, delivered: Mapping[str, float]) -> Iterator[Block]:
    """The log's tale against the pump's count, where both are of the same time."""
    accounts = period.record.accounts
    if accounts is None or period.clipped or period.begins != "the first program":
        return
    counted: Counter[str] = Counter()
    for filling in accounts["fillings"]:
        pl = (filling["steps"] - filling.get("missed", 0)) * filling["step_volume_pl"]
        for drug in filling["drugs"]:
            counted[drug["name"]] += pl * drug["concentration_ng_per_ml"] / PL_PER_ML
    for drug, ng in counted.items():
        apart, told = ng - delivered.get(drug, 0.0), delivered.get(drug, 0.0)
        if abs(apart) > max(0.005 * max(ng, told), 10 * accounts["step_volume_pl"] * _most_per_pl(accounts)):
            yield Text(
                f"The pump's ledger, which counts every step, has {about_mass(ng)} of {drug}: "
                f"{about_mass(abs(apart))} {'more' if apart > 0 else 'less'} than its log tells.",
                "bad",
            )


def _most_per_pl(accounts: Mapping[str, Any]) -> float:
    found = [x["concentration_ng_per_ml"] for part in accounts["fillings"] for x in part["drugs"]]
    return max(found, default=0) / PL_PER_ML
