"""What is weighed for long lets the motor have its turns, and sees nothing of what they change (INT-11).

How long the chip is at it is told by lines of firmware: some 9,000 a second on the emulated one.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from firmware.dosing import rig
from pump.therapy import windows

SECOND_US = 1_000_000
DAY_S = 86_400
LINES_A_SECOND = 9_000
DRUGS = ("morphine", "bupivacaine", "clonidine", "fentanyl", "ziconotide")
BOLUS = {"dose_ng": 1_000, "duration_us": 600 * SECOND_US, "goes_first": False}


def five(proportion: int) -> list[dict[str, Any]]:
    """Five drugs, all with both limits; `proportion`: what differs from filling to filling."""
    return [
        {
            "name": name,
            "concentration_ng_per_ml": 1_000_000 * (k + 1) + proportion * k * 1000,
            "max_dose_24h_ng": 900_000_000,
            "max_dose_1h_ng": 90_000_000,
        }
        for k, name in enumerate(DRUGS)
    ]


def after_a_day(mixtures: int) -> rig.Rig:
    """A change of rate every 2.5 min all day, in so many fillings of other proportions."""
    found = rig.Rig(1_000_000_000_123)
    found.delivery.local.set_at(1_000_000, 0, 9000, 0, 0)
    changes, mixture = 576, 0
    for change in range(changes):
        if change % (changes // mixtures) == 0:
            mixture = change // (changes // mixtures)
            if mixture:
                refill = {"do": "refill", "volume_pl": 40 * 10**9, "residual_pl": 0}
                assert found.act(refill) is None
            values = rig.therapy(drugs=five(mixture), basal_dose_ng_per_day=500_000)
            assert found.act({"do": "program", "therapy": values}) is None
        again = rig.therapy(drugs=five(mixture), basal_dose_ng_per_day=500_000 + change)
        found.controller._prescribe(rig.Prescription(again, rig.Bounds()), *found.now())
        found.run_to(found.motor.now_us + 150 * SECOND_US)
        found.delivery.history.mark(*found.now(), found.delivery.count.dose_steps())
    return found


@contextmanager
def lines_counted() -> Iterator[Callable[[], int]]:
    """How many lines of the firmware have run."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        if "/firmware/" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield lambda: count
    finally:
        sys.settrace(before)


@pytest.fixture(scope="module", params=[1, 4])
def busy(request: pytest.FixtureRequest) -> rig.Rig:
    return after_a_day(request.param)


@pytest.mark.req(
    "INT-11", part="five limited drugs, a change every 2.5 min all day: breaths come all the time"
)
def test_the_longest_forecast_breathes(busy: rig.Rig, monkeypatch: pytest.MonkeyPatch):
    spans: list[int] = []
    with lines_counted() as lines:
        last = 0

        def breathe() -> None:
            nonlocal last
            spans.append(lines() - last)
            last = lines()

        monkeypatch.setattr(busy.controller, "breathe", breathe)
        assert windows.exceeded(busy.controller, busy.controller.prescription, BOLUS, *busy.now()) == ""
        spans.append(lines() - last)
    assert max(spans) <= LINES_A_SECOND // 2
