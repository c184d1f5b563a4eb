"""The whole report, as HTML and PDF show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from thecal.report.blocks import Section
from thecal.report.chain import Chain
from thecal.report.period import Period
from thecal.report.record import Record
from thecal.report.trumpet import Trumpet


@dataclass
class Report:
    """Everything that is shown, and what the figures draw from. `front`: page one; `sections`: behind it."""

    title: str
    subtitle: str
    record: Record
    chain: Chain
    period: Period
    trumpet: Trumpet | None = None
    front: list[Section] = field(default_factory=list[Section])
    sections: list[Section] = field(default_factory=list[Section])
    drawn: dict[str, Any] = field(default_factory=dict[str, Any])  # figures: HTML and PDF show the same

    @property
    def every_section(self) -> list[Section]:
        """Page one, then the appendices."""
        return [*self.front, *self.sections]
