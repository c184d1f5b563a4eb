"""What an oral dose of morphine would be intrathecally: advice, exact, in one direction.

The ratio stands in the drug library with its source. It is disputed, so the smaller of two figures is what is
advised: the dose by the ratio, and the highest usual start. Nothing here fills in a program (HOST-32).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from thecal.errors import ThecalError
from thecal.therapy.drug_library import names, store
from thecal.therapy.drug_library.model import HAS_ORAL, DrugEntry, OralRatio, StartDose
from thecal.units.amounts import dose_rate_text, exact_decimal
from thecal.units.quantities import Kind, QuantityError, parse_whole

ORAL_DOSE = Kind("a dose per time", "ng/day", "90 mg/day")
_PER_DAY = re.compile(r"/\s*(d|day|days)\s*$")
ADVICE = "Advice, and no order: no program is filled in with it. Who starts the therapy decides."


@dataclass(frozen=True)
class OralAdvice:
    """An oral dose in ng/day, and what the library says of it."""

    oral_ng_per_day: int
    entry: DrugEntry
    ratio: OralRatio
    start: StartDose

    @property
    def figure(self) -> Fraction:
        """By the ratio, ng/day."""
        return Fraction(self.oral_ng_per_day, self.ratio.ratio)

    @property
    def by_least(self) -> Fraction:
        """By the least ratio that was published: how far the dispute goes."""
        return Fraction(self.oral_ng_per_day, self.ratio.least)

    @property
    def smaller(self) -> Fraction:
        """What is advised: no more than this."""
        return min(self.figure, Fraction(self.start.high_ng_per_day))

    @property
    def unusual(self) -> str:
        """What says that the oral dose may be another unit's; "": nothing."""
        most = (
            (self.entry.dose.soft_ng_per_day or self.entry.dose.hard_ng_per_day) if self.entry.dose else None
        )
        if most is None or self.figure <= most:
            return ""
        return (
            f"ATTENTION: that is above the usual highest dose of {self.entry.name}, {dose_rate_text(most)}: "
            "check the unit of the oral dose."
        )

    def words(self) -> Iterator[str]:
        """Lines for people."""
        name, ratio, start = self.entry.name, self.ratio, self.start
        low = f"{dose_rate_text(start.low_ng_per_day)} to " if start.low_ng_per_day else "at most "
        chosen = "the ratio" if self.figure <= start.high_ng_per_day else "the start dose"
        yield (
            f"Oral {dose_rate_text(self.oral_ng_per_day)} of {name}: {dose_rate_text(self.figure)} "
            f"intrathecally, at {ratio.ratio} to 1 ({ratio.cited})."
        )
        yield f"Usual start of {name}: {low}{dose_rate_text(start.high_ng_per_day)} ({start.cited})."
        yield f"The smaller of the two: {dose_rate_text(self.smaller)}, by {chosen}."
        yield (
            f"The ratio is disputed, {ratio.least} to 1 to {ratio.ratio} to 1, and holds in this direction "
            f"alone: at {ratio.least} to 1 the same oral dose would be {dose_rate_text(self.by_least)}."
        )
        if self.unusual:
            yield self.unusual
        yield ADVICE

    def as_json(self) -> dict[str, object]:
        """The document of `thecal convert`; ng/day, of what has no finite decimal the whole ng below."""
        start = self.start
        return {
            "schema": 1,
            "drug": self.entry.name,
            "from": "oral",
            "oral_ng_per_day": str(self.oral_ng_per_day),
            "ratio": self.ratio.ratio,
            "least_ratio": self.ratio.least,
            "source": self.ratio.source,
            "provisional": self.ratio.provisional,
            "intrathecal_ng_per_day": _down(self.figure),
            "by_least_ratio_ng_per_day": _down(self.by_least),
            "start_ng_per_day": {
                "low": None if start.low_ng_per_day is None else str(start.low_ng_per_day),
                "high": str(start.high_ng_per_day),
                "source": start.source,
                "provisional": start.provisional,
            },
            "smaller_ng_per_day": _down(self.smaller),
            "unusual": bool(self.unusual),
            "advice": ADVICE,
        }


def _down(ng: Fraction) -> str:
    """Exact, or the whole ng below."""
    return exact_decimal(ng) or str(int(ng))


def parse_oral(text: str) -> int:
    """ "90 mg/day" in ng/day. QuantityError: it has no unit, or is not said per day."""
    amount = parse_whole(text, ORAL_DOSE)
    if not _PER_DAY.search(text):
        raise QuantityError(
            f'"{text}" is not said per day; add up what is taken in a day, for example "90 mg/day"'
        )
    return amount


def advise(oral_ng_per_day: int, drug: str, source: str = "oral") -> OralAdvice:
    """The advice for an oral dose. ThecalError: for another drug, or another way, there is none."""
    if source == "intrathecal":
        raise ThecalError(
            "an intrathecal dose is not turned into an oral one: the ratio is of the way from oral to "
            "intrathecal, and on the way back a patient needed 12 to 1 and not 300 to 1, so its figure "
            "could be an overdose of many times",
            "find the oral dose from a small one upwards; there is no figure to start from",
        )
    if source != "oral":
        raise ThecalError(f'no ratio is known from "{source}"', "only an oral dose is converted: --from oral")
    if not names.same(drug, HAS_ORAL):
        raise ThecalError(
            f'an oral dose says nothing of intrathecal "{drug}": a ratio is known of {HAS_ORAL} alone, and '
            "each drug passes into the fluid around the cord in its own way",
            f"begin with the start dose of the drug: thecal library show; or say --drug {HAS_ORAL}",
        )
    entry = store.current().drug(HAS_ORAL)
    if entry is None or entry.oral is None or entry.start is None:
        lacks = "an oral ratio" if entry is None or entry.oral is None else "a start dose"
        raise ThecalError(
            f"the drug library in use has not {lacks} of {HAS_ORAL}",
            "see `thecal library show`, and library.md",
        )
    return OralAdvice(oral_ng_per_day, entry, entry.oral, entry.start)
