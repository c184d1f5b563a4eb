"""The refill check: what came out of the reservoir against what the pump counted, and the trend of refills.

Pure, exact. A pump counts the steps that it makes, so a motor that displaces more or less with every step is
invisible to it; here it shows (RES-03). Formulas and bounds: docs/reference/cli.md, refill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from thecal.units.amounts import PL_PER_ML, fixed_text, ratio_text, volume_text
from thecal.units.json_numbers import nl

APART_PL = 2 * PL_PER_ML  # a residual further than this from the count is flagged
FAST, SLOW = (
    Fraction(1145, 1000),
    Fraction(855, 1000),
)  # flow outside of these is flagged (DEL-02's outer limit)
LEAST_USED_PL = 5 * PL_PER_ML  # less than this used by count, and a syringe's error alone may do that
_SMALL_PUMP_PL = 20 * PL_PER_ML


@dataclass(frozen=True)
class RefillCheck:
    """One refill, in pL: put in at the filling before, left by the pump's count, left by the syringe."""

    filled_pl: int
    counted_pl: int
    measured_pl: int
    missed_pl: int | None = None  # of what was counted: not seen to move; None: not known

    @property
    def apart_pl(self) -> int:
        """By how much more came out than was counted (negative: less)."""
        return self.measured_pl - self.counted_pl

    @property
    def far_apart(self) -> bool:
        """Whether that is more than 2 mL: the pump's own alarm goes by this."""
        return abs(self.apart_pl) > APART_PL

    @property
    def suspicious(self) -> bool:
        """Whether it is more than a syringe explains: 2 mL, or 14.5 % of what was used."""
        return self.far_apart or (self.used_pl >= LEAST_USED_PL and _is_off(self.ratio))

    @property
    def used_pl(self) -> int:
        """What left the reservoir by the pump's count."""
        return self.filled_pl - self.counted_pl

    @property
    def gone_pl(self) -> int:
        """What is gone from it by the syringe."""
        return self.filled_pl - self.measured_pl

    @property
    def ratio(self) -> Fraction | None:
        """True flow to counted flow, (filled - measured) / (filled - counted); None: nothing was used."""
        return Fraction(self.gone_pl, self.used_pl) if self.used_pl > 0 else None


@dataclass(frozen=True)
class Trend:
    """Several refills together, oldest first: a syringe's errors cancel, those of the flow add up."""

    refills: Sequence[RefillCheck]

    @property
    def ratio(self) -> Fraction | None:
        """Of everything that is gone to everything counted; None: too little was used to tell."""
        used_pl = sum(one.used_pl for one in self.refills)
        if used_pl < LEAST_USED_PL:
            return None
        return Fraction(sum(one.gone_pl for one in self.refills), used_pl)

    @property
    def suspicious(self) -> bool:
        """Whether the flow is off by more than 14.5 % over all of them."""
        return _is_off(self.ratio)


def _is_off(ratio: Fraction | None) -> bool:
    return ratio is not None and not SLOW <= ratio <= FAST


def pocket_fill_bound_pl(reservoir_pl: int) -> int:
    """More than this between what was injected and measured right after it: a possible pocket fill."""
    return PL_PER_ML if reservoir_pl <= _SMALL_PUMP_PL else APART_PL


def percent_text(ratio: Fraction | None) -> str:
    """A ratio as a difference in percent: "+20.0 %"."""
    return "not known" if ratio is None else f"{fixed_text((ratio - 1) * 100, 1, '+')} %"


def signed_text(pl: int) -> str:
    """A volume with its sign: "+1.2 mL"."""
    return f"{'+' if pl > 0 else '-' if pl < 0 else ''}{volume_text(abs(pl))}"


def check_words(check: RefillCheck) -> list[str]:
    """What a person should read before the refill goes on record."""
    apart_pl = check.apart_pl
    lines: list[str] = []
    if apart_pl:
        more = "more" if apart_pl > 0 else "less"
        lines.append(f"That is {volume_text(abs(apart_pl))} {more} than counted.")
    if check.ratio is not None:
        lines.append(
            f"Gone since the last filling: {volume_text(check.gone_pl)}, "
            f"counted {volume_text(check.used_pl)}; flow {percent_text(check.ratio)} against the count."
        )
    if check.missed_pl:
        lines.append(
            f"Of what was counted, {volume_text(check.missed_pl)} was driven and not seen to move (a stall); "
            f"that leaves a difference of {signed_text(apart_pl - check.missed_pl)}."
        )
    if check.suspicious:
        cause = (
            "the pump may deliver less than it counts (occlusion, stall, leak into the reservoir)"
            if apart_pl > 0
            else "the pump may deliver more than it counts, or the last filling went beside it"
        )
        bound = "more than 2 mL apart" if check.far_apart else "the flow is off by more than 14.5 %"
        lines.append(f"ATTENTION: {bound}. Check the flow, the catheter and the fill: {cause}.")
    return lines


def trend_words(trend: Trend) -> list[str]:
    """The trend in a line, and a warning when it is off."""
    if len(trend.refills) < 2 or trend.ratio is None:
        return []
    each = ", ".join(percent_text(one.ratio) for one in trend.refills)
    lines = [f"Flow over the last {len(trend.refills)} refills: {percent_text(trend.ratio)} ({each})."]
    if trend.suspicious:
        lines.append(
            "ATTENTION: over these refills the flow is off by more than 14.5 %. Do not trust the count."
        )
    return lines


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
