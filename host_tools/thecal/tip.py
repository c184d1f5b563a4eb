"""The dose at the catheter's tip after a change of program: a MODEL, not a measurement.

What leaves the pump has to pass tubing and catheter (V_dead) first. Two edges of a band are computed:

- plug flow: nothing mixes. The old filling leaves the tip until V_dead has been displaced, then the new one
  does, at once. Exact, in fractions; the pump keeps the same account (`tip_pl`).
- fully mixed: V_dead is one well-stirred volume, c(t) = C_new + (C_old - C_new) exp(-W / V_dead) after the
  volume W. Floating point.

A real catheter lies between them. The flow is what the program schedules: basal, plan, periodic boluses,
bridge, start delay. Patient boluses are not assumed. Both programs are tables `wire.therapy.THERAPY`, the
new one with its bridge filled in; it is taken that the reservoir was refilled at the commit and that the
whole V_dead held the old filling (none: no drug) by then.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from math import exp
from typing import Any, NamedTuple

from thecal.amounts import PL_PER_ML, US_PER_DAY, US_PER_S
from thecal.local_time import DEFAULT_START
from thecal.therapy_wire import intended_dose
from wire.therapy import BASAL_FLEX

SPAN_US = 3 * US_PER_DAY
_WEEK_US = 7 * US_PER_DAY
_MINUTE_US = 60 * US_PER_S
_DAY_MIN = 24 * 60


class Flow(NamedTuple):
    """The total rate from `begin_us` after the commit until the next one begins."""

    begin_us: int
    pl_per_day: Fraction
    displaced_pl: Fraction  # since the commit, when it begins


@dataclass(frozen=True)
class TipPrediction:
    """What leaves the tip in the `span_us` after a commit."""

    flows: Sequence[Flow]
    dead_pl: int
    old: Mapping[str, int]  # ng/mL by drug; empty: nothing was in the catheter
    new: Mapping[str, int]
    intended_ng_per_day: Mapping[str, Fraction]  # the mean basal dose of the new program, at first
    span_us: int

    @property
    def drugs(self) -> list[str]:
        """Those of the new filling, then those that only the old one held."""
        return [*self.new, *(name for name in self.old if name not in self.new)]

    @property
    def arrival_us(self) -> Fraction | None:
        """When the new filling reaches the tip by plug flow; None: not within the span."""
        if self.displaced_pl(self.span_us) < self.dead_pl:
            return None
        reached = bisect_left(self.flows, self.dead_pl, key=lambda flow: flow.displaced_pl)
        if reached < len(self.flows) and self.flows[reached].displaced_pl == self.dead_pl:
            return Fraction(self.flows[reached].begin_us)
        flow = self.flows[reached - 1]
        return flow.begin_us + (self.dead_pl - flow.displaced_pl) * US_PER_DAY / flow.pl_per_day

    def displaced_pl(self, at_us: int) -> Fraction:
        """Volume that has left the pump by an instant."""
        flow = self._flow_at(at_us)
        return flow.displaced_pl + flow.pl_per_day * (at_us - flow.begin_us) / US_PER_DAY

    def plug_ng_per_day(self, drug: str, at_us: int) -> Fraction:
        """Dose rate at the tip at an instant, by plug flow."""
        held = self.old if self.displaced_pl(at_us) < self.dead_pl else self.new
        return self._flow_at(at_us).pl_per_day * held.get(drug, 0) / PL_PER_ML

    def mixed_ng_per_day(self, drug: str, at_us: int) -> float:
        """Dose rate at the tip at an instant, fully mixed."""
        old, new = self.old.get(drug, 0), self.new.get(drug, 0)
        concentration = new + (old - new) * self._rest(self.displaced_pl(at_us))
        return float(self._flow_at(at_us).pl_per_day) * concentration / PL_PER_ML

    def plug_ng(self, drug: str, until_us: int) -> Fraction:
        """Dose that has left the tip by an instant, by plug flow; exact."""
        displaced = self.displaced_pl(until_us)
        of_old = min(displaced, Fraction(self.dead_pl))
        return (of_old * self.old.get(drug, 0) + (displaced - of_old) * self.new.get(drug, 0)) / PL_PER_ML

    def mixed_ng(self, drug: str, until_us: int) -> float:
        """Dose that has left the tip by an instant, fully mixed."""
        old, new = self.old.get(drug, 0), self.new.get(drug, 0)
        displaced = self.displaced_pl(until_us)
        left_of_old = self.dead_pl * (1 - self._rest(displaced))
        return (new * float(displaced) + (old - new) * left_of_old) / PL_PER_ML

    def _flow_at(self, at_us: int) -> Flow:
        if not 0 <= at_us <= self.span_us:
            raise ValueError(f"{at_us} us is not within the prediction")
        return self.flows[bisect_right(self.flows, at_us, key=lambda flow: flow.begin_us) - 1]

    def _rest(self, displaced_pl: Fraction) -> float:
        """How much of what the dead volume held is still in it, fully mixed."""
        return exp(-float(displaced_pl / self.dead_pl)) if self.dead_pl else 0.0


def predict_tip(
    values: Mapping[str, Any],
    running: Mapping[str, Any] | None,
    start: datetime = DEFAULT_START,
    span_us: int = SPAN_US,
) -> TipPrediction:
    """What leaves the tip after `values` replaces `running` at pump local time `start`."""
    new = {drug["name"]: drug["concentration_ng_per_ml"] for drug in values["drugs"]}
    old = {drug["name"]: drug["concentration_ng_per_ml"] for drug in running["drugs"]} if running else {}
    primary = values["drugs"][0]["concentration_ng_per_ml"]
    dose = intended_dose(values)
    return TipPrediction(
        flows=flow_of(values, start, span_us),
        dead_pl=dead_pl(values),
        old=old,
        new=new,
        intended_ng_per_day={name: dose * share / primary for name, share in new.items()},
        span_us=span_us,
    )


def dead_pl(values: Mapping[str, Any]) -> int:
    """V_dead of a wire therapy, in whole pL as in the pump."""
    return values["pump_tubing_pl"] + values["catheter_length_um"] * values["catheter_pl_per_cm"] // 10_000


def flow_of(values: Mapping[str, Any], start: datetime, span_us: int) -> list[Flow]:
    """The total rate that a program schedules after its commit, as pieces of constant rate."""
    concentration = values["drugs"][0]["concentration_ng_per_ml"]
    delay_us = values["start_delay_s"] * US_PER_S
    alone_us, alone_rate = _bridge(values)
    quiet_us = max(delay_us, alone_us)  # nothing of the program's own flows before
    changes = defaultdict[int, Fraction](Fraction, {0: alone_rate})
    changes[alone_us] -= alone_rate
    held = Fraction(0)
    for at_us, ng_per_day in _basal(values, start, delay_us, span_us):
        rate = ng_per_day * PL_PER_ML / concentration
        changes[max(at_us, quiet_us)] += rate - held
        held = rate
    for begin_us, end_us, ng_per_day in _periodic(values, quiet_us, span_us):
        rate = ng_per_day * PL_PER_ML / concentration
        changes[begin_us] += rate
        changes[end_us] -= rate
    return _summed(changes, span_us)


def _summed(changes: Mapping[int, Fraction], span_us: int) -> list[Flow]:
    flows: list[Flow] = []
    at_us, rate, displaced = 0, Fraction(0), Fraction(0)
    for when_us in sorted(changes):
        displaced += rate * (when_us - at_us) / US_PER_DAY
        at_us, rate = when_us, rate + changes[when_us]
        if at_us < span_us and (not flows or flows[-1].pl_per_day != rate):
            flows.append(Flow(at_us, rate, displaced))
    return flows


def _bridge(values: Mapping[str, Any]) -> tuple[int, Fraction]:
    """For how long (whole microseconds, rounded up as in the pump) and at which rate a bridge flows."""
    for bridge in values["bridge"]:
        flow = bridge["dose_ng_per_day"] * PL_PER_ML
        old = bridge["concentration_ng_per_ml"]
        return -(-dead_pl(values) * old * US_PER_DAY // flow), Fraction(flow, old)
    return 0, Fraction(0)


def _basal(
    values: Mapping[str, Any], start: datetime, delay_us: int, span_us: int
) -> Iterator[tuple[int, Fraction]]:
    """(from when, ng/day): those before the flow begins come first, in order."""
    if values["basal_mode"] != BASAL_FLEX:
        yield 0, intended_dose(values)
        for step in values["plan"]:
            yield delay_us + step["after_us"], Fraction(step["dose_ng_per_day"])
        return
    week = sorted(
        (day * _DAY_MIN + step["start_min"], step["dose_ng_per_day"])
        for step in values["basal_steps"]
        for day in range(7)
        if step["days"] >> day & 1
    )
    at = start.weekday() * US_PER_DAY + (start.hour * 60 + start.minute) * _MINUTE_US
    at += start.second * US_PER_S + start.microsecond
    earlier = [dose for minute, dose in week if minute * _MINUTE_US <= at]
    yield 0, Fraction(earlier[-1] if earlier else week[-1][1])
    for turn in range(span_us // _WEEK_US + 2):
        for minute, dose in week:
            begin_us = turn * _WEEK_US + minute * _MINUTE_US - at
            if 0 < begin_us < span_us:
                yield begin_us, Fraction(dose)


def _periodic(values: Mapping[str, Any], quiet_us: int, span_us: int) -> Iterator[tuple[int, int, Fraction]]:
    """(begin, end, ng/day) of every periodic bolus; one that is due before the flow begins is left out."""
    for bolus in values["periodic_boluses"]:
        for begin_us in range(bolus["first_us"], span_us, bolus["every_us"]):
            if begin_us >= quiet_us:
                rate = Fraction(bolus["dose_ng"] * US_PER_DAY, bolus["duration_us"])
                yield begin_us, begin_us + bolus["duration_us"], rate
