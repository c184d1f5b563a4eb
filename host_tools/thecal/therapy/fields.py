"""Readers of single fields in TOML files: quantities, counts, words, times of day and days.

Each is a pydantic validator that turns what stands in the file into wire units or refuses it with the
message that the user sees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from thecal.therapy.limits import Range
from thecal.units import quantities
from thecal.units.amounts import WEEKDAYS

DAYS_EXAMPLE = 'days = ["mon", "tue"]'
CHANGE_EXAMPLE = 'change = "-10 %"'


@dataclass(frozen=True)
class Reader:
    """How one field is read, and all else that is said of it: the one declaration of a field is its model's.

    `example`: a line of the file that would be right. `text`: the value in a review; `written`: in a file.
    `wire`: its name on the wire, where that is not the attribute's. `is_dose`: a factor of change matters.
    `known`: the words there are.
    """

    read: Callable[[object], Any]
    example: str = ""
    allowed: Range | None = None
    text: Callable[[int], str] = str
    written: Callable[[int], object] | None = None  # None: no plain number
    wire: str = ""
    is_dose: bool = False
    known: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))


def wrong(message: str) -> PydanticCustomError:
    """What a validator raises: the message goes to the user as it is."""
    return PydanticCustomError("thecal", "{message}", {"message": message})


def amount(
    kind: quantities.Kind, allowed: Range, example: str = "", *, wire: str = "", is_dose: bool = False
) -> Reader:
    """Reads a quantity as a whole number of wire units within a range."""

    def read(value: object) -> int:
        try:
            exact = quantities.parse(value, kind)
            between = exact > 1 and exact.denominator != 1  # two wire units: both may lie out of range
            complaint = allowed.complaint(exact) if between else None
            number = 0 if complaint else quantities.parse_whole(value, kind, zero=allowed.low == 0)
        except quantities.QuantityError as error:
            raise wrong(str(error)) from error
        complaint = complaint or allowed.complaint(number)
        if complaint is not None:
            raise wrong(complaint)
        return number

    return Reader(read, example, allowed, allowed.text, allowed.text, wire, is_dose)


def count(low: int, high: int, example: str, text: Callable[[int], str] = str) -> Reader:
    """Reads a plain whole number within a range."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong(f'"{value}" is not a plain whole number; write for example: {example}')
        if not low <= value <= high:
            raise wrong(f"{value} is not within {text(low)} to {text(high)}")
        return value

    return Reader(read, example, Range("count", low, high, str), text, int)


def words(max_bytes: int, example: str = "") -> Reader:
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

    return Reader(read, example)


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
        raise wrong(f"is not a list of days; write for example: {DAYS_EXAMPLE}")
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
        raise wrong(f'"{value}" has no sign; write {CHANGE_EXAMPLE} or change = "+1.2 mcg/day"')
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
