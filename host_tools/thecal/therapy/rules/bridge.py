"""What changing from a running program needs in the catheter: a bridge, or a reason why there can be none.

Judged once for a change, by `thecal.therapy.judge`; what a bridge is: `thecal.therapy.bridge`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from thecal.errors import Problem
from thecal.therapy.bridge import Bridge, BridgedDrug, about_text
from thecal.therapy.checked import CheckedTherapy
from thecal.therapy.dose_math import dead_volume_pl, mean_basal_ng_per_day
from thecal.therapy.limits import BASAL_RATE
from thecal.therapy.models import Therapy
from thecal.therapy.program_math import intended_dose
from thecal.units.amounts import PL_PER_ML, S_PER_DAY, concentration_text, mass_text, rounded_text

_ASK = "[bridge] asks the pump to bridge it"


def default_dose(running: Mapping[str, Any], therapy: Therapy) -> int:
    """The dose at which the old filling is bridged unless a therapy names another, down to a whole ng/day.

    The new program's; for another primary drug, of which no dose is "the intended", the old program's.
    """
    same_drug = running["drugs"][0]["name"] == therapy.primary.name
    dose = mean_basal_ng_per_day(therapy) if same_drug else intended_dose(running)
    return dose.numerator // dose.denominator


@dataclass
class BridgeFinding:
    """The bridge a change needs, if any, and what there is to say about it."""

    bridge: Bridge | None = None
    errors: list[Problem] = field(default_factory=list[Problem])
    warnings: list[Problem] = field(default_factory=list[Problem])


def find_bridge(running: Mapping[str, Any], therapy: CheckedTherapy) -> BridgeFinding:
    """What changing from `running` (a wire therapy) to `therapy` needs; nothing for the same filling.

    What cannot be bridged is an error when the therapy asks for a bridge, else at most a warning.
    """
    old_drugs: list[dict[str, Any]] = running["drugs"]
    old = {drug["name"]: drug["concentration_ng_per_ml"] for drug in old_drugs}
    model = therapy.model
    new = {drug.name: drug.concentration_ng_per_ml for drug in model.drugs}
    asked = model.bridge is not None
    before = _filling_text(old_drugs)
    same_drug = old_drugs[0]["name"] == model.primary.name
    if old == new and same_drug:
        message = f"the filling stays the same, {before}: there is nothing to bridge; remove [bridge]"
        return BridgeFinding(errors=[Problem("bridge", message)] if asked else [])
    if dead_volume_pl(model.catheter) == 0:
        message = f"the dead volume is 0, so no bridge from {before} can be computed; write the real one"
        return BridgeFinding(errors=[Problem("catheter", message)])
    bridge = _bridge(running, model)
    if bridge is None:
        message = f"no dose is delivered, so no bridge from {before} can be computed"
        if asked:
            return BridgeFinding(
                errors=[Problem("bridge.dose", f"{message}; write the dose, or remove [bridge]")]
            )
        return BridgeFinding(warnings=[Problem("basal.mode", message)])
    warnings = list(_others_warnings(bridge, model))
    if bridge.unbridged_percent == 100:  # the primary drug stays as it is
        message = f"{model.primary.name} stays as it is: there is nothing to bridge; remove [bridge]"
        return BridgeFinding(errors=[Problem("bridge", message)] if asked else [], warnings=warnings)
    faults = [*_rate_faults(bridge, model), *_limit_faults(bridge, therapy)]
    if asked:
        return BridgeFinding(bridge, errors=faults, warnings=warnings)
    offer = f"{before} is still in the catheter: {bridge.in_words()}; {_ASK}"
    return BridgeFinding(bridge, warnings=[Problem("drug[1].concentration", offer), *warnings, *faults])


def _bridge(running: Mapping[str, Any], therapy: Therapy) -> Bridge | None:
    """None when no dose says how fast it should flow, or nothing flows afterwards."""
    old_drugs: list[dict[str, Any]] = running["drugs"]
    primary_old, primary_new = (
        old_drugs[0]["concentration_ng_per_ml"],
        therapy.primary.concentration_ng_per_ml,
    )
    own_dose = therapy.bridge.dose_ng_per_day if therapy.bridge else None
    bridge_ng_per_day = own_dose or default_dose(running, therapy)
    final_rate = mean_basal_ng_per_day(therapy) * PL_PER_ML / primary_new
    if bridge_ng_per_day == 0 or final_rate == 0:
        return None
    dead = dead_volume_pl(therapy.catheter)
    rate = Fraction(bridge_ng_per_day * PL_PER_ML, primary_old)
    same_drug = old_drugs[0]["name"] == therapy.primary.name
    old = {drug["name"]: drug["concentration_ng_per_ml"] for drug in old_drugs}
    new = {drug.name: drug.concentration_ng_per_ml for drug in therapy.drugs}
    names = [*new, *(name for name in old if name not in new)]
    return Bridge(
        old_filling=_filling_text(old_drugs),
        dose_ng_per_day=bridge_ng_per_day,
        volume_pl=dead,
        rate_pl_per_day=rate,
        duration_s=dead / rate * S_PER_DAY,
        unbridged_percent=Fraction(100 * primary_old, primary_new) if same_drug else Fraction(0),
        unbridged_s=dead / final_rate * S_PER_DAY,
        drugs=tuple(
            BridgedDrug(
                name,
                rate * old.get(name, 0) / PL_PER_ML,
                final_rate * old.get(name, 0) / PL_PER_ML,
                final_rate * new.get(name, 0) / PL_PER_ML,
            )
            for name in names
        ),
        asked=therapy.bridge is not None,
    )


def _others_warnings(bridge: Bridge, therapy: Therapy) -> Iterator[Problem]:
    for name, percent in bridge.others_percent.items():
        if percent != 100:
            yield Problem(
                "drug",
                f"a bridge is exact for {therapy.primary.name} only: meanwhile {name} is at "
                f"{rounded_text(percent, 4)} % of the intended dose",
            )


def _rate_faults(bridge: Bridge, therapy: Therapy) -> Iterator[Problem]:
    highest = therapy.limits.max_rate_pl_per_day
    if bridge.rate_pl_per_day < BASAL_RATE.low:
        side = "below the lowest basal rate"
    elif bridge.rate_pl_per_day > highest:
        side = "above limits.max_rate"
    else:
        return
    rate = rounded_text(bridge.rate_pl_per_day / PL_PER_ML, 4)
    yield Problem("bridge", f"its rate of {rate} mL/day is {side}: the pump cannot deliver it")


def _limit_faults(bridge: Bridge, therapy: CheckedTherapy) -> Iterator[Problem]:
    """A limit that the new program sets holds for the bridge too."""
    doses = {drug.name: drug.bridge_ng_per_day for drug in bridge.drugs}
    for drug, limits in zip(therapy.model.drugs, therapy.limits, strict=True):
        for limit, parts, window in ((limits.max_24h_ng, 1, "24 h"), (limits.max_1h_ng, 24, "1 h")):
            dose = doses[drug.name] / parts
            if limit is not None and dose > limit:
                given = f"{about_text(doses[drug.name])} of {drug.name}"
                yield Problem("bridge.dose", f"{given} passes its limit for {window}, {mass_text(limit)}")


def _filling_text(drugs: list[dict[str, Any]]) -> str:
    return " + ".join(
        f"{drug['name']} {concentration_text(drug['concentration_ng_per_ml'])}" for drug in drugs
    )
