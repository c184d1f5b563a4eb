"""What every event of an events file has, and readers of its fields."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated

from pydantic import Field

from thecal.therapy import limits
from thecal.therapy.fields import Reader, amount, wrong
from thecal.therapy.limits import Range
from thecal.therapy.models import Section
from thecal.units import quantities
from thecal_protocol.bolus_kinds import WORDS


def _days(us: int) -> str:
    return f"{us // limits.US_PER_DAY} d"


_LONGEST = Range("time of an event", 0, 200 * 366 * limits.US_PER_DAY, _days)

EXAMPLES = {
    "at": 'at = "2h"',
    "do": 'do = "patient_bolus"',
    "inject": 'inject = "motor_stall"',
    "dose": 'dose = "0.2 mg"',
    "duration": 'duration = "10 min"',
    **{word: f"{word} = true" for word in WORDS},
    "file": 'file = "next.toml"',
    "volume": 'volume = "40 mL"',
    "residual": 'residual = "3.1 mL"',
    "offset": 'offset = "+1h"',
    "for": 'for = "10min"',
    "dry": "dry = true",
    "factor": 'factor = "1.2"',
    "percent": "percent = 5",
    "celsius": "celsius = 43",
    "bit_error_rate": 'bit_error_rate = "1e-4"',
    "bytes_per_s": "bytes_per_s = 1000",
    "kind": 'kind = "rate"',
    "sensor": 'sensor = "temperature"',
    "where": 'where = "downstream"',
    "name": 'name = "delivery.permit"',
    "bit": "bit = 3",
}


def number(example: str, low: int, high: int) -> Reader:
    """Reads a number, text or whole, exactly, within a range."""

    def read(value: object) -> Fraction:
        try:
            found = quantities.parse_number(value, example)
        except quantities.QuantityError as error:
            raise wrong(str(error)) from error
        if not low <= found <= high:
            raise wrong(f'"{value}" is not within {low} to {high}')
        return found

    return Reader(read, example, Range("number", low, high, str))


def one_of(field: str, known: tuple[str, ...]) -> Reader:
    """Reads one of some words."""

    def read(value: object) -> str:
        if value not in known:
            raise wrong(
                f'"{value}" is not known; write for example: {EXAMPLES[field]}; known: {", ".join(known)}'
            )
        return str(value)

    return Reader(read, EXAMPLES[field], known=known)


Span = Annotated[int, amount(quantities.DURATION, _LONGEST)]


class BaseEvent(Section):
    """What every event has: its instant."""

    at_us: Span = Field(alias="at")


class Condition(BaseEvent):
    """A fault or condition of the bench: its name there, and what the bench is told of it."""

    @property
    def bench_name(self) -> str:
        """What the bench calls it: the field `inject` of the file."""
        return str(self.model_dump(include={"what"})["what"])

    def bench_values(self) -> dict[str, int | str]:
        """The fields of the bench's request (docs/reference/boards-unix.md)."""
        return {}


class Lasting(Condition):
    """A condition that lasts; None: until the end. Those with equal `place` take each other's place."""

    for_us: Span | None = Field(default=None, alias="for")

    @property
    def place(self) -> tuple[str, ...]:
        """What the condition is a condition of."""
        return (type(self).__name__,)
