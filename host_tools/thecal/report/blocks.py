"""What a report is made of: HTML and PDF show the same blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Facts:
    """Labels and values."""

    rows: Sequence[tuple[str, str]]
    kind: str = "facts"


@dataclass(frozen=True)
class Table:
    """Rows under a head. `right`: columns of numbers."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    right: tuple[int, ...] = ()
    kind: str = "table"


@dataclass(frozen=True)
class Text:
    """A paragraph. `tone`: "bad" is shown in red, and says so in words too."""

    text: str
    tone: Literal["plain", "good", "warning", "bad"] = "plain"
    kind: str = "text"


@dataclass(frozen=True)
class Figure:
    """A plot by its name, with what it shows in words."""

    name: str
    caption: str
    kind: str = "figure"


Block = Facts | Table | Text | Figure
