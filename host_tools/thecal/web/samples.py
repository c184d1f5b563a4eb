"""The rows of the page's charts: as many as are drawn well, the older ones farther apart."""

from __future__ import annotations

from dataclasses import dataclass, field

_MOST_SAMPLES = 2000


@dataclass
class Samples:
    """The rows of the charts. Where there are too many, the older half keeps every second one."""

    rows: list[list[float | None]] = field(default_factory=list[list[float | None]])
    thinned: int = 0  # how often

    def add(self, row: list[float | None]) -> None:
        """One more; of an instant that is there already: in its place."""
        if not row:
            return
        if self.rows and self.rows[-1][0] == row[0]:
            self.rows.pop()
            self.thinned += 1  # whoever has the old one is told all of it again
        self.rows.append(row)
        if len(self.rows) > _MOST_SAMPLES:
            half = _MOST_SAMPLES // 2
            self.rows[:half] = self.rows[:half:2]
            self.thinned += 1
