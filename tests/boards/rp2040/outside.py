"""What lies outside the emulated chip: a pin that is watched, readings of the sensors."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from boards.rp2040.patches import CYCLE_NS


class Readings(list[int]):
    """Of the ADC's channels: each look at one finds it up to two bits off."""

    def __init__(self, values: Iterable[int]):
        super().__init__(values)
        self._noise = random.Random(2040)

    def __getitem__(self, channel: Any) -> Any:
        return super().__getitem__(channel) + self._noise.randint(-2, 2)


class Edges:
    """When a pin rose and fell, in cycles of the processor."""

    def __init__(self, mcu: Any, clock: Any, pin: int):
        self.rises: list[int] = []
        self.falls: list[int] = []
        self._clock = clock
        self._last = False
        mcu.gpio[pin].add_listener(self._changed)

    def _changed(self, state: Any, _old: Any) -> None:
        high = state.name == "HIGH"
        if high and not self._last:
            self.rises.append(round(self._clock.nanos) // CYCLE_NS)
        elif self._last and not high:
            self.falls.append(round(self._clock.nanos) // CYCLE_NS)
        self._last = high
