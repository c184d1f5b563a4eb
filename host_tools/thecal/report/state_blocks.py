"""Of page one: boluses, the reservoir and its forecast, alarms that need action, whether the log is whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from thecal.commands.alarm_texts import cause_of, text_of
from thecal.eventlog.describe import name
from thecal.eventlog.repeats import count_of, repeats_of
from thecal.report.blocks import Block, Facts, Figure, Table, Text, about_volume
from thecal.report.chain import Chain
from thecal.report.forecast import forecast_of
from thecal.report.record import Record
from thecal.report.whole import Report
from thecal.units.amounts import volume_text
from thecal_protocol.messages import ALARMS, BOLUS_KINDS, REFUSALS

_FLAWS_SHOWN = 3


def bolus_blocks(report: Report) -> Iterator[Block]:
    """Asked for, given, cut short, refused, by whose they are; the patient's by the hour."""
    period = report.period
    refused: Counter[tuple[int, int]] = Counter()
    left_out: Counter[int] = Counter()
    for event in period.events:
        repeats = repeats_of(event)
        refused[event.code, repeats.refusal if repeats else event.b] += count_of(event, "bolus_refused")
        left_out[event.code] += event.kind == "bolus_left_out"
    begun = Counter(x.kind for x in period.boluses)
    ends = Counter((x.kind, x.how) for x in period.boluses)
    rows: list[tuple[str, ...]] = []
    for number, kind in BOLUS_KINDS[1:]:
        no = sum(count for (code, _), count in refused.items() if code == number)
        if begun[kind] or no or left_out[number]:
            given_pl = sum(x.given_pl or 0 for x in period.boluses if x.kind == kind)
            whole, cut = (
                ends[kind, "delivered"],
                begun[kind] - ends[kind, "delivered"] - ends[kind, "running"],
            )
            counts = (begun[kind] + no + left_out[number], whole, cut, no + left_out[number])
            rows.append(
                (kind.removesuffix("_bolus").replace("_", " "), *map(str, counts), about_volume(given_pl))
            )
    if not rows:
        yield Text("No bolus was asked for or given.")
        return
    yield Table(("whose", "asked", "given", "cut short", "refused", "volume"), rows, right=(1, 2, 3, 4, 5))
    reasons: Counter[str] = Counter()
    for (_, reason), count in refused.items():
        reasons[name(reason, REFUSALS)] += count
    reasons["not given in a stop, prime or bridge"] += sum(left_out.values())
    told = ", ".join(f"{why} {count}" for why, count in reasons.most_common() if count)
    if told:
        yield Text(f"Refused for: {told}.")
    if begun["patient_bolus"] or any(code == 2 and count for (code, _), count in refused.items()):
        yield Figure("boluses", "The patient's, by hour of the day: asked for (hatched), given (full).", True)


# -- reservoir


def reservoir_blocks(report: Report) -> Iterator[Block]:
    """What is left, by when to refill, and the forecast."""
    record, program = report.record, report.record.program
    if record.accounts is None or program is None:
        yield Text("The record does not say what is left.", "warning")
        return
    left_pl = record.accounts["reservoir_pl"]
    rows = [
        ("left, by the pump's count", f"{about_volume(left_pl)} of {volume_text(program['reservoir_pl'])}")
    ]
    forecast = forecast_of(record)
    if forecast.refill is not None:
        rows.append(("refill by", f"{forecast.refill.at:%a %Y-%m-%d} ({forecast.refill.reason})"))
    elif record.state != "unprogrammed":
        rows.append(("refill by", "not known"))
    low = volume_text(program["low_reservoir_pl"])
    for label, low_at in (("with every bolus", forecast.at_most), ("by schedule alone", forecast.scheduled)):
        if low_at is not None and record.local is not None:
            days = max(0, (low_at - record.local) // timedelta(days=1))
            rows.append((f"at {low} {label}", f"in {days} d, {low_at:%Y-%m-%d}"))
    yield Facts(rows)
    refills = [x for x in report.period.events if x.kind == "refilled"]
    if refills:
        checks = {x.at.total_us: x.a for x in report.period.events if x.kind == "refill_checked"}
        last = refills[-1]
        counted = checks.get(last.at.total_us)
        apart = "" if counted is None else f", {about_volume(abs(last.b - counted))} apart from the count"
        when = report.period.when(last.at.total_us, "%a %Y-%m-%d")
        yield Text(f"Refilled {when}: {volume_text(last.a)} in, {volume_text(last.b)} came out{apart}.")
    if report.period.courses and record.local is not None:
        yield Figure(
            "reservoir", "Left by the pump's count, and the forecast to the low-reservoir alarm.", True
        )


# -- alarms


def alarm_name(number: int) -> tuple[str, str]:
    """Name and class of an alarm."""
    for row in ALARMS:
        if row[0] == number:
            return str(row[1]), str(row[2])
    return f"number {number}", "unknown"


def standing(record: Record) -> list[dict[str, Any]]:
    """Every alarm that stands: by the pump, or, of a record that has not asked it, by the log."""
    if record.alarms is not None:
        return record.alarms
    found: dict[int, dict[str, Any]] = {}
    for event in record.events:
        if event.kind == "alarm_raised":
            found[event.code] = {
                "name": alarm_name(event.code)[0],
                "critical": event.b == 1,
                "live": True,
                "confirmed": False,
                "raised_us": event.at.total_us,
                "detail": event.a,
            }
        elif event.kind == "alarm_cleared":
            found.pop(event.code, None)
        elif event.kind == "alarm_confirmed" and event.code in found:
            found[event.code]["confirmed"] = True
    return list(found.values())


def alarm_blocks(report: Report) -> Iterator[Block]:
    """What stands now and what to do about it; what was raised in the period."""
    period, alarms = report.period, standing(report.record)
    rows = [
        (
            f"{alarm['name'].replace('_', ' ')}, {'critical' if alarm['critical'] else 'not critical'}",
            period.when(alarm["raised_us"]) + (", confirmed" if alarm["confirmed"] else ""),
            cause_of(alarm["name"], alarm["detail"]),
            text_of(alarm["name"]).do,
        )
        for alarm in sorted(alarms, key=lambda alarm: not alarm["critical"])
    ]
    if rows:
        yield Text(f"{len(rows)} alarm{'s stand' if len(rows) > 1 else ' stands'} now.", "bad")
        yield Table(("alarm", "since", "what it means", "what to do"), rows, strong=0)
    elif report.record.alarms is not None:
        yield Text("No alarm stands now.", "good")
    else:
        yield Text("By the log, no alarm stood at its end.", "good")
    raised = Counter(
        alarm_name(x.code)[0].replace("_", " ") for x in period.events if x.kind == "alarm_raised"
    )
    if raised:
        told = ", ".join(f"{name} {count}" for name, count in raised.most_common())
        yield Text(f"Raised in this period: {told}. See Alarms, in the appendices.")


# -- log


def log_blocks(chain: Chain) -> Iterator[Block]:
    """Whole or not, in the words of its check."""
    yield Text(*chain.headline)
    if chain.standing == "broken":
        flaws = list(chain.flaws)
        rows = [(str(number), what) for number, what in flaws[:_FLAWS_SHOWN]]
        yield Table(("record", "what is wrong"), rows, right=(0,))
        if len(flaws) > _FLAWS_SHOWN:
            yield Text(f"{len(flaws) - _FLAWS_SHOWN} more in the appendix, The log.")
