"""What stands behind page one: settings, changes, doses by day, events that matter, alarms, refills, flow
accuracy, the pump's ledger, the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from thecal.eventlog.describe import name
from thecal.eventlog.program_changes import changes_of
from thecal.eventlog.repeats import repeats_of
from thecal.eventlog.text import details
from thecal.link.responses.pump import Event
from thecal.report import words
from thecal.report.blocks import Block, Facts, Figure, Section, Table, Text, about_mass
from thecal.report.trumpet import AMBULATORY_EVERY_US, Trumpet, ambulatory
from thecal.report.whole import Report
from thecal.units.amounts import (
    PL_PER_ML,
    count_text,
    duration_text,
    fixed_text,
    mass_text,
    volume_rate_text,
    volume_text,
)
from thecal_protocol.messages import ALARMS, BOLUS_KINDS

if TYPE_CHECKING:
    from thecal.report.course import Course
    from thecal.report.flow_file import MeasuredFlow
    from thecal.report.period import Period
    from thecal.report.record import Record

_EVENTS_SHOWN = 40
_ALARMS_SHOWN = 25
_CHANGES_SHOWN = 60
_DAYS_SHOWN = 62
_FLAWS_SHOWN = 20
_ROUTINE = ("bolus_started", "bolus_delivered")  # of what comes often; what was cut short is told
_OFTEN = ("patient_bolus", "periodic_bolus")

# What an event is for a person, where its own name says less. Those of no weight by themselves are below.
_WORDS = {
    "boot": "started",
    "restored": "went on after a reset",
    "program_committed": "programmed",
    "stopped": "stopped",
    "resumed": "resumed",
    "bolus_started": "bolus began",
    "bolus_delivered": "bolus given",
    "bolus_cut_short": "bolus cut short",
    "bolus_interrupted": "bolus interrupted",
    "bolus_left_out": "bolus left out",
    "clock_set": "clock set",
    "refilled": "refilled",
    "refill_checked": "refill checked",
    "refill_measured": "measured after filling",
    "refill_lapsed": "refill lapsed",
    "plan_step": "plan went on",
    "plan_cancelled": "plan ended",
    "implant_flag_set": "implant said",
    "fault": "fault",
    "fault_latched": "fault latched",
    "fault_cleared": "fault cleared",
    "motor_stalled": "motor stalled",
    "motor_recovered": "motor moves again",
    "delivery_held": "delivery held",
    "delivery_released": "delivery goes on",
    "sensor_failed": "sensor failed",
    "sensor_recovered": "sensor works again",
    "value_damaged": "memory damaged",
    "records_distrusted": "records not trusted",
    "records_lost": "records lost",
    "soft_limit_passed": "soft limit passed",
    "unknown_drug": "drug not in the library",
    "authentication_failed": "wrong key",
    "paired": "paired",
    "log_begun": "log begun",
}
# What other parts of the report tell, or what is no event of its own.
_ELSEWHERE = frozenset(
    (
        "alarm_raised",
        "alarm_cleared",
        "alarm_confirmed",
        "program_field",
        "session_ended",
        "repeated",
        "patient_requests",
        "frames_refused",
        "pairing_begun",
    )
)
# What is counted in one line: the words for one, and for many.
_FOLDED = {
    "session_opened": ("session", "sessions"),
    "command_refused": ("refused command", "refused commands"),
    "proposal_refused": ("refused proposal", "refused proposals"),
    "bolus_refused": ("refused bolus", "refused boluses"),
    "self_tested": ("self test", "self tests"),
    "press_taken": ("press of the button", "presses of the button"),
    "alarm_tested": ("test of the buzzer", "tests of the buzzer"),
    "alarms_silenced": ("silencing", "silencings"),
    "reference_time": ("time mark", "time marks"),
    "woken_late": ("late wake-up", "late wake-ups"),
}


def sections(report: Report, measured: MeasuredFlow | None) -> list[Section]:
    """The appendices that have something to tell."""
    record = report.record
    flow = measured_blocks(report, measured) if measured is not None else _trumpet_blocks(report)
    found: list[tuple[str, Iterator[Block]]] = [
        ("Settings", _setting_blocks(record)),
        ("Changes of the program", _change_blocks(report)),
        ("Doses by day", _day_blocks(report.period)),
        ("Events that matter", _event_blocks(report.period)),
        ("Alarms", _alarm_blocks(report.period)),
        ("Refills", _refill_blocks(report.period)),
        ("Flow accuracy", flow),
        ("The pump's ledger", _ledger_blocks(record)),
        ("The log", _log_blocks(report)),
    ]
    built = [(title, list(blocks)) for title, blocks in found]
    return [(title, blocks) for title, blocks in built if blocks]


def _setting_blocks(record: Record) -> Iterator[Block]:
    if record.program is not None:
        yield Table(("setting", "value"), words.settings(record.program), halves=True)


def _change_blocks(report: Report) -> Iterator[Block]:
    """What each program changed, old and new, by whom (REC-09)."""
    period = report.period
    inside = [x for x in changes_of(report.record.events) if period.start_us <= x.at_us <= period.end_us]
    first = {x.ref for x in inside[:1] if x.old in ("none", "stopped")}
    changes = [x for x in inside if x.ref not in first]
    if not inside:
        return
    if first:
        at = period.when(inside[0].at_us)
        yield Text(f"{at}, {inside[0].actor}: the first program that is on record, with all its settings.")
    if len(changes) > _CHANGES_SHOWN:
        yield Text(f"The last {_CHANGES_SHOWN} of {len(changes)} changed settings.")
    rows = [
        (period.when(x.at_us), x.actor, x.words, x.old, x.new, report.record.reasons.get(x.at_us, ""))
        for x in changes[-_CHANGES_SHOWN:]
    ]
    head = ("when", "who", "setting", "old", "new", "reason")
    if not any(row[-1] for row in rows):
        head, rows = head[:-1], [row[:-1] for row in rows]
    if rows:
        yield Table(head, rows)


def _day_blocks(period: Period) -> Iterator[Block]:
    days = period.days
    if len(days) < 2:
        return
    if len(days) > _DAYS_SHOWN:
        yield Text(f"The last {_DAYS_SHOWN} of {len(days)} days.")
    head = ("day", *(f"{drug}: {what}" for drug in period.drugs for what in ("prescribed", "delivered")))
    rows: list[tuple[str, ...]] = []
    for day in days[-_DAYS_SHOWN:]:
        label = f"{day.date:%a %Y-%m-%d}" if day.date else f"day {day.number}"
        label += "" if day.whole else f" ({fixed_text((day.end_us - day.start_us) / 3.6e9, 1)} h)"
        doses = (about_mass(x[drug]) for drug in period.drugs for x in (day.prescribed, day.delivered))
        rows.append((label, *doses))
    right = tuple(range(1, len(head)))
    if len(rows) > 10 and len(period.drugs) == 1:
        yield Table(("day", "prescribed", "delivered"), rows, (1, 2), halves=True)
    else:
        yield Table(head, rows, right)


def _event_blocks(period: Period) -> Iterator[Block]:
    rows = [row for event in period.events if (row := _row(period, event))]
    if len(rows) > _EVENTS_SHOWN:
        yield Text(f"The last {_EVENTS_SHOWN} of {len(rows)}.")
    if rows:
        yield Table(("when", "what", "by", "which says"), rows[-_EVENTS_SHOWN:])
    folded = _folded(period.events)
    if folded:
        yield Text(f"Not listed one by one: {folded}.")


def _row(period: Period, event: Event) -> tuple[str, ...] | None:
    often = event.kind in _ROUTINE and name(event.code, BOLUS_KINDS).replace(" ", "_") in _OFTEN
    if often or event.kind in _FOLDED or event.kind in _ELSEWHERE:
        return None
    what = _WORDS.get(event.kind, event.kind.replace("_", " "))
    return period.when(event.at.total_us), what, event.actor, details(event)


def _folded(events: Sequence[Event]) -> str:
    """What comes often, in one line: sessions by whom, refusals, boluses of the patient and the schedule."""
    counts: Counter[str] = Counter()
    actors: Counter[str] = Counter()
    boluses: Counter[int] = Counter()
    for event in events:
        kind, count = event.kind, 1
        if event.kind == "repeated":
            repeats = repeats_of(event)
            kind, count = (repeats.kind or "", repeats.count) if repeats else ("", 0)
        counts[kind] += count
        if kind == "session_opened":
            actors[event.actor] += count
        elif kind == "bolus_started":
            boluses[event.code] += 1
    parts: list[str] = []
    for kind, (one, many) in _FOLDED.items():
        if counts[kind]:
            who = ", ".join(f"{actor} {count}" for actor, count in actors.most_common())
            more = f" ({who})" if kind == "session_opened" else ""
            parts.append(f"{counts[kind]} {one if counts[kind] == 1 else many}{more}")
    for number, kind in BOLUS_KINDS:
        if kind in _OFTEN and boluses[number]:
            parts.append(
                f"{boluses[number]} {kind.split('_')[0]} bolus{'' if boluses[number] == 1 else 'es'}"
            )
    return ", ".join(parts)


def _alarm_blocks(period: Period) -> Iterator[Block]:
    rows: list[list[str]] = []
    live: dict[int, list[str]] = {}
    for event in period.events:
        at = event.at.total_us
        if event.kind == "alarm_raised":
            kind = "critical" if event.b == 1 else "not critical"
            row = [period.when(at), name(event.code, ALARMS), kind, "", "still stood at the end"]
            rows.append(row)
            live[event.code] = row
        elif event.kind == "alarm_confirmed" and event.code in live:
            live[event.code][3] = f"{period.when(at)}, {event.actor}"
        elif event.kind == "alarm_cleared" and event.code in live:
            live.pop(event.code)[4] = period.when(at)
    if not rows:
        return
    if len(rows) > _ALARMS_SHOWN:
        yield Text(f"The last {_ALARMS_SHOWN} of {len(rows)} alarms.")
    head = ("raised", "alarm", "class", "confirmed", "cleared")
    yield Table(head, [tuple(row) for row in rows[-_ALARMS_SHOWN:]])


def _refill_blocks(period: Period) -> Iterator[Block]:
    rows: list[tuple[str, ...]] = []
    checks = {event.at.total_us: event for event in period.events if event.kind == "refill_checked"}
    for event in period.events:
        if event.kind == "refilled":
            check = checks.get(event.at.total_us)
            counted = volume_text(check.a) if check else "-"
            apart = volume_text(event.b - check.a) if check else "-"
            amounts = (volume_text(event.a), volume_text(event.b), counted, apart)
            rows.append((period.when(event.at.total_us), event.actor, *amounts))
    if rows:
        yield Table(("refilled", "by", "filled in", "came out", "counted", "apart"), rows, (2, 3, 4, 5))


# -- flow accuracy: first what it rests on


def _trumpet_blocks(report: Report) -> Iterator[Block]:
    flow = report.record.flow
    if flow is None:
        yield Text(
            "Rests on nothing: it was not measured. A pump counts its steps but keeps no record of when each "
            "was made; weigh its flow and give --flow, or see thecal report --simulate THERAPY.toml --for 3d."
        )
        return
    yield Text(f"Rests on counted steps, not on a weighed flow. {flow.how}.")
    course = _course_of(report, flow.start_us)
    if course is None or flow.every_us != AMBULATORY_EVERY_US:
        yield Text("Not computed: the program was changed while the flow was recorded.", "warning")
        return
    times = [course.start_us + n * flow.every_us for n in range(len(flow.volumes_pl))]
    wanted, _ = course.volumes(times[:200], exact=True)
    try:
        report.trumpet = ambulatory(flow.volumes_pl, wanted)
    except ValueError as error:
        yield Text(f"Not computed: {error}.")
        return
    yield Figure(
        "trumpet",
        "The highest and the lowest error of the flow in any window of a length, against what was "
        "programmed for it: 25 h after a start-up of 24 h, sampled every 15 min.",
    )
    yield from _windows(report.trumpet, "25 h")


def _course_of(report: Report, start_us: int) -> Course | None:
    """The only course of the record, if the flow was recorded from its begin on."""
    courses = report.period.courses
    return courses[0] if len(courses) == 1 and courses[0].start_us == start_us else None


def measured_blocks(report: Report, measured: MeasuredFlow) -> Iterator[Block]:
    """Of a flow that was weighed."""
    report.trumpet = curve = measured.curve()
    start_up, every = duration_text(measured.start_up_us), duration_text(measured.every_us)
    yield Text(f"Rests on a weighed flow, from {measured.source}.")
    yield Figure(
        "trumpet",
        "The highest and the lowest error of the flow in any window of a length, against the rate that was "
        f"set: {curve.samples} samples {every} apart, after a start-up of {start_up}.",
    )
    yield Facts([("rate that was set", volume_rate_text(measured.rate_pl_per_day))])
    yield from _windows(curve, duration_text(curve.samples * measured.every_us))


def _windows(curve: Trumpet, span: str) -> Iterator[Block]:
    rows = [(f"{float(w.minutes):g} min", _percent(w.highest), _percent(w.lowest)) for w in curve.windows]
    yield Table(("window", "highest", "lowest"), rows, right=(0, 1, 2))
    yield Facts([(f"error over all {span}", _percent(curve.mean_error))])


def _percent(error: Fraction) -> str:
    return f"{fixed_text(error, 4, '+')} %"


# -- ledger


def _ledger_blocks(record: Record) -> Iterator[Block]:
    accounts = record.accounts
    if accounts is None:
        return
    yield Text(
        f"All that the pump has counted since its first program, whatever the period of this report: "
        f"{count_text(accounts['steps'])} motor steps, {accounts['resets']} resets."
    )
    rows: list[tuple[str, ...]] = []
    for filling in accounts["fillings"]:
        volume_pl = filling["steps"] * filling["step_volume_pl"]
        for drug in filling["drugs"]:
            dose = Fraction(volume_pl * drug["concentration_ng_per_ml"], PL_PER_ML)
            tip = Fraction(filling["tip_pl"] * drug["concentration_ng_per_ml"], PL_PER_ML)
            missed = _missed(accounts, filling, drug["concentration_ng_per_ml"])
            amounts = (volume_text(volume_pl), mass_text(dose), mass_text(tip), missed)
            rows.append((str(filling["filling"]), drug["name"], *amounts))
    head = ("filling", "drug", "volume", "dose", "of it past the catheter tip", "of it not seen to move")
    yield Table(head, rows, right=(0, 2, 3, 4, 5))
    sources = [
        (x.replace("_", " "), volume_text(pl)) for x, pl in accounts["volume_pl_by_source"].items() if pl
    ]
    if sources:
        yield Table(("source", "volume"), sources, right=(1,))


def _missed(accounts: dict[str, Any], filling: dict[str, Any], concentration_ng_per_ml: int) -> str:
    """What a stall took of a dose (RES-06); a report that was saved before this was told does not say."""
    if accounts.get("missed_pl") is None:
        return "not known"
    missed_pl = filling["missed"] * filling["step_volume_pl"]
    return mass_text(Fraction(missed_pl * concentration_ng_per_ml, PL_PER_ML))


# -- log


def _log_blocks(report: Report) -> Iterator[Block]:
    record, chain = report.record, report.chain
    rows = [("source", record.source)]
    for library in record.program["library"] if record.program else ():
        rows.append(("drug library", f"version {library['version']} ({library['digest'].hex()})"))
    if record.events:
        first, last = record.events[0], record.events[-1]
        inside = (
            ""
            if len(report.period.events) == len(record.events)
            else f", {len(report.period.events)} in the period"
        )
        rows.append(("records", f"{len(record.events)}, numbers {first.sequence} to {last.sequence}{inside}"))
    rows.append(("checked", chain.words))
    rows.append(("log digest", chain.digest))
    yield Facts(rows)
    if chain.standing == "broken":
        flaws = [(str(number), what) for number, what in chain.flaws[:_FLAWS_SHOWN]]
        if len(chain.flaws) > _FLAWS_SHOWN:
            flaws.append(("...", f"{len(chain.flaws) - _FLAWS_SHOWN} more"))
        yield Table(("record", "what is wrong"), flaws, right=(0,))
    counts = Counter(event.kind.replace("_", " ") for event in report.period.events)
    if counts:
        kinds = [(kind, str(n)) for kind, n in counts.most_common()]
        yield Table(("kind of record", "how many"), kinds, (1,), halves=True)
