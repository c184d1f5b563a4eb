"""Flow that somebody measured: volume against time from a CSV file, for a trumpet curve
(docs/reference/report.md).

minutes,uL          the head line names the units: seconds, minutes or hours; nL, uL or mL
0,0                 cumulative volume, at equal distances
15,5.2
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from thecal._io import input_file
from thecal.errors import FileError, ThecalError
from thecal.report.trumpet import AMBULATORY_WINDOWS_MIN, US_PER_MIN, Trumpet, trumpet
from thecal.units.amounts import PL_PER_ML, US_PER_DAY, US_PER_S

TIMES = {"seconds": US_PER_S, "minutes": US_PER_MIN, "hours": 60 * US_PER_MIN}
VOLUMES = {"nL": 1000, "uL": 1_000_000, "mL": PL_PER_ML}
BENCH_WINDOWS_MIN = (2, 5, 11, 19, 31)  # of samples a minute apart or closer
_LONGEST_BENCH_US = US_PER_MIN
_START_UP = {True: 60 * US_PER_MIN, False: 24 * 60 * US_PER_MIN}  # by whether it is a bench's
_ANALYSED_US = 25 * 60 * US_PER_MIN  # of what is no bench's, like that of a simulation
_MOST_BYTES = 5_000_000  # a week by the second
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")


@dataclass(frozen=True)
class MeasuredFlow:
    """Cumulative volumes at equal distances, and the rate that was set."""

    source: str
    every_us: int
    volumes_pl: list[Fraction]
    rate_pl_per_day: int

    @property
    def bench(self) -> bool:
        """Whether it was sampled closely, so that the short windows are meant."""
        return self.every_us <= _LONGEST_BENCH_US

    @property
    def start_up_us(self) -> int:
        """How much at the beginning does not count."""
        return _START_UP[self.bench]

    def curve(self) -> Trumpet:
        """The curve of what follows the start-up. ThecalError: it is too short, or sampled too coarsely."""
        sample_min = Fraction(self.every_us, US_PER_MIN)
        skipped = -(-self.start_up_us // self.every_us)
        minutes = BENCH_WINDOWS_MIN if self.bench else AMBULATORY_WINDOWS_MIN
        lengths = [int(wide / sample_min) for wide in minutes if (wide / sample_min).denominator == 1]
        shown = self.volumes_pl[skipped:]
        if not self.bench:
            shown = shown[: _ANALYSED_US // self.every_us + 1]
        if not lengths or len(shown) <= lengths[0]:
            first = self.start_up_us // US_PER_MIN
            raise ThecalError(
                f"{self.source} is too short or too coarse for a trumpet curve",
                f"sample at a whole part of {minutes[0]} min, for more than {first + minutes[0]} min: the "
                f"first {first} min do not count",
            )
        each = Fraction(self.rate_pl_per_day * self.every_us, US_PER_DAY)
        return trumpet(shown, each, lengths, sample_min)


def read(path: Path, rate_pl_per_day: int) -> MeasuredFlow:
    """Read the file. ThecalError names the line that is wrong."""
    try:
        rows = [row for row in csv.reader(input_file.lines(path, _MOST_BYTES)) if row]
    except csv.Error as error:
        raise FileError(f"{path} cannot be read: {error}", "name a CSV file of time and volume") from None
    head = [cell.strip() for cell in rows[0]] if rows else []
    if len(head) != 2 or head[0] not in TIMES or head[1] not in VOLUMES:
        raise ThecalError(
            f"{path}, line 1: the head names no time and volume",
            f'write for example "minutes,uL"; known are {", ".join(TIMES)}; {", ".join(VOLUMES)}',
        )
    points = [_point(path, number, row, head) for number, row in enumerate(rows[1:], 2)]
    if len(points) < 3:
        raise ThecalError(f"{path} holds {len(points)} samples", "a curve needs many more")
    every = points[1][0] - points[0][0]
    for number, ((before, low), (at, high)) in enumerate(pairwise(points), 3):
        if at - before != every or every <= 0:
            raise ThecalError(
                f"{path}, line {number}: the samples are not at equal distances", "sample regularly"
            )
        if high < low:
            raise ThecalError(
                f"{path}, line {number}: the volume falls", "give the volume since the beginning of the flow"
            )
    if every.denominator != 1:
        raise ThecalError(f"{path}: the samples' distance is no whole microsecond", "round the times")
    return MeasuredFlow(str(path), int(every), [volume for _, volume in points], rate_pl_per_day)


def _number(cell: str) -> Fraction:
    if not _NUMBER.fullmatch(cell.strip()):
        raise ValueError(cell)
    return Fraction(cell.strip())


def _point(path: Path, number: int, row: list[str], head: list[str]) -> tuple[Fraction, Fraction]:
    try:
        time, volume = map(_number, row)
    except ValueError:
        raise ThecalError(
            f"{path}, line {number}: {','.join(row)[:40]!r} is no pair of numbers", "write 15,5.2"
        ) from None
    return time * TIMES[head[0]], volume * VOLUMES[head[1]]
