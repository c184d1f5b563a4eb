"""What a report is made of: blocks under titles, the one source of HTML and PDF, in the order of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from thecal.units.amounts import mass_text, rounded_text, volume_text

Tone = Literal["plain", "good", "warning", "bad"]
MARKS: dict[Tone, str] = {"good": "OK", "warning": "NOTE", "bad": "ATTENTION"}  # a colour is never alone
_DIGITS = 4


@dataclass(frozen=True)
class Facts:
    """Labels and values."""

    rows: Sequence[tuple[str, str]]
    kind: str = "facts"


@dataclass(frozen=True)
class Table:
    """Rows under a head. `right`: columns of numbers. `strong`: one whose cells are read first. `halves`: on
    paper the second half of its rows stands beside the first."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    right: tuple[int, ...] = ()
    strong: int | None = None
    halves: bool = False
    kind: str = "table"

    def halved(self) -> Table:
        """As it stands on paper."""
        half, width = (len(self.rows) + 1) // 2, len(self.head)
        beside = [*self.rows[half:], ("",) * width][:half]
        both = [(*one, *other) for one, other in zip(self.rows[:half], beside, strict=True)]
        right = (*self.right, *(width + column for column in self.right))
        return Table((*self.head, *self.head), both, right)


@dataclass(frozen=True)
class Text:
    """A paragraph. `tone`: all but plain stands in a frame behind its word of `MARKS`."""

    text: str
    tone: Tone = "plain"
    kind: str = "text"

    @property
    def mark(self) -> str:
        """The word before it."""
        return MARKS.get(self.tone, "")


@dataclass(frozen=True)
class Figure:
    """A plot by its name, with what it shows in words. `narrow`: it fits beside another."""

    name: str
    caption: str
    narrow: bool = False
    kind: str = "figure"


@dataclass(frozen=True)
class Lines:
    """To be filled in by hand, above the line."""

    labels: tuple[str, ...]
    kind: str = "lines"


@dataclass(frozen=True)
class Columns:
    """Two sections beside each other; on a narrow screen one below the other."""

    sections: tuple[Section, Section]
    kind: str = "columns"


Block = Facts | Table | Text | Figure | Lines | Columns
Section = tuple[str, Sequence[Block]]


def about_mass(ng: Fraction | float) -> str:
    """A dose to four digits: what a log tells is no better, and more are not read."""
    return mass_text(Fraction(rounded_text(ng, _DIGITS)))


def about_volume(pl: Fraction | float) -> str:
    """A volume likewise."""
    return volume_text(Fraction(rounded_text(pl, _DIGITS)))
