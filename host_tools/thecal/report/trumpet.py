"""Flow accuracy over windows, the trumpet curve (docs/reference/requirements.md; test method after IEC
60601-2-24).

With V the delivered volume at every sample, P a window of whole samples and W the volume that was set for it,

    E_max(P) = max over starts j of 100 (V[j + P/S] - V[j] - W) / W

and E_min(P) the minimum; A is the same over all.

Exact: volumes are whole picolitres, what was set for the time is a fraction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

US_PER_MIN = 60_000_000
AMBULATORY_EVERY_US = 15 * US_PER_MIN
AMBULATORY_WINDOWS_MIN = (15, 60, 150, 330, 570, 930)
START_UP_SAMPLES = 96  # 24 h, not looked at
SAMPLES = 100  # 25 h


@dataclass(frozen=True)
class Window:
    """The highest and the lowest error of any window of this length, percent."""

    minutes: Fraction
    highest: Fraction
    lowest: Fraction


@dataclass(frozen=True)
class Trumpet:
    """The curve and the error over the whole time."""

    windows: tuple[Window, ...]
    mean_error: Fraction
    samples: int


def trumpet(
    volumes: Sequence[Fraction | int],
    set_volume_per_sample: Sequence[Fraction] | Fraction,
    samples_per_window: Sequence[int],
    sample_min: Fraction,
) -> Trumpet:
    """The curve of samples `volumes` (the first at time zero of the analysis).

    `set_volume_per_sample`: what was set for each interval between samples, or for all alike. Windows longer
    than the samples are left out. ValueError: nothing was set, so there is no error to speak of.
    """
    count = len(volumes) - 1
    if isinstance(set_volume_per_sample, Fraction | int):
        wanted = [set_volume_per_sample * j for j in range(count + 1)]
    else:
        wanted = [Fraction(0)]
        for part in set_volume_per_sample:
            wanted.append(wanted[-1] + part)
    if count < 1 or wanted[count] <= 0:
        raise ValueError("no flow was set")
    windows: list[Window] = []
    for length in samples_per_window:
        errors = [
            _error(volumes[j + length] - volumes[j], wanted[j + length] - wanted[j])
            for j in range(count - length + 1)
        ]
        if errors:
            windows.append(Window(length * sample_min, max(errors), min(errors)))
    return Trumpet(tuple(windows), _error(volumes[count] - volumes[0], wanted[count]), count)


def _error(volume: Fraction | int, wanted: Fraction) -> Fraction:
    if wanted <= 0:
        raise ValueError("no flow was set")
    return 100 * (volume - wanted) / wanted


def ambulatory(volumes_pl: Sequence[int], wanted_pl: Sequence[Fraction]) -> Trumpet:
    """Of samples every 15 min from the start of infusion on, and the volume that was wanted by each."""
    shown = slice(START_UP_SAMPLES, START_UP_SAMPLES + SAMPLES + 1)
    volumes, wanted = volumes_pl[shown], wanted_pl[shown]
    if len(volumes) < SAMPLES + 1:
        raise ValueError("it needs 24 h of start-up and 25 h more")
    parts = [after - before for before, after in pairwise(wanted)]
    lengths = [minutes // 15 for minutes in AMBULATORY_WINDOWS_MIN]
    return trumpet(volumes, parts, lengths, Fraction(15))
