"""The JSON documents that commands print: every exact amount as a decimal string. Formats: docs/cli.md.

Imports nothing heavy, because `thecal status --json` uses it.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from thecal.amounts import PL_PER_NL, US_PER_S, exact_decimal, ratio_text
from thecal.ledger import Ledger, bound_steps

if TYPE_CHECKING:
    from thecal.refill_check import RefillCheck
    from thecal.simulate import Outcome
    from thecal.simulated_alarms import SimulatedAlarm
    from thecal.simulated_boluses import Bolus

SCHEMA = 1


def nl(pl: Fraction | int) -> str:
    """Picolitres as exact nL."""
    return exact(Fraction(pl, PL_PER_NL))


def exact(amount: Fraction | int) -> str:
    """An amount that has a finite decimal, as all on the wire have."""
    text = exact_decimal(amount)
    if text is None:
        raise ValueError(f"{amount} has no finite decimal")
    return text


def seconds(us: int) -> int | float:
    """Exact: an int when whole; a double holds the microseconds of a century."""
    return us // US_PER_S if us % US_PER_S == 0 else us / US_PER_S


def simulation_json(outcome: Outcome) -> dict[str, object]:
    """The document of `thecal simulate --json`."""
    ledger = outcome.ledger
    document: dict[str, object] = {
        "schema": SCHEMA,
        "therapy": outcome.plan.therapy.name,
        "start": outcome.plan.start.isoformat(),
        "simulated_s": seconds(outcome.plan.duration_us),
        "wall_s": round(outcome.wall_s, 3),
        "state": outcome.state,
        "steps": outcome.steps,
        "accounted_steps": ledger.accounted_steps,
        "ledger_bound_steps": bound_steps(outcome.plan.therapy.pump.step_volume_pl),
        "volume_nl": nl(ledger.volume_pl),
        "delivered_ng": {name: exact(ng) for name, ng in ledger.delivered_ng.items()},
        **missed_json(ledger),
        "tip_ng": {name: exact(ng) for name, ng in ledger.tip_ng.items()},
        "by_source_nl": {name: nl(pl) for name, pl in ledger.volume_pl_by_source.items()},
        "boluses": [_bolus(bolus) for bolus in outcome.boluses],
        "refusals": [
            {"what": x.what, "at_s": seconds(x.at_us), "reason": x.reason, "detail": x.detail}
            for x in outcome.refusals
        ],
        "left_out": [{"kind": kind, "at_s": seconds(at_us)} for kind, at_us in outcome.left_out],
        "alarms": [_alarm(alarm) for alarm in outcome.alarms],
        "refills": [{"at_s": seconds(at_us), **refill_json(check)} for at_us, check in outcome.refills],
        "reservoir_nl": nl(ledger.reservoir_pl),
        "resets": outcome.resets,
        "events": outcome.records,
    }
    if outcome.trace_sha256 is not None:
        document["trace_sha256"] = outcome.trace_sha256
    return document


def missed_json(ledger: Ledger) -> dict[str, object]:
    """What was counted as given and not seen to move; null where nobody sees the motor (RES-06)."""
    lost = ledger.missed_ng
    return {
        "missed_nl": None if ledger.missed_pl is None else nl(ledger.missed_pl),
        "missed_ng": None if lost is None else {name: exact(ng) for name, ng in lost.items()},
    }


def refill_json(check: RefillCheck) -> dict[str, object]:
    """A refill check: volumes in nL; `ratio`: true flow to counted flow, null when nothing was used."""
    return {
        "filled_nl": nl(check.filled_pl),
        "counted_nl": nl(check.counted_pl),
        "residual_nl": nl(check.measured_pl),
        "difference_nl": nl(check.apart_pl),
        "missed_nl": None if check.missed_pl is None else nl(check.missed_pl),
        "ratio": None if check.ratio is None else ratio_text(check.ratio),
        "suspicious": check.suspicious,
    }


def _bolus(bolus: Bolus) -> dict[str, object]:
    return {
        "kind": bolus.kind,
        "at_s": seconds(bolus.at_us),
        "outcome": bolus.outcome,
        "reason": bolus.reason,
        "given_nl": None if bolus.given_pl is None else nl(bolus.given_pl),
    }


def _alarm(alarm: SimulatedAlarm) -> dict[str, object]:
    return {
        "id": alarm.name,
        "class": alarm.kind,
        "raised_s": seconds(alarm.raised_us),
        "cleared_s": None if alarm.cleared_us is None else seconds(alarm.cleared_us),
    }
