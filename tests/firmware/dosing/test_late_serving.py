"""What is owed follows from absolute time: a loop that wakes late hands over the same steps."""

import random
from typing import Any

import pytest

from firmware.dosing import oracle, rig
from firmware.dosing.scenarios import scenario

MILLION = 1_000_000


class LateRig(rig.Rig):
    """Sleeps past its deadlines, now and then by hours."""

    lateness = random.Random(0)

    def run_to(self, until_us: int) -> None:
        while True:
            self.delivery.apply_due(*self.now())
            if self.motor.now_us >= until_us:
                return
            wake_us = self.delivery.wake.s * MILLION + self.delivery.wake.us
            late_us = self.lateness.choice((0, 1, 1000, 10**6, 60 * 10**6, 3 * 3600 * 10**6))
            self.motor.now_us = min(max(wake_us, self.motor.now_us) + late_us, until_us)


@pytest.mark.req("DEL-01", part="however late the loop wakes")
@pytest.mark.parametrize("seed", range(1, 31))
def test_waking_late_changes_no_step(seed: int, monkeypatch: pytest.MonkeyPatch):
    one: dict[str, Any] = scenario(seed)
    monkeypatch.setattr(rig, "Rig", LateRig)
    LateRig.lateness = random.Random(seed)
    times, refusals, played = rig.play(one)
    assert played.delivery.fault == 0
    assert times == oracle.Course(one, refusals).steps(one["events"][0]["therapy"]["step_volume_pl"])
