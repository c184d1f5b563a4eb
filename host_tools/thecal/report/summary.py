"""The report in words and tables: what HTML and PDF both show, in the same order.

`build` makes a `Report` of a record: sections of blocks. Figures are named here and drawn in `figures`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any

from thecal.eventlog.describe import name
from thecal.eventlog.program_changes import changes_of
from thecal.eventlog.repeats import count_of, repeats_of
from thecal.eventlog.text import details, instant_text
from thecal.link.responses.pump import Instant
from thecal.report import bringup
from thecal.report import chain as chains
from thecal.report.blocks import Block, Facts, Figure, Table, Text
from thecal.report.course import Course, Given, boluses_of, course_of, local_of
from thecal.report.flow_file import MeasuredFlow
from thecal.report.record import CLOCK_NEVER_SET, Record
from thecal.report.trumpet import AMBULATORY_EVERY_US, Trumpet, ambulatory
from thecal.therapy.settings_diff import from_wire
from thecal.units.amounts import (
    PL_PER_ML,
    US_PER_S,
    count_text,
    duration_text,
    fixed_text,
    mass_text,
    volume_rate_text,
    volume_text,
)
from thecal_protocol.messages import ALARMS, BOLUS_KINDS, REFUSALS

_ALARMS_SHOWN = 60
_RECORDS_SHOWN = 60
_FLAWS_SHOWN = 20


@dataclass
class Report:
    """Everything that is shown, and what the figures draw from."""

    title: str
    subtitle: str
    record: Record
    chain: chains.Chain
    course: Course | None
    boluses: list[Given]
    trumpet: Trumpet | None = None
    sections: list[tuple[str, list[Block]]] = field(default_factory=list[tuple[str, list[Block]]])
    drawn: dict[str, Any] = field(default_factory=dict[str, Any])  # figures: HTML and PDF show the same


def build(record: Record, key: bytes | None, made: datetime, measured: MeasuredFlow | None = None) -> Report:
    """The report of a record. `key`: of the pump's log, None when it is not known here. `measured`: a flow
    that was weighed; of a record without a log nothing else is shown."""
    chain = chains.check(record, key)
    report = Report(
        title=_title(record, measured),
        subtitle=f"Session report, made {made:%Y-%m-%d %H:%M} from {record.source}",
        record=record,
        chain=chain,
        course=course_of(record),
        boluses=boluses_of(record.events),
    )
    add = report.sections.append
    if measured is not None:
        add(("Measured flow", list(_measured_blocks(report, measured))))
    board = list(bringup.blocks(record.bringup, record.serial))
    alone = not record.events and (measured is not None or bool(board))
    if not alone:
        add(("Pump and log", [*_chain_blocks(chain), *_pump_blocks(record, chain.digest)]))
    if board:
        add(("Bring-up of the board", board))
    if alone:
        return report
    if record.program is not None:
        rows = [(setting.field, setting.text) for setting in from_wire(record.program)]
        add(("Program", [Table(("setting", "value"), rows)]))
    changes = list(_change_blocks(report))
    if changes:
        add(("Changes of the program", changes))
    add(("Delivered against programmed", list(_delivery_blocks(report))))
    add(("Boluses", list(_bolus_blocks(report))))
    add(("Alarms", list(_alarm_blocks(record))))
    add(("Reservoir", list(_reservoir_blocks(report))))
    if measured is None:
        add(("Flow accuracy", list(_trumpet_blocks(report))))
    add(("Log", list(_log_blocks(record))))
    return report


def _title(record: Record, measured: MeasuredFlow | None) -> str:
    if record.serial:
        return f"Pump {record.serial}"
    return "A pump's log" if record.events else "A pump's flow" if measured else "A pump's board"


def when(record: Record, at_us: int) -> str:
    """An instant for people: pump local time, else its clock since it was first started."""
    local = local_of(record, at_us)
    if local is not None:
        return f"{local:%Y-%m-%d %H:%M:%S}"
    return instant_text(Instant(*divmod(at_us, US_PER_S)))


def _chain_blocks(chain: chains.Chain) -> Iterator[Block]:
    yield Text(*chain.headline)
    if chain.standing == "broken":
        rows = [(str(number), what) for number, what in chain.flaws[:_FLAWS_SHOWN]]
        if len(chain.flaws) > _FLAWS_SHOWN:
            rows.append(("...", f"{len(chain.flaws) - _FLAWS_SHOWN} more"))
        yield Table(("record", "what is wrong"), rows, right=(0,))


def _pump_blocks(record: Record, digest: str) -> Iterator[Block]:
    if record.clock_set is False:
        yield Text(CLOCK_NEVER_SET, "warning")
    rows = [("source", record.source)]
    for label, value in (("serial number", record.serial), ("pump", record.pump), ("state", record.state)):
        rows += [(label, value)] if value else []
    if record.local is not None:
        never = "" if record.clock_set is not False else " (never set)"
        rows.append(("pump local time", f"{record.local:%a %Y-%m-%d %H:%M:%S}{never}"))
    for library in record.program["library"] if record.program else ():
        rows.append(("drug library", f"version {library['version']} ({library['digest'].hex()})"))
    if record.events:
        first, last = record.events[0], record.events[-1]
        rows.append(("records", f"{len(record.events)}, numbers {first.sequence} to {last.sequence}"))
    rows.append(("log digest", digest))
    yield Facts(rows)


def _delivery_blocks(report: Report) -> Iterator[Block]:
    record, course = report.record, report.course
    if course is not None and course.end_us > course.start_us:
        [programmed], [delivered] = course.volumes([course.end_us])
        share = f" ({fixed_text(100 * delivered / programmed, 2)} %)" if programmed else ""
        yield Figure(
            "delivery",
            f"Volume since the program began {when(record, course.start_us)}. Programmed: schedule and "
            f"accepted boluses had nothing interfered. Delivered: {_how_delivered(report)}.",
        )
        yield Facts(
            [
                ("programmed", _ml(programmed)),
                ("delivered, by the log", _ml(delivered) + share),
            ]
        )
    elif record.program is None:
        yield Text("A log alone holds no program: its course cannot be drawn.", "warning")
    else:
        yield Text(
            "The log does not reach back to the program's commit: its course cannot be drawn.", "warning"
        )
    if record.accounts is not None:
        yield from _ledger_blocks(record.accounts)


def _how_delivered(report: Report) -> str:
    flow = report.record.flow
    return flow.how if flow else "as the log tells it; the ledger below counts every step"


def _ml(pl: float) -> str:
    return f"{fixed_text(pl / PL_PER_ML, 4)} mL"


def _ledger_blocks(accounts: dict[str, Any]) -> Iterator[Block]:
    rows: list[tuple[str, ...]] = []
    for filling in accounts["fillings"]:
        volume_pl = filling["steps"] * filling["step_volume_pl"]
        for drug in filling["drugs"]:
            dose = Fraction(volume_pl * drug["concentration_ng_per_ml"], PL_PER_ML)
            tip = Fraction(filling["tip_pl"] * drug["concentration_ng_per_ml"], PL_PER_ML)
            row = (
                str(filling["filling"]),
                drug["name"],
                volume_text(volume_pl),
                mass_text(dose),
                mass_text(tip),
                _missed(accounts, filling, drug["concentration_ng_per_ml"]),
            )
            rows.append(row)
    head = ("filling", "drug", "volume", "dose", "of it past the catheter tip", "of it not seen to move")
    yield Table(head, rows, right=(0, 2, 3, 4, 5))
    sources = accounts["volume_pl_by_source"].items()
    yield Table(
        ("source", "volume"),
        [(name.replace("_", " "), volume_text(pl)) for name, pl in sources],
        right=(1,),
    )
    steps = count_text(accounts["steps"])
    yield Text(f"Counted by the pump's ledger: {steps} motor steps in all, {accounts['resets']} resets.")


def _missed(accounts: dict[str, Any], filling: dict[str, Any], concentration_ng_per_ml: int) -> str:
    """What a stall took of a dose (RES-06); a report that was saved before this was told does not say."""
    if accounts.get("missed_pl") is None:
        return "not known"
    missed_pl = filling["missed"] * filling["step_volume_pl"]
    return mass_text(Fraction(missed_pl * concentration_ng_per_ml, PL_PER_ML))


def _change_blocks(report: Report) -> Iterator[Block]:
    """What each program changed, old and new, by whom (REC-09)."""
    changes = changes_of(report.record.events)
    if not changes:
        return
    rows: list[tuple[str, ...]] = []
    for change in changes:
        at = when(report.record, change.at_us)
        rows.append((at, change.actor, change.words, change.old, change.new))
    yield Text("Every field that a program changed; the first one of a pump had nothing before it.")
    yield Table(("when", "who", "field", "old", "new"), rows)


def _bolus_blocks(report: Report) -> Iterator[Block]:
    events = report.record.events
    refused = Counter[tuple[int, int]]()
    for event in events:
        repeats = repeats_of(event)
        refused[event.code, repeats.refusal if repeats else event.b] += count_of(event, "bolus_refused")
    begun, ends = Counter(x.kind for x in report.boluses), Counter((x.kind, x.how) for x in report.boluses)
    kinds = [name for _, name in BOLUS_KINDS[1:]]
    rows: list[tuple[str, ...]] = []
    for number, kind in enumerate(kinds, 1):
        no = sum(count for (code, _), count in refused.items() if code == number)
        if begun[kind] or no:
            given = sum(x.given_pl or 0 for x in report.boluses if x.kind == kind)
            counts = (begun[kind] + no, ends[kind, "delivered"], ends[kind, "cut_short"], no)
            rows.append((kind.replace("_", " "), *map(str, counts), volume_text(given)))
    if not rows:
        yield Text("No bolus was asked for or given in the time that the log covers.")
        return
    yield Figure("boluses", "Boluses of the patient by hour of the day: asked for, and given.")
    head = ("kind", "asked for", "given whole", "cut short", "refused", "volume")
    yield Table(head, rows, right=(1, 2, 3, 4, 5))
    reasons = Counter[str]()
    for (_, reason), count in refused.items():
        if count:
            reasons[name(reason, REFUSALS)] += count
    if reasons:
        yield Table(("refused for", "times"), [(why, str(n)) for why, n in reasons.most_common()], right=(1,))


def alarm_name(number: int) -> tuple[str, str]:
    """Name and class of an alarm."""
    for row in ALARMS:
        if row[0] == number:
            return str(row[1]).replace("_", " "), str(row[2])
    return f"number {number}", "unknown"


def _alarm_blocks(record: Record) -> Iterator[Block]:
    rows: list[list[str]] = []
    live: dict[int, list[str]] = {}
    for event in record.events:
        if event.kind == "alarm_raised":
            name, kind = alarm_name(event.code)
            row = [when(record, event.at.total_us), name, "critical" if event.b == 1 else kind, "still live"]
            rows.append(row)
            live[event.code] = row
        elif event.kind == "alarm_cleared" and event.code in live:
            live.pop(event.code)[3] = when(record, event.at.total_us)
    if not rows:
        yield Text("No alarm was raised in the time that the log covers.")
        return
    if len(rows) > _ALARMS_SHOWN:
        yield Text(f"The last {_ALARMS_SHOWN} of {len(rows)} alarms.")
    yield Table(("raised", "alarm", "class", "cleared"), [tuple(row) for row in rows[-_ALARMS_SHOWN:]])


def _reservoir_blocks(report: Report) -> Iterator[Block]:
    record = report.record
    course = report.course
    if record.accounts is not None and course is not None and course.end_us > course.start_us:
        yield Figure("reservoir", "What is left by the pump's count, and refills.")
    if record.accounts is not None:
        yield Facts([("left now, counted", volume_text(record.accounts["reservoir_pl"]))])
    rows: list[tuple[str, ...]] = []
    checks = {event.at.total_us: event for event in record.events if event.kind == "refill_checked"}
    for event in record.events:
        if event.kind == "refilled":
            check = checks.get(event.at.total_us)
            counted = volume_text(check.a) if check else "-"
            apart = volume_text(event.b - check.a) if check else "-"
            amounts = (volume_text(event.a), volume_text(event.b), counted, apart)
            rows.append((when(record, event.at.total_us), *amounts))
    if rows:
        yield Table(("refilled", "filled in", "came out", "counted", "apart"), rows, right=(1, 2, 3, 4))
    else:
        yield Text("No refill in the time that the log covers.")


def _trumpet_blocks(report: Report) -> Iterator[Block]:
    flow, course = report.record.flow, report.course
    if flow is None:
        yield Text(
            "Not measured: a pump counts its steps but keeps no record of when each was made. A simulation "
            "has one: thecal report --simulate THERAPY.toml --for 3d."
        )
        return
    if course is None or flow.start_us != course.start_us or flow.every_us != AMBULATORY_EVERY_US:
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
        "programmed for it: 25 h "
        f"after a start-up of 24 h, sampled every 15 min. {flow.how}.",
    )
    yield from _windows(report.trumpet, "25 h")


def _measured_blocks(report: Report, measured: MeasuredFlow) -> Iterator[Block]:
    report.trumpet = curve = measured.curve()
    start_up, every = duration_text(measured.start_up_us), duration_text(measured.every_us)
    yield Figure(
        "trumpet",
        "The highest and the lowest error of the flow in any window of a length, against the rate that was "
        "set: "
        f"{curve.samples} samples {every} apart, after a start-up of {start_up}, from {measured.source}.",
    )
    yield Facts([("rate that was set", volume_rate_text(measured.rate_pl_per_day))])
    yield from _windows(curve, duration_text(curve.samples * measured.every_us))


def _windows(curve: Trumpet, span: str) -> Iterator[Block]:
    rows = [(f"{float(w.minutes):g} min", _percent(w.highest), _percent(w.lowest)) for w in curve.windows]
    yield Table(("window", "highest", "lowest"), rows, right=(0, 1, 2))
    yield Facts([(f"error over all {span}", _percent(curve.mean_error))])


def _percent(error: Fraction) -> str:
    return f"{fixed_text(error, 4, '+')} %"


def _log_blocks(record: Record) -> Iterator[Block]:
    counts = Counter(event.kind.replace("_", " ") for event in record.events)
    rows = [(kind, str(n)) for kind, n in counts.most_common()]
    half = (len(rows) + 1) // 2
    beside = [*rows[half:], ("", "")][:half]
    sides = [(*left, *right) for left, right in zip(rows[:half], beside, strict=True)]
    yield Table(("kind of record", "how many", "kind of record", "how many"), sides, right=(1, 3))
    shown = record.events[-_RECORDS_SHOWN:]
    yield Text(f"The last {len(shown)} of {len(record.events)} records:")
    rows = [
        (str(x.sequence), when(record, x.at.total_us), x.kind.replace("_", " "), x.actor, details(x))
        for x in shown
    ]
    yield Table(("number", "when", "what", "by", "which says"), rows, right=(0,))


def span_text(course: Course) -> str:
    """How long the course is."""
    return duration_text((course.end_us - course.start_us) // 1_000_000 * 1_000_000)
