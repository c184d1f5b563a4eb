"""A proposal that the memory cannot hold is refused; it does not end the pump."""

from collections.abc import Callable
from typing import Any

import pytest

from firmware.dosing import rig
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.link.client import Client

MINUTE_US = 60_000_000
DAY_US = 86_400_000_000


def limited(**changes: Any) -> dict[str, Any]:
    values = rig.therapy(**changes)
    values["drugs"][0]["max_dose_24h_ng"] = 900_000_000
    return values


def flex(name: str) -> dict[str, Any]:
    """The most flex steps there are."""
    steps = [
        {"start_min": 30 * half_hour, "days": 1 << day, "dose_ng_per_day": 2_400_000 + 7 * half_hour + day}
        for half_hour in range(48)
        for day in range(3)
    ]
    return limited(name=name, basal_mode=2, basal_dose_ng_per_day=0, basal_steps=steps)


def dense(count: int, every_us: int) -> dict[str, Any]:
    boluses = [
        {
            "dose_ng": 9_001 - i,
            "duration_us": 250_000_007 + 2 * i,
            "every_us": every_us,
            "first_us": 10**6 + i,
        }
        for i in range(count)
    ]
    return limited(periodic_boluses=boluses)


def verdict_of(action: Callable[[], object]) -> str:
    try:
        action()
    except Refused as refused:
        return f"{refused.name} {refused.detail}"
    return ""


def test_a_bolus_with_limits_over_many_periodic_ones_is_answered():
    """The most there may be: 48 a day of all together."""
    for therapy in (dense(1, 30 * MINUTE_US), dense(4, 120 * MINUTE_US)):
        with Emulator(seed=1) as pump, Client.connect(pump.port, timeout_s=5) as client:
            client.commit(client.propose_program(therapy).digest)
            pump.bench.advance_to(10 * MINUTE_US)
            verdict = verdict_of(lambda: client.propose_bolus(1000, DAY_US - 13))
            assert verdict == ""
            steps = client.status().steps
            pump.bench.advance_to(70 * MINUTE_US)
            assert client.status().steps > steps


@pytest.mark.parametrize("therapy", [dense(1, 29 * MINUTE_US), dense(4, 119 * MINUTE_US)])
def test_more_periodic_boluses_than_a_forecast_can_hold_are_refused(therapy: dict[str, Any]):
    with Emulator(seed=1) as pump, Client.connect(pump.port, timeout_s=5) as client:
        assert verdict_of(lambda: client.propose_program(therapy)) == "too_large periodic_boluses"
        assert client.status().state == "unprogrammed"


@pytest.mark.req("DEL-07", part="a program that has no room")
def test_the_largest_program_again_and_again_never_ends_the_pump():
    with Emulator(seed=1) as pump, Client.connect(pump.port, timeout_s=5) as client:
        client.commit(client.propose_program(flex("x")).digest)
        for length in range(6):
            therapy = flex("y" * length)
            verdict = verdict_of(lambda: client.commit(client.propose_program(therapy).digest))  # noqa: B023
            assert verdict == ""
        before = client.status().steps
        pump.bench.advance_to(DAY_US)
        assert client.status().steps > before
