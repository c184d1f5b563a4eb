"""The dosing core under CPython, 63-bit and 31-bit MicroPython: equal to the step and to the reference."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firmware.dosing import locked_rig, oracle, rig
from firmware.dosing.scenarios import scenario

SEEDS = range(1, 41)
# Each start has a megabyte in which nothing is collected: commands are what fills it.
WASM_SEEDS = (range(1, 4), range(4, 7), range(7, 10))
IMPORT = "from firmware.dosing.rig import Rig, follow\n"
PLAY = """
import json
for scenario in json.loads(SCENARIOS):
    print(json.dumps(play_locked(scenario)))
"""
NO_COLLECTION = "import gc\ngc.disable()\n"


def program() -> str:
    """The rig with the locked parts in it, as one text."""
    return Path(rig.__file__).read_text() + Path(locked_rig.__file__).read_text().replace(IMPORT, "")


def playing(seeds: range) -> str:
    scenarios = json.dumps([scenario(seed) for seed in seeds], default=list)
    return f"{program()}\nSCENARIOS = {scenarios!r}\n{PLAY}"


@pytest.fixture(scope="module")
def exact() -> list[list[Any]]:
    """What must come out: from fractions, and the refusals and wakes from the rig under CPython."""
    space: dict[str, Any] = {}
    exec(program(), space)
    results: list[list[Any]] = []
    for seed in SEEDS:
        one = scenario(seed)
        played = space["play_locked"](one)
        digest = locked_rig.Digest()
        course = oracle.Course(one, played[-1])
        for time_us in course.steps(one["events"][0]["therapy"]["step_volume_pl"]):
            digest.take(*divmod(one["start_us"] + time_us, 1_000_000))
        results.append([*digest.shown(), *played[3:]])
        assert played == results[-1], f"seed {seed}"
    return results


def check(lines: str, seeds: range, exact: list[list[Any]]) -> None:
    for seed, line, expected in zip(seeds, lines.splitlines(), exact[seeds[0] - SEEDS[0] :], strict=False):
        assert json.loads(line) == expected, f"seed {seed}"


def test_the_scenarios_hold_what_they_should(exact: list[list[Any]]):
    assert sum(result[0] > 100 for result in exact) > len(exact) // 2
    assert all(result[4] == 0 for result in exact)
    done = [refusal for result in exact for refusal in result[-1]]
    assert done.count(None) > 3 * len(exact)
    kinds = {event["do"] for seed in SEEDS for event in scenario(seed)["events"]}
    assert kinds == {"program", "bolus", "patient_bolus", "stop", "resume", "clock"}


@pytest.mark.req("DEL-01", part="on 63-bit small integers")
def test_unix_port(run_micropython: Callable[..., Any], exact: list[list[Any]]):
    lines = run_micropython(playing(SEEDS), heap="4M").stdout
    assert len(lines.splitlines()) == len(SEEDS)
    check(lines, SEEDS, exact)


@pytest.mark.req("DEL-01", part="on 31-bit small integers")
@pytest.mark.parametrize("seeds", WASM_SEEDS, ids=str)
def test_31_bit_small_integers(run_wasm: Callable[..., Any], exact: list[list[Any]], seeds: range):
    lines = run_wasm(NO_COLLECTION + playing(seeds)).stdout
    assert len(lines.splitlines()) == len(seeds)
    check(lines, seeds, exact)
