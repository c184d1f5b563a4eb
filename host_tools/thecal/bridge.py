"""The bridge: what the pump has to do while the catheter still holds the old filling, and what happens
without.

Formulas (CLINICAL): the old filling stands in V_dead = tubing + catheter; Q_bridge = D / C_old delivers the
intended dose from it, for T = V_dead / Q_bridge; then Q = D / C_new. Without a bridge the patient gets
C_old / C_new of the intended dose until the new filling arrives, after V_dead / Q. For another primary drug
no rate of the old one is "the intended dose": the bridge goes on with the old dose, and without one none of
the new drug arrives at first. A bridge is exact for the primary drug only; what the others get meanwhile is
reported beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from thecal.amounts import PL_PER_ML, PL_PER_UL, S_PER_DAY, concentration_text, exact_or_whole
from thecal.ranges import BASAL_RATE
from thecal.therapy_math import dead_volume_pl
from thecal.therapy_models import Therapy
from thecal.therapy_wire import mean_basal, to_wire
from thecal.toml_file import Problem


@dataclass(frozen=True)
class Bridge:
    """Volumes in pL, rates in pL/day, durations in s; percent of the intended dose of the primary drug."""

    volume_pl: int
    rate_pl_per_day: Fraction
    duration_s: Fraction
    unbridged_percent: Fraction
    unbridged_s: Fraction
    others_percent: dict[str, Fraction] = field(default_factory=dict[str, Fraction])  # while the bridge runs

    def as_json(self) -> dict[str, object]:
        """As `check` prints it; numbers that are not exact are rounded to a whole unit."""
        return {
            "volume_ul": exact_or_whole(Fraction(self.volume_pl, PL_PER_UL)),
            "rate_ul_per_day": exact_or_whole(self.rate_pl_per_day / PL_PER_UL),
            "duration_s": round(self.duration_s),
            "unbridged_dose_percent": exact_or_whole(self.unbridged_percent),
            "unbridged_duration_s": round(self.unbridged_s),
            "other_drugs_percent": {
                name: exact_or_whole(percent) for name, percent in self.others_percent.items()
            },
        }

    def in_words(self) -> str:
        """The error without a bridge, for people."""
        hours = float(self.unbridged_s) / 3600
        percent = float(self.unbridged_percent)
        return f"without a bridge, {percent:.4g} % of the intended dose for {hours:.1f} h"


@dataclass
class BridgeFinding:
    """The bridge a change needs, if any, and what there is to say about it."""

    bridge: Bridge | None = None
    errors: list[Problem] = field(default_factory=list[Problem])
    warnings: list[Problem] = field(default_factory=list[Problem])


def find_bridge(running: Mapping[str, Any], therapy: Therapy) -> BridgeFinding:
    """What changing from `running` (a wire therapy) to `therapy` needs; nothing for the same filling."""
    old_drugs: list[dict[str, Any]] = running["drugs"]
    old = {drug["name"]: drug["concentration_ng_per_ml"] for drug in old_drugs}
    new = {drug.name: drug.concentration_ng_per_ml for drug in therapy.drugs}
    same_drug = old_drugs[0]["name"] == therapy.primary.name
    if old == new and same_drug:
        return BridgeFinding()
    before = _filling_text(old_drugs)
    if dead_volume_pl(therapy.catheter) == 0:
        message = f"the dead volume is 0, so no bridge from {before} can be computed; write the real one"
        return BridgeFinding(errors=[Problem("catheter", message)])
    dose = mean_basal(to_wire(therapy))
    bridge_dose = dose if same_drug else mean_basal(running)
    if dose == 0 or bridge_dose == 0:
        message = f"no dose is delivered, so no bridge from {before} can be computed"
        return BridgeFinding(warnings=[Problem("basal.mode", message)])
    bridge = _bridge(old_drugs, therapy, dose, bridge_dose)
    warnings = _others_warnings(bridge, therapy)
    if bridge.unbridged_percent == 100:  # the primary drug stays as it is: nothing to bridge
        return BridgeFinding(warnings=warnings)
    warnings.insert(
        0, Problem("drug[1].concentration", f"{before} is still in the catheter: {bridge.in_words()}")
    )
    return BridgeFinding(bridge, warnings=warnings + _rate_warning(bridge, therapy))


def _others_warnings(bridge: Bridge, therapy: Therapy) -> list[Problem]:
    return [
        Problem(
            "drug",
            f"a bridge is exact for {therapy.primary.name} only: meanwhile {name} is at "
            f"{float(percent):.4g} % of the intended dose",
        )
        for name, percent in bridge.others_percent.items()
        if percent != 100
    ]


def _bridge(
    old_drugs: list[dict[str, Any]], therapy: Therapy, dose: Fraction, bridge_dose: Fraction
) -> Bridge:
    dead = dead_volume_pl(therapy.catheter)
    primary_old, primary_new = (
        old_drugs[0]["concentration_ng_per_ml"],
        therapy.primary.concentration_ng_per_ml,
    )
    rate = bridge_dose * PL_PER_ML / primary_old
    final_rate = dose * PL_PER_ML / primary_new
    same_drug = old_drugs[0]["name"] == therapy.primary.name
    percent = Fraction(100 * primary_old, primary_new) if same_drug else Fraction(0)
    old = {drug["name"]: drug["concentration_ng_per_ml"] for drug in old_drugs}
    others = {
        drug.name: 100 * rate * old.get(drug.name, 0) / (final_rate * drug.concentration_ng_per_ml)
        for drug in therapy.drugs[1:]
    }
    return Bridge(dead, rate, dead / rate * S_PER_DAY, percent, dead / final_rate * S_PER_DAY, others)


def _rate_warning(bridge: Bridge, therapy: Therapy) -> list[Problem]:
    highest = therapy.limits.max_rate_pl_per_day
    if BASAL_RATE.low <= bridge.rate_pl_per_day <= highest:
        return []
    rate = float(bridge.rate_pl_per_day) / PL_PER_ML
    side = (
        "below the lowest basal rate" if bridge.rate_pl_per_day < BASAL_RATE.low else "above limits.max_rate"
    )
    return [Problem("bridge", f"its rate of {rate:.4g} mL/day is {side}: the pump cannot deliver it")]


def _filling_text(drugs: list[dict[str, Any]]) -> str:
    return " + ".join(
        f"{drug['name']} {concentration_text(drug['concentration_ng_per_ml'])}" for drug in drugs
    )
