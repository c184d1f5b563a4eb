"""From the pump's clock to its local time, by the `reference_time` records of its log.

A record holds until the next one; what stands before the first (a boot writes it within milliseconds)
counts by the first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from thecal.units.local_time import from_wire

REFERENCE = "reference_time"


class LocalTimes:
    """Local time at any instant of one log."""

    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        self._at_us: list[int] = []
        self._local: list[datetime] = []
        for record in records:
            if record["kind"] == REFERENCE and record["b"] < 1_000_000 and record["a"] < 200_000:
                self._at_us.append(record["at_us"])
                self._local.append(from_wire(record["ref"], record["a"], record["b"]))

    def at(self, at_us: int) -> datetime | None:
        """Local time then; None: the log has no reference."""
        if not self._at_us:
            return None
        index = max(0, bisect_right(self._at_us, at_us) - 1)
        return self._local[index] + timedelta(microseconds=at_us - self._at_us[index])
