"""Figures of the emulated RP2040 (tests/boards/rp2040): only where there is a MicroPython image.

Cycles are counted without flash cache and wait states: lower bounds. Called by: run.py.
"""

import re
import sys
from pathlib import Path

from workloads import constant

ROOT = Path(__file__).resolve().parents[1]
PLAN_RIG = Path(__file__).with_name("plan_rig.py")
HZ = 125_000_000
STEP_PIN = 2
RUNS = 40
_FAST = f"""
import time
from board import Board
from plan_rig import planner_at


def main():
    board = Board()
    board.ticks_us()
    motor = board.motor
    planner = planner_at(20_000_000)
    began = time.ticks_us()
    for _ in range({RUNS}):
        planner.plan(1 << 20, 0)
    print("PLAN", time.ticks_diff(time.ticks_us(), began))
    run = planner.run
    took = 0
    for _ in range({RUNS}):
        began = time.ticks_us()
        motor.append(run)
        took += time.ticks_diff(time.ticks_us(), began)
        motor.cancel()
    print("APPEND", took)
    planner = planner_at(1_000_000_000_000)
    began = time.ticks_us()
    for _ in range({RUNS}):
        while motor.in_flight() > 8:
            pass
        planner.plan(1 << 20, 0)
        motor.append(planner.run)
    while motor.in_flight():
        pass
    print("FAST", time.ticks_diff(time.ticks_us(), began), motor.executed())
    print("DONE")


main()
"""

Row = tuple[str, float, str, str, str, str]


def rows(quick: bool) -> list[Row]:
    """The figures; none without an image."""
    sys.path.insert(0, str(ROOT / "tests"))
    from boards.rp2040.chip import find_image

    image = find_image()
    if image is None:
        print("no MicroPython image (THECAL_MICROPYTHON_UF2): no figures of the chip", file=sys.stderr)
        return []
    return [*_of_the_planner(image), *_of_the_pump(image, 60 if quick else 1200)]


def _of_the_planner(image: Path) -> list[Row]:
    from boards.rp2040.chip import Chip, slot
    from thecal.firmware_build import chip as chip_build

    chip = Chip(image, slot(chip_build.build({"fast": _FAST, "plan_rig": PLAN_RIG.read_text()}, "fast")))
    chip.wire_up()
    chip.run_until(lambda: b"DONE" in chip.console or b"Error" in chip.console, 60)
    found = {
        word.decode(): [int(x) for x in numbers.split()]
        for word, numbers in re.findall(rb"(PLAN|APPEND|FAST) ([\d ]+)", bytes(chip.console))
    }
    run_us = (found["PLAN"][0] + found["APPEND"][0]) / RUNS
    cycles = run_us * HZ / 1e6 / 56
    fast_us, steps = found["FAST"]
    how = f"planning and handing over a run of 56 steps, {RUNS} runs, {run_us:.0f} us each"
    speed = (
        f"{steps} steps planned and made, the first to the last, all overdue; the motor's least gap is 2 ms"
    )
    return [
        ("rp2040_cycles_per_step", cycles, "cycles", "lower", how, "<= 1000"),
        ("rp2040_catch_up_steps_per_s", steps / fast_us * 1e6, "1/s", "higher", speed, ">= 490"),
    ]


def _of_the_pump(image: Path, seconds: int) -> list[Row]:
    from boards.rp2040.chip import Chip, on_chip
    from boards.rp2040.link import CLINICIAN_KEY, KEYS, client_on, keys_document
    from boards.rp2040.pump import heap_free

    chip = Chip(
        image, on_chip("serial=uart0\nproduction=1\n", more={"link-keys": keys_document(CLINICIAN_KEY)})
    )
    chip.wire_up()
    chip.unplug()
    edges = chip.edges(STEP_PIN)
    with client_on(chip, dict(KEYS)) as client:
        hello_s = chip.now_us / 1e6
        heap = heap_free(client)
        began = chip.mcu.core.cycles
        client.status()
        status_us = (chip.mcu.core.cycles - began) / HZ * 1e6
        client.commit(client.propose_program(constant(1000)).digest)
        chip.run_for(5)
        steps, cycles = len(edges.rises), chip.mcu.core.cycles
        wakes = chip.wakes
        chip.run_for(seconds)
        wakes = chip.wakes - wakes
        steps = len(edges.rises) - steps
    load = (chip.mcu.core.cycles - cycles) / HZ / seconds * 100
    how = f"1 mL/day, {seconds} s, {steps} steps"
    return _rows_of_the_pump(hello_s, heap, status_us, 1000 * wakes / steps, load, how)


def _rows_of_the_pump(
    hello_s: float, heap: int, status_us: float, wakes: float, load: float, how: str
) -> list[Row]:
    return [
        ("rp2040_boot_s", hello_s, "s", "lower", "power on to an open session, self tests included", "< 5"),
        (
            "rp2040_heap_free_after_boot",
            heap,
            "B",
            "higher",
            "in an open session; the most of 64 answers: garbage is collected every few",
            ">= 80000",
        ),
        (
            "rp2040_status_us",
            status_us,
            "us",
            "lower",
            "processor time to verify, answer and seal a status",
            "",
        ),
        (
            "rp2040_wakeups_per_1000_steps",
            wakes,
            "",
            "lower",
            how + ", of the processor out of WFI or WFE",
            "<= 20",
        ),
        ("rp2040_load_percent", load, "%", "lower", how, ""),
    ]
