"""Readers of single fields in TOML files: quantities, counts, words, times of day and days.

Each is a pydantic validator that turns what stands in the file into wire units or refuses it with the
message that the user sees. `EXAMPLES` names every field of a therapy file with a line that would be right.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from thecal.therapy.limits import Range
from thecal.units import quantities
from thecal.units.amounts import WEEKDAYS

# Per field, the line an error message shows; also the list of known fields (checked against the models by
# test).
EXAMPLES = {
    "schema": "schema = 1",
    "name": 'name = "constant morphine"',
    "pump": "[pump]",
    "pump.reservoir": 'reservoir = "40 mL"',
    "pump.fill": 'fill = "40 mL"',
    "pump.step_volume": 'step_volume = "2.5 nL"',
    "catheter": "[catheter]",
    "catheter.pump_tubing": 'pump_tubing = "140 uL"',
    "catheter.length": 'length = "89 cm"',
    "catheter.volume_per_length": 'volume_per_length = "2.2 uL/cm"',
    "drug": "[[drug]]",
    "drug.name": 'name = "morphine"',
    "drug.concentration": 'concentration = "20 mg/mL"',
    "basal": "[basal]",
    "basal.mode": 'mode = "continuous"',
    "basal.dose": 'dose = "2.4 mg/day"',
    "basal.step": "[[basal.step]]",
    "basal.step.start": 'start = "06:00"',
    "basal.step.dose": 'dose = "0.15 mg/h"',
    "basal.step.days": 'days = ["mon", "tue"]',
    "start": "[start]",
    "start.delay": 'delay = "2 h"',
    "plan": "[[plan]]",
    "plan.after": 'after = "1 d"',
    "plan.dose": 'dose = "2.2 mg/day"',
    "taper": "[taper]",
    "taper.change": 'change = "-10 %"',
    "taper.every": 'every = "1 d"',
    "taper.steps": "steps = 5",
    "taper.until": 'until = "1.2 mg/day"',
    "bridge": "[bridge]",
    "bridge.dose": 'dose = "5 mg/day"',
    "periodic_bolus": "[[periodic_bolus]]",
    "periodic_bolus.dose": 'dose = "0.1 mg"',
    "periodic_bolus.duration": 'duration = "5 min"',
    "periodic_bolus.every": 'every = "6 h"',
    "periodic_bolus.first": 'first = "2 h"',
    "patient_bolus": "[patient_bolus]",
    "patient_bolus.dose": 'dose = "0.1 mg"',
    "patient_bolus.duration": 'duration = "5 min"',
    "patient_bolus.lockout": 'lockout = "2 h"',
    "patient_bolus.max_per_24h": "max_per_24h = 6",
    "limits": "[limits]",
    "limits.max_dose_24h": 'max_dose_24h = "6 mg"',
    "limits.max_dose_1h": 'max_dose_1h = "1 mg"',
    "limits.max_rate": 'max_rate = "24 mL/day"',
    "limits.drug": "[limits.drug.NAME]",
    "limits.drug.NAME": "[limits.drug.NAME]",
    "limits.drug.NAME.max_dose_24h": 'max_dose_24h = "6 mg"',
    "limits.drug.NAME.max_dose_1h": 'max_dose_1h = "1 mg"',
    "alarms": "[alarms]",
    "alarms.low_reservoir": 'low_reservoir = "2 mL"',
    "alarms.low_reservoir_days": "low_reservoir_days = 3",
    "alarms.max_pause": 'max_pause = "30 min"',
}


def wrong(message: str) -> PydanticCustomError:
    """What a validator raises: the message goes to the user as it is."""
    return PydanticCustomError("thecal", "{message}", {"message": message})


def amount(kind: quantities.Kind, allowed: Range) -> BeforeValidator:
    """Reads a quantity as a whole number of wire units within a range."""

    def read(value: object) -> int:
        try:
            number = quantities.parse_whole(value, kind, zero=allowed.low == 0)
        except quantities.QuantityError as error:
            raise wrong(str(error)) from error
        complaint = allowed.complaint(number)
        if complaint is not None:
            raise wrong(complaint)
        return number

    return BeforeValidator(read)


def count(low: int, high: int, example: str) -> BeforeValidator:
    """Reads a plain whole number within a range."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong(f'"{value}" is not a plain whole number; write for example: {example}')
        if not low <= value <= high:
            raise wrong(f"{value} is not within {low} to {high}")
        return value

    return BeforeValidator(read)


def words(max_bytes: int) -> BeforeValidator:
    """Reads printable text of at most so many bytes."""

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise wrong(f'{value} is not text; write it in quotes: "{value}"')
        text = value.strip()
        if not text or not text.isprintable():
            raise wrong("is empty or holds characters that cannot be shown; write plain words")
        if len(text.encode("utf-8", "replace")) > max_bytes:
            raise wrong(f"is longer than the {max_bytes} bytes that the pump keeps; shorten it")
        return text

    return BeforeValidator(read)


def read_start(value: object) -> int:
    """ "06:30" as minutes after midnight."""
    text = value if isinstance(value, str) else ""
    hours, colon, minutes = text.partition(":")
    digits = hours + minutes
    if (
        (len(hours), colon, len(minutes)) == (2, ":", 2)
        and digits.isascii()
        and digits.isdigit()
        and int(hours) < 24
        and int(minutes) < 60
    ):
        return int(hours) * 60 + int(minutes)
    raise wrong(f'"{value}" is not a time of day; write hours and minutes in quotes, "00:00" to "23:59"')


def read_days(value: object) -> int:
    """["mon", "sat"] as a bit mask, bit 0 Monday."""
    if not isinstance(value, list) or not value:
        raise wrong(f"is not a list of days; write for example: {EXAMPLES['basal.step.days']}")
    mask = 0
    for day in value:  # pyright: ignore[reportUnknownVariableType]
        if day not in WEEKDAYS:
            raise wrong(f'"{day}" is not a day; the days are {", ".join(WEEKDAYS)}')
        bit = 1 << WEEKDAYS.index(day)
        if mask & bit:
            raise wrong(f'"{day}" stands twice')
        mask |= bit
    return mask


@dataclass(frozen=True)
class DoseChange:
    """One step of a [taper]: either percent of the dose before, or so much per day, more or less."""

    percent: Fraction = Fraction(0)
    ng_per_day: int = 0

    def after(self, dose_ng_per_day: int) -> int:
        """The next dose, rounded down to a whole ng/day."""
        exact = dose_ng_per_day * (100 + self.percent) / 100 + self.ng_per_day
        return exact.numerator // exact.denominator

    @property
    def rises(self) -> bool:
        """Whether each dose is above the one before."""
        return self.percent > 0 or self.ng_per_day > 0


def read_change(value: object) -> DoseChange:
    """ "-10 %" of the dose before, or "+1.2 mcg/day"."""
    text = value.strip() if isinstance(value, str) else ""
    if text[:1] not in ("+", "-"):
        raise wrong(f'"{value}" has no sign; write {EXAMPLES["taper.change"]} or change = "+1.2 mcg/day"')
    try:
        if not text.endswith("%"):
            return DoseChange(ng_per_day=quantities.parse_whole(text, quantities.DOSE_RATE, negative=True))
        percent = quantities.parse_number(text[:-1], "-10")
    except quantities.QuantityError as error:
        raise wrong(str(error)) from error
    if percent == 0 or not -100 < percent <= 100:
        raise wrong(f'"{value}" is not within -100 % (not itself) and +100 %, and not 0 %')
    return DoseChange(percent=percent)


def read_schema(value: object) -> int:
    """The version of the file format: 1 is the only one."""
    if value != 1 or isinstance(value, bool) or not isinstance(value, int):
        raise wrong(
            f"{value} is a version of this file format that is not known; this thecal reads: schema = 1"
        )
    return value
