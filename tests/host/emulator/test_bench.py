"""The bench as a person uses it: amounts with units, and a pump that comes back by itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from thecal import Emulator, Pump, ThecalError
from thecal.emulator.event_fields import Lasting
from thecal.emulator.injections import INJECT

HOUR = 2000  # steps, of the example


@pytest.fixture(scope="module")
def idle() -> Iterator[Emulator]:
    with Emulator(seed=1) as emulator:
        yield emulator


@pytest.fixture
def pump(repo_root: Path) -> Iterator[Emulator]:
    with Emulator(seed=1) as emulator:
        with Pump(emulator.port) as it:
            it.propose_program(repo_root / "examples" / "morphine-constant.toml").commit()
        yield emulator


def state(pump: Emulator) -> str:
    with Pump(pump.port) as it:
        return it.state


def test_steps_go_on_over_power_cuts_and_resets(pump: Emulator):
    bench = pump.bench
    assert bench.advance("6 h") == 6 * 3_600_000_000
    assert bench.truth().steps == 6 * HOUR
    bench.cut_power("30 min")
    assert bench is pump.bench
    assert bench.truth().now_us == 6.5 * 3_600_000_000
    bench.advance("1 h")
    bench.inject("watchdog_bite")
    bench.inject("hang")  # the watchdog bites while time passes
    bench.advance("1 h")
    assert 8 * HOUR - 10 < bench.truth().steps < 8 * HOUR
    assert state(pump) == "infusing"


def test_a_power_cut_is_an_injection_too(pump: Emulator):
    pump.bench.inject("power_cut", lasting="1 min")
    assert pump.bench.truth().now_us == 60_000_000
    pump.bench.advance("1 h")
    assert HOUR - 5 < pump.bench.truth().steps <= HOUR


LASTING: dict[str, dict[str, object]] = {
    "motor_stall": {},
    "occlusion": {"where": "upstream"},
    "over_delivery": {"factor": "1.5"},
    "code_damage": {},
    "link_noise": {"bit_error_rate": "0.5"},
    "temperature": {"celsius": 44},
    "sensor_missing": {"sensor": "battery"},
    "buzzer_broken": {},
    "planner_fault": {"kind": "stuck_on"},
    "link_flood": {"bytes_per_s": 1},
    "sensor_stuck": {},
    "sensor_noise": {"sensor": "upstream"},
}


def test_what_is_injected_lasts_as_long_as_it_was_told(idle: Emulator):
    """Over a reset and a power cut in between, too, and then it is over."""
    can = {name for name, model in INJECT.items() if issubclass(model, Lasting)}
    assert can - {"power_cut"} == set(LASTING)
    for name, values in LASTING.items():
        idle.bench.inject(name, lasting="10 min", **values)
    idle.bench.advance("2 min")
    idle.bench.inject("watchdog_bite")
    idle.bench.cut_power("3 min")
    assert still_lasts(idle) == sorted(LASTING)
    idle.bench.advance("4 min")
    assert still_lasts(idle) == sorted(LASTING)
    idle.bench.advance("1 min")
    assert still_lasts(idle) == []


def still_lasts(pump: Emulator) -> list[str]:
    """By what a power cut at this instant leaves of the world."""
    now_us = pump.bench.now()
    world: Any = pump.bench.power_cut(conditions=True)
    pump.restart({"start_us": now_us}, world=world)
    found = world["injections"]
    stalled = ["motor_stall"] if found["stall_until_us"] > now_us else []
    return sorted([*stalled, *(request["what"] for request, _ in found["lasting"])])


def test_an_instant_that_is_none_leaves_everything_as_it_was(idle: Emulator):
    before_us = idle.bench.now()
    for duration in ("6", "-1 h", "0 h", "soon"):
        with pytest.raises(ThecalError, match='for example "5 min"'):
            idle.bench.advance(duration)
    assert idle.bench.now() == before_us


def test_time_that_passes_by_itself_cannot_be_told_to_pass():
    with Emulator(clock="free", seed=1) as pump, pytest.raises(ThecalError) as caught:
        pump.bench.advance("1 h")
    assert str(caught.value) == (
        "this pump's time passes by itself: its clock is free, and does not wait for the bench; "
        'start it with clock="virtual" (thecal emulate: --speed 0)'
    )


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        (
            "motr_stall",
            {},
            'no injection is called "motr_stall"; did you mean motor_stall? known: motor_stall,',
        ),
        ("press_button", {"lasting": "1 s"}, "press_button does not last; leave out `lasting`"),
        ("power_cut", {}, 'a power cut has to end; say when: lasting="1 min"'),
        ("temperature", {}, "celsius: is missing; write for example: celsius = 43"),
        ("temperature", {"celsius": 400}, "celsius: 400 is not within -40 °C to 125 °C"),
        ("temperature", {"celsius": 40, "celsis": 4}, "is not a known field; did you mean celsius?"),
        ("occlusion", {"where": "up"}, 'where: "up" is not known; write for example: where = "downstream"'),
        ("motor_stall", {"lasting": "10"}, 'lasting: "10" has no unit; write a time with its unit'),
    ],
)
def test_a_mistyped_injection_is_one_line_with_the_way_out(
    idle: Emulator, name: str, values: dict[str, str], said: str
):
    with pytest.raises(ThecalError) as caught:
        idle.bench.inject(name, **values)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
