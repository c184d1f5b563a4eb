"""The JSON documents that commands print: every exact amount as a decimal string. Formats:
docs/reference/cli.md.

Imports nothing heavy, because `thecal status --json` uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.commands.delivered import bound_steps, missed_json
from thecal.therapy.refill_check import refill_json
from thecal.units.json_numbers import SCHEMA, exact, nl, seconds

if TYPE_CHECKING:
    from thecal.simulation.alarms import SimulatedAlarm
    from thecal.simulation.boluses import Bolus
    from thecal.simulation.simulate import Outcome


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
        "ledger_bound_steps": bound_steps(outcome.plan.therapy.model.pump.step_volume_pl),
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
