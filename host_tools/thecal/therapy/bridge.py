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

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from thecal.therapy.dose_math import dead_volume_pl, mean_basal_ng_per_day
from thecal.therapy.drug_library.rules import limits_of
from thecal.therapy.encode import to_wire
from thecal.therapy.limits import BASAL_RATE
from thecal.therapy.models import Therapy
from thecal.therapy.program_math import bridge_dose
from thecal.therapy.toml_file import Problem
from thecal.units.amounts import (
    PL_PER_ML,
    PL_PER_UL,
    S_PER_DAY,
    concentration_text,
    dose_rate_text,
    exact_or_whole,
    mass_text,
)

_ASK = "[bridge] asks the pump to bridge it"


@dataclass(frozen=True)
class BridgedDrug:
    """One drug of the old or the new filling while the old one leaves the catheter, ng/day."""

    name: str
    bridge_ng_per_day: Fraction  # with a bridge
    unbridged_ng_per_day: Fraction  # without
    intended_ng_per_day: Fraction

    @property
    def percent(self) -> Fraction | None:
        """Of the intended dose, with a bridge; None: none is intended."""
        return 100 * self.bridge_ng_per_day / self.intended_ng_per_day if self.intended_ng_per_day else None

    def in_words(self) -> str:
        """ "morphine 5 mg/day (100 % of the intended dose)"."""
        percent = self.percent
        of = "none is intended" if percent is None else f"{float(percent):.4g} % of the intended dose"
        return f"{self.name} {_about(self.bridge_ng_per_day)} ({of})"


@dataclass(frozen=True)
class Bridge:
    """Volume in pL, rate in pL/day, durations in s; percent of the intended dose of the primary drug."""

    old_filling: str  # "morphine 10 mg/mL"
    dose_ng_per_day: int  # of the old filling's primary drug
    volume_pl: int
    rate_pl_per_day: Fraction
    duration_s: Fraction
    unbridged_percent: Fraction
    unbridged_s: Fraction
    drugs: tuple[BridgedDrug, ...]  # those of the new filling, then those that only the old one held
    asked: bool  # whether the therapy asks for it; otherwise this is an offer

    @property
    def others_percent(self) -> dict[str, Fraction]:
        """While the bridge runs, of the intended dose of each drug but the primary one."""
        return {drug.name: drug.percent for drug in self.drugs[1:] if drug.percent is not None}

    def as_json(self) -> dict[str, object]:
        """As `check` prints it; numbers that are not exact are rounded to a whole unit."""
        return {
            "asked": self.asked,
            "dose_ng_per_day": str(self.dose_ng_per_day),
            "volume_ul": exact_or_whole(Fraction(self.volume_pl, PL_PER_UL)),
            "rate_ul_per_day": exact_or_whole(self.rate_pl_per_day / PL_PER_UL),
            "duration_s": round(self.duration_s),
            "unbridged_dose_percent": exact_or_whole(self.unbridged_percent),
            "unbridged_duration_s": round(self.unbridged_s),
            "other_drugs_percent": {
                name: exact_or_whole(percent) for name, percent in self.others_percent.items()
            },
            "drugs": {
                drug.name: {
                    "bridge_ng_per_day": exact_or_whole(drug.bridge_ng_per_day),
                    "unbridged_ng_per_day": exact_or_whole(drug.unbridged_ng_per_day),
                    "intended_ng_per_day": exact_or_whole(drug.intended_ng_per_day),
                }
                for drug in self.drugs
            },
            "words": [self.with_in_words(), self.in_words()],
        }

    def in_words(self) -> str:
        """The error without a bridge, for people."""
        hours = float(self.unbridged_s) / 3600
        percent = float(self.unbridged_percent)
        return f"without a bridge, {percent:.4g} % of the intended dose for {hours:.1f} h"

    def with_in_words(self) -> str:
        """What the bridge does, for people, with the dose of every drug."""
        rate, hours = float(self.rate_pl_per_day) / PL_PER_UL, float(self.duration_s) / 3600
        volume = float(self.volume_pl) / PL_PER_UL
        doses = ", ".join(drug.in_words() for drug in self.drugs)
        flow = f"{volume:.4g} uL of {self.old_filling} at {rate:.4g} uL/day for {hours:.1f} h"
        return f"with a bridge, {flow}: {doses}"


@dataclass
class BridgeFinding:
    """The bridge a change needs, if any, and what there is to say about it."""

    bridge: Bridge | None = None
    errors: list[Problem] = field(default_factory=list[Problem])
    warnings: list[Problem] = field(default_factory=list[Problem])


def find_bridge(running: Mapping[str, Any], therapy: Therapy) -> BridgeFinding:
    """What changing from `running` (a wire therapy) to `therapy` needs; nothing for the same filling.

    What cannot be bridged is an error when the therapy asks for a bridge, else at most a warning.
    """
    old_drugs: list[dict[str, Any]] = running["drugs"]
    old = {drug["name"]: drug["concentration_ng_per_ml"] for drug in old_drugs}
    new = {drug.name: drug.concentration_ng_per_ml for drug in therapy.drugs}
    asked = therapy.bridge is not None
    before = _filling_text(old_drugs)
    same_drug = old_drugs[0]["name"] == therapy.primary.name
    if old == new and same_drug:
        message = f"the filling stays the same, {before}: there is nothing to bridge; remove [bridge]"
        return BridgeFinding(errors=[Problem("bridge", message)] if asked else [])
    if dead_volume_pl(therapy.catheter) == 0:
        message = f"the dead volume is 0, so no bridge from {before} can be computed; write the real one"
        return BridgeFinding(errors=[Problem("catheter", message)])
    bridge = _bridge(running, therapy)
    if bridge is None:
        message = f"no dose is delivered, so no bridge from {before} can be computed"
        if asked:
            return BridgeFinding(
                errors=[Problem("bridge.dose", f"{message}; write the dose, or remove [bridge]")]
            )
        return BridgeFinding(warnings=[Problem("basal.mode", message)])
    warnings = list(_others_warnings(bridge, therapy))
    if bridge.unbridged_percent == 100:  # the primary drug stays as it is
        message = f"{therapy.primary.name} stays as it is: there is nothing to bridge; remove [bridge]"
        return BridgeFinding(errors=[Problem("bridge", message)] if asked else [], warnings=warnings)
    faults = [*_rate_faults(bridge, therapy), *_limit_faults(bridge, therapy)]
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
    plain = to_wire(therapy.model_copy(update={"bridge": None}))
    bridge_ng_per_day = own_dose or bridge_dose(plain, running)
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
                f"{float(percent):.4g} % of the intended dose",
            )


def _rate_faults(bridge: Bridge, therapy: Therapy) -> Iterator[Problem]:
    highest = therapy.limits.max_rate_pl_per_day
    rate = float(bridge.rate_pl_per_day) / PL_PER_ML
    if bridge.rate_pl_per_day < BASAL_RATE.low:
        side = "below the lowest basal rate"
    elif bridge.rate_pl_per_day > highest:
        side = "above limits.max_rate"
    else:
        return
    yield Problem("bridge", f"its rate of {rate:.4g} mL/day is {side}: the pump cannot deliver it")


def _limit_faults(bridge: Bridge, therapy: Therapy) -> Iterator[Problem]:
    """A limit that the new program sets holds for the bridge too."""
    doses = {drug.name: drug.bridge_ng_per_day for drug in bridge.drugs}
    for drug in therapy.drugs:
        limits = limits_of(therapy, drug)
        for limit, parts, window in ((limits.max_24h_ng, 1, "24 h"), (limits.max_1h_ng, 24, "1 h")):
            dose = doses[drug.name] / parts
            if limit is not None and dose > limit:
                given = f"{_about(doses[drug.name])} of {drug.name}"
                yield Problem("bridge.dose", f"{given} passes its limit for {window}, {mass_text(limit)}")


def _about(ng_per_day: Fraction) -> str:
    whole = ng_per_day.denominator == 1
    return dose_rate_text(ng_per_day) if whole else f"about {dose_rate_text(round(ng_per_day))}"


def _filling_text(drugs: list[dict[str, Any]]) -> str:
    return " + ".join(
        f"{drug['name']} {concentration_text(drug['concentration_ng_per_ml'])}" for drug in drugs
    )
