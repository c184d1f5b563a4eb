"""What was pressed for, and whether any window holds more, for `test_no_press.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .no_press_changes import DAY_US, HOUR_US, ML, Values

Numbers = np.ndarray[Any, np.dtype[np.int64]]
_NO_LIMIT = 1 << 62


@dataclass(frozen=True)
class Drug:
    """As it was last vouched for."""

    concentration: int
    limits: tuple[tuple[int, int], ...]  # (window, ng), 0: none


@dataclass(frozen=True)
class Agreed:
    """What a press vouched for."""

    from_us: int
    first_step: int  # from which its step volume and drugs are the truth
    step_pl: int
    rate_pl_per_day: int
    drugs: dict[str, Drug]

    @classmethod
    def of(cls, values: Values, from_us: int, first_step: int) -> "Agreed":
        return cls(
            from_us,
            first_step,
            values["step_volume_pl"],
            values["max_rate_pl_per_day"],
            {
                x["name"].casefold(): Drug(
                    x["concentration_ng_per_ml"],
                    ((HOUR_US, x["max_dose_1h_ng"]), (DAY_US, x["max_dose_24h_ng"])),
                )
                for x in values["drugs"]
            },
        )


class Truth:
    """Every step that the motor made, and what was agreed on when."""

    def __init__(self, agreed: Agreed) -> None:
        self.agreed = [agreed]
        self.times = np.zeros(0, dtype=np.int64)

    def check(self) -> None:
        """No window of an hour or a day holds more than was agreed on."""
        for window_us in (HOUR_US, DAY_US):
            self._check(window_us)

    def _check(self, window_us: int) -> None:
        first = np.searchsorted(self.times, self.times - window_us, side="right")
        volumes = self._volumes(None)
        bound = self._bound(lambda a: a.rate_pl_per_day * window_us // DAY_US + 2 * a.step_pl, window_us)
        self._compare("volume", volumes, bound, first, window_us)
        for name in {name for agreed in self.agreed for name in agreed.drugs}:

            def limit(a: Agreed, name: str = name) -> int | None:
                drug = a.drugs.get(name)
                ng = dict(drug.limits)[window_us] if drug else 0
                return ng * ML + 2 * a.step_pl * drug.concentration if drug and ng else None

            self._compare(name, self._volumes(name), self._bound(limit, window_us), first, window_us)

    def _volumes(self, name: str | None) -> Numbers:
        """What each step held: volume, or dose of a drug in 10^-9 ng."""
        held = np.zeros(len(self.times), dtype=np.int64)
        for agreed in self.agreed:
            drug = agreed.drugs.get(name) if name else None
            concentration = drug.concentration if drug else 0
            held[agreed.first_step :] = agreed.step_pl * (concentration if name else 1)
        return held

    def _bound(self, limit: Callable[[Agreed], int | None], window_us: int) -> Numbers:
        """For a window that ends with each step: the highest that counted within it."""
        ends = [agreed.from_us for agreed in self.agreed[1:]] + [_NO_LIMIT]
        bounds = np.zeros(len(self.times), dtype=np.int64)
        for agreed, end in zip(self.agreed, ends, strict=True):
            counted = (agreed.from_us <= self.times) & (end >= self.times - window_us)
            most = limit(agreed)
            bounds[counted] = np.maximum(bounds[counted], _NO_LIMIT if most is None else most)
        return bounds

    def _compare(
        self,
        what: str,
        held: Numbers,
        allowed: Numbers,
        first: Numbers,
        window_us: int,
    ) -> None:
        sums = np.concatenate(([0], np.cumsum(held)))
        got = sums[1:] - sums[first]
        over = np.nonzero(got > allowed)[0]
        if len(over):
            at = over[0]
            unit = "pL" if what == "volume" else "10^-9 ng"
            raise AssertionError(
                f"{what}: {got[at]} {unit} in {window_us // HOUR_US} h at {self.times[at] / HOUR_US:.3f} h, "
                f"and {allowed[at]} was pressed for"
            )
