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

from dataclasses import dataclass
from fractions import Fraction

from thecal.units.amounts import PL_PER_UL, dose_rate_text, exact_or_whole, fixed_text, rounded_text


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
        of = "none is intended" if percent is None else f"{rounded_text(percent, 4)} % of the intended dose"
        return f"{self.name} {about_text(self.bridge_ng_per_day)} ({of})"


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
        hours = fixed_text(self.unbridged_s / 3600, 1)
        percent = rounded_text(self.unbridged_percent, 4)
        return f"without a bridge, {percent} % of the intended dose for {hours} h"

    def with_in_words(self) -> str:
        """What the bridge does, for people, with the dose of every drug."""
        rate, hours = rounded_text(self.rate_pl_per_day / PL_PER_UL, 4), fixed_text(self.duration_s / 3600, 1)
        volume = rounded_text(Fraction(self.volume_pl) / PL_PER_UL, 4)
        doses = ", ".join(drug.in_words() for drug in self.drugs)
        flow = f"{volume} uL of {self.old_filling} at {rate} uL/day for {hours} h"
        return f"with a bridge, {flow}: {doses}"


def about_text(ng_per_day: Fraction) -> str:
    """A dose rate; one that is no whole number is rounded, and says so."""
    whole = ng_per_day.denominator == 1
    return dose_rate_text(ng_per_day) if whole else f"about {dose_rate_text(round(ng_per_day))}"
