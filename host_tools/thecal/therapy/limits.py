"""What the pump takes: the lowest and highest of what more than one module asks about, in wire units.

The range of a therapy's field stands at the field (`thecal.therapy.models`) unless others need it too. The
pump checks the same ranges again (SEC-11) and reports its own at `limits`; a test compares the two tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from thecal.units import amounts

PL_PER_ML = amounts.PL_PER_ML
US_PER_S = amounts.US_PER_S
US_PER_DAY = amounts.US_PER_DAY


@dataclass(frozen=True)
class Range:
    """An inclusive range of wire units and how its bounds are written."""

    what: str
    low: int
    high: int
    text: Callable[..., str]

    def complaint(self, amount: int | Fraction) -> str | None:
        """What is wrong with `amount`, the bound named, or None."""
        if amount < self.low:
            return f"{self.text(amount)} is below the lowest {self.what}, {self.text(self.low)}"
        if amount > self.high:
            return f"{self.text(amount)} is above the highest {self.what}, {self.text(self.high)}"
        return None


def seconds_text(seconds: int) -> str:
    """A duration in seconds as a person writes it."""
    return amounts.duration_text(seconds * US_PER_S)


STEP_VOLUME = Range("step volume", 100, 10_000_000, amounts.volume_text)
FILL = Range("fill volume", 0, 100 * PL_PER_ML, amounts.volume_text)
CATHETER = Range("volume of the catheter", 0, 2 * PL_PER_ML, amounts.volume_text)
CONCENTRATION = Range("concentration", 1, 100_000_000, amounts.concentration_text)
DOSE_PER_DAY = Range("dose per day", 1, 100_000_000, amounts.dose_rate_text)
BOLUS_DOSE = Range("bolus dose", 1, 100_000_000, amounts.mass_text)
BASAL_RATE = Range("basal rate", 48_000_000, 24 * PL_PER_ML, amounts.volume_rate_text)
BOLUS_DURATION = Range("bolus duration", US_PER_S, US_PER_DAY, amounts.duration_text)
PLAN_SPAN = Range(
    "time between the doses of a plan", 3600 * US_PER_S, 366 * US_PER_DAY, amounts.duration_text
)
MAX_PAUSE = Range("pause", 1, 48 * 3600, seconds_text)

RESUME_AFTER = Range("timed stop", 0, MAX_PAUSE.high, MAX_PAUSE.text)
SHIFT = Range("move of the clock", 0, 2 * US_PER_DAY, amounts.duration_text)

MINIMUM_RATE_PL_PER_DAY = BASAL_RATE.low  # what basal mode "minimum" delivers

MAX_DRUGS = 5
MAX_STEPS_PER_DAY = 48
MAX_STEPS = 144  # of a flex schedule in all: three different days of 48
MAX_PERIODIC_BOLUSES = 4
MAX_PERIODIC_PER_24H = 48  # of all periodic boluses together
MAX_PLAN_STEPS = 32
MAX_NAME_BYTES = 64
MAX_DRUG_NAME_BYTES = 15
MAX_LOT_BYTES = 24
EMPTY_PL = PL_PER_ML // 2  # at this volume the pump halts
