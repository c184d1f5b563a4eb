"""Power cuts at every operation of the flash, over a day that uses everything.

The fast part takes a seeded sample, the same in every run; with THECAL_SOAK=1 every operation is cut before,
within (three patterns) and after.
"""

import contextlib
import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from firmware.records.cut_checks import RESERVE_STEPS, Day, Judge
from firmware.records.flash_images import SIZE, WHENS, Operation, When, images, read_log
from firmware.records.script import DAY, END_S, HOUR_S, US, operations, play, pump_at_day
from thecal.campaigns.multi_boot import MultiBoot
from thecal.emulator.emulator import Emulator
from thecal.emulator.testbench import PowerCut
from thecal.errors import LinkError
from thecal.link.client import Client

SOAK = bool(os.environ.get("THECAL_SOAK"))
TORN_PATTERNS = 3
FAST_CUTS = 9
soak = pytest.mark.skipif(not SOAK, reason="minutes: THECAL_SOAK=1 (make soak) runs it")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return Day(tmp_path_factory.mktemp("day"))


@pytest.fixture
def judge(day: Day, tmp_path: Path) -> Iterator[Judge]:
    flash = tmp_path / "cut.flash"
    with contextlib.closing(MultiBoot()) as pump:
        yield Judge(pump, flash, day)


def judge_all(day: Day, judge: Judge, wanted: dict[int, list[tuple[When, int]]]) -> None:
    """Every wanted cut; fails with the list of those that went wrong."""
    failures: list[str] = []
    doing: Counter[str] = Counter()
    for operation, when, seed, image in images(day.operations, wanted):
        under_way = day.under_way(operation)
        doing[under_way] += 1
        wrong = judge.judge(operation, image)
        failures += [f"{operation.number} {when} seed {seed} in {under_way}: {text}" for text in wrong]
    print(f"{judge.boots} cuts of {len(day.operations)} operations: {dict(doing)}")
    print(f"at most {judge.most_over} steps accounted for and not made, of {RESERVE_STEPS} allowed")
    print(f"the clock fell back by at most {judge.most_behind_us / US:.0f} s")
    assert not failures, "\n".join(failures)


@pytest.mark.req("INT-04", "INT-06", "DEL-07", "BOL-08", "BOL-11", part="a sample of the cuts")
def test_a_sample_of_cuts(day: Day, judge: Judge):
    """Operations of commands, where most can go wrong, and some of the others."""
    rng = random.Random(6)
    commands = [o.number for o in day.operations if day.under_way(o) not in ("therapy", "boot")]
    others = [o.number for o in day.operations if o.number not in commands]
    chosen = rng.sample(commands, FAST_CUTS * 2 // 3) + rng.sample(others, FAST_CUTS // 3)
    wanted: dict[int, list[tuple[When, int]]] = {
        number: [(rng.choice(WHENS), rng.randrange(2**30))] for number in chosen
    }
    judge_all(day, judge, wanted)


@soak
@pytest.mark.timeout(3600)
@pytest.mark.req("INT-04", "INT-06", "DEL-07", "BOL-08", "BOL-11")
def test_every_cut(day: Day, judge: Judge):
    wanted: dict[int, list[tuple[When, int]]] = {}
    for operation in day.operations:
        torn: list[tuple[When, int]] = [
            ("torn", operation.number * 100 + pattern) for pattern in range(TORN_PATTERNS)
        ]
        wanted[operation.number] = [("before", 0), *torn, ("after", 0)]
    judge_all(day, judge, wanted)


def test_the_log_of_operations_gives_the_flash(day: Day):
    last = day.operations[-1]
    ((_, _, _, image),) = images(day.operations, {last.number: [("after", 0)]})
    assert len(image) == SIZE
    assert image == day.flash


def cut_for_real(flash: Path, operation: Operation, when: When, seed: int) -> bytes:
    """Play the day until the power is cut there; the flash that is left."""
    with pump_at_day(flash) as pump:
        pump.bench.power_cut_at_flash_operation(operation.number - operations(pump), when, seed)
        with pytest.raises((PowerCut, LinkError)):
            play(pump, DAY, END_S)
        assert pump.process.wait(5) == 75
    left = flash.read_bytes()
    flash.unlink()
    return left


def test_images_from_the_log_are_those_of_real_cuts(day: Day, tmp_path: Path):
    rng = random.Random(3)
    after_boot = day.operations[day.played[0].first_op :]
    erase = next(o for o in after_boot if o.data is None)
    chosen = [erase, *rng.sample(after_boot, 4)]
    wanted: dict[int, list[tuple[When, int]]] = {}
    for index, operation in enumerate(chosen):
        wanted.setdefault(operation.number, []).append((WHENS[(index + 1) % 3], rng.randrange(2**30)))
    for operation, when, seed, image in images(day.operations, wanted):
        assert cut_for_real(tmp_path / "flash", operation, when, seed) == image, (operation.number, when)


@pytest.mark.req("INT-04", "INT-06", part="a second cut while the pump boots after the first")
def test_cut_while_it_boots(day: Day, judge: Judge):
    rng = random.Random(9)
    firsts = rng.sample(day.operations[day.played[0].first_op :], 60 if SOAK else 2)
    failures: list[str] = []
    for first, _, _, image in images(day.operations, {o.number: [("after", 0)] for o in firsts}):
        boot = judge.operations_of_boot(image)
        wanted: dict[int, list[tuple[When, int]]] = {
            o.number: [(when, rng.randrange(2**30)) for when in WHENS] for o in boot
        }
        if not SOAK:
            wanted = {number: [rng.choice(cuts)] for number, cuts in wanted.items()}
        for second, when, seed, left in images(boot, wanted, image):
            both = replace(first, steps=first.steps + second.steps)
            wrong = judge.judge(both, left, 2)
            failures += [f"{first.number}, then {second.number} {when} {seed}: {text}" for text in wrong]
    assert not failures, "\n".join(failures)


def run_until_cut(pump: Emulator, log: Path, rng: random.Random) -> int:
    """Cut the power at one of the next operations; how many steps had been made by then since boot."""
    pump.bench.power_cut_at_flash_operation(rng.randrange(1, 12), rng.choice(WHENS), rng.randrange(2**30))
    with pytest.raises(PowerCut):
        pump.bench.advance_by(5 * HOUR_S * US)
    return read_log(log)[-1].steps


@pytest.mark.req("INT-06", part="each reset costs at most one reservation")
@pytest.mark.parametrize("seed", range(12 if SOAK else 2))
def test_cut_upon_cut(tmp_path: Path, seed: int):
    """The power fails again and again, and nobody talks to the pump but to look at its ledger."""
    rng = random.Random(seed)
    flash = tmp_path / "flash"
    log = tmp_path / "log"
    made = 0
    with pump_at_day(flash, flash_log=str(log)) as pump:
        play(pump, DAY[:2], 60)
        for cuts in range(1, 12):
            made += run_until_cut(pump, log, rng)
            pump.restart()
            with Client.connect(pump.port) as client:
                accounts = client.accounts()
                assert client.status().state == "infusing"
            assert made <= accounts.steps <= made + RESERVE_STEPS * cuts
            assert accounts.resets == cuts
