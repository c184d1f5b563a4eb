"""The measure in which one therapy's rates are whole numbers.

With C the primary drug's concentration (ng/mL) and V the step volume (pL), a dose rate of D ng/day is D *
10^9 / (86 400 000 000 * C * V) = 5 D / (432 C V) steps per microsecond. So with parts of 1/(432 C V)
step:

    a dose rate D ng/day          5 D            parts per microsecond
    a bolus of B ng over d us     432*10^9 B / d
    a volume rate of R pL/day     R C / (2*10^8)

Each is a fraction p/q. Multiplying the unit by L, a common multiple of all q in force, makes every rate
whole: unit = 432 C V L parts per step. L is chosen when a command changes what may run; it also takes in
the denominator that the phase has by then (a bolus cut short leaves one), so that the phase carries over
exactly. Should that ever exceed the accumulator's 600 bits, the phase is rounded down to the therapy's
own measure: less than 1/(432 C V) of one step is given up, never given twice, and `rounded` counts it.
"""

from pump.dosing import bigint
from pump.dosing.accumulator import CAPACITY
from pump.dosing.schedule import DOSE_LIMBS

_SPARE_LIMBS = 1
_PARTS = 432
_BOLUS = 432_000_000_000
_VOLUME_RATE = 200_000_000


def greatest_divisor(a: int, b: int) -> int:
    """Greatest common divisor (MicroPython's math has none)."""
    while b:
        a, b = b, a % b
    return a


def least_multiple(a: int, b: int) -> int:
    """Least common multiple of positive integers."""
    return a // greatest_divisor(a, b) * b


class Fraction:
    """A rate p/q in parts of 1/(432 C V) step per microsecond, in lowest terms."""

    def __init__(self, p: int = 0, q: int = 1):
        common = greatest_divisor(p, q) if p else q
        self.p = p // common
        self.q = q // common


def dose_rate(dose_ng_per_day: int) -> Fraction:
    """Of a dose rate of the primary drug."""
    return Fraction(5 * dose_ng_per_day)


def bolus_rate(dose_ng: int, duration_us: int) -> Fraction:
    """Of a dose of the primary drug given evenly over a duration."""
    return Fraction(_BOLUS * dose_ng, duration_us)


def volume_rate(rate_pl_per_day: int, concentration_ng_per_ml: int) -> Fraction:
    """Of a flow, at the primary drug's concentration."""
    return Fraction(rate_pl_per_day * concentration_ng_per_ml, _VOLUME_RATE)


class Scale:
    """The unit of one therapy and the factor L in it."""

    def __init__(self):
        self.base_unit = 1  # 432 C V
        self.factor = 1  # L
        self.rounded = 0  # how often a phase was too fine to keep

    def set_drug(self, concentration_ng_per_ml: int, step_volume_pl: int) -> None:
        self.base_unit = _PARTS * concentration_ng_per_ml * step_volume_pl

    def fit(self, accumulator, rates) -> None:
        """Choose L for these fractions and re-express the accumulator's phase in the new unit."""
        factor = 1
        for rate in rates:
            factor = least_multiple(factor, rate.q)
        remainder, unit = accumulator.fraction()
        common = greatest_divisor(remainder, unit)
        remainder //= common
        unit //= common
        needed = self.base_unit * factor
        exact = least_multiple(needed, unit)
        if bigint.limbs_of(exact) > CAPACITY - _SPARE_LIMBS:
            exact = needed
            remainder = remainder * needed // unit
            self.rounded += 1
        else:
            remainder *= exact // unit
        self.factor = exact // self.base_unit
        accumulator.load(exact, remainder)

    def parts(self, rate) -> int:
        """The fraction in parts per microsecond: whole by the choice of L."""
        return rate.p * (self.factor // rate.q)

    def parts_below(self, rate) -> int:
        """The same for a rate that L was not fitted to, rounded down (used for the ceiling only)."""
        return rate.p * self.factor // rate.q

    def dose_factor(self) -> int:
        """Parts per microsecond of one ng/day."""
        return 5 * self.factor

    def pl_per_day(self, parts: int, step_volume_pl: int) -> int:
        """A rate in parts per microsecond as pL/day, rounded down."""
        return parts * 86_400_000_000 * step_volume_pl // (self.base_unit * self.factor)


class Rates:
    """Those of a therapy that are not a bolus's, as prescribed and as whole numbers in the scale that
    all share: base rate, ceiling, keep-open rate. Only `prescribe` and `fit` allocate."""

    def __init__(self, accumulator):
        self._accumulator = accumulator
        self.scale = Scale()
        self.base = Fraction()
        self.ceiling = Fraction()  # the total rate is never above it
        self.keep_open = Fraction()  # KVO: the most that flows while an alarm of action `hold` stands
        self.base_parts = bigint.new(CAPACITY)  # what holds now: it may be that of a week's or plan's step
        self.ceiling_parts = bigint.new(CAPACITY)
        self._keep_open_parts = bigint.new(CAPACITY)
        self._dose_factor = bigint.new(CAPACITY)
        self._product = bigint.new(CAPACITY + DOSE_LIMBS)

    def prescribe(self, prescription) -> None:
        """What a program says; `fit` follows."""
        concentration = prescription.concentration_ng_per_ml
        self.base = prescription.base_rate()
        self.ceiling = volume_rate(prescription.max_rate_pl_per_day, concentration)
        self.keep_open = volume_rate(prescription.bounds.floor_pl_per_day, concentration)
        self.scale.set_drug(concentration, prescription.step_volume_pl)

    def fit(self, sources) -> None:
        """Choose the scale anew for these rates and those of the sources, and express them in it."""
        scale = self.scale
        scale.fit(self._accumulator, [self.base] + [source.rate for source in sources])
        size = self._accumulator.size
        bigint.load(self.base_parts, size, scale.parts(self.base))
        bigint.load(self._dose_factor, size, scale.dose_factor())
        bigint.load(self.ceiling_parts, size, scale.parts_below(self.ceiling))
        bigint.load(self._keep_open_parts, size, scale.parts_below(self.keep_open))
        for source in sources:
            bigint.load(source.parts, size, scale.parts(source.rate))

    def take_dose(self, dose) -> None:
        """The base rate from a dose in ng/day."""
        size = self._accumulator.size
        bigint.multiply(self._product, self._dose_factor, size, dose, DOSE_LIMBS)
        bigint.copy(self.base_parts, self._product, size)

    def bound(self, held: bool) -> None:
        """The accumulator's rate is no higher than the ceiling, nor, `held` by an alarm, than the keep-open
        rate."""
        rate = self._accumulator.rate
        size = self._accumulator.size
        if bigint.less(self.ceiling_parts, rate, size):  # BOL-01; a guard that acceptance keeps from acting
            bigint.copy(rate, self.ceiling_parts, size)
        if held and bigint.less(self._keep_open_parts, rate, size):
            bigint.copy(rate, self._keep_open_parts, size)

    def pl_per_day(self, step_volume_pl: int) -> int:
        """The total rate that holds now, rounded down."""
        parts = bigint.to_int(self._accumulator.rate, self._accumulator.size)
        return self.scale.pl_per_day(parts, step_volume_pl)
