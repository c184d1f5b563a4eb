"""The pump on the emulated chip, by UART0 and the real host client: boots, gives its steps, stops, outlives.

One boot and one program serve all tests: each goes on from there in a copy of the process. The keys lie on
the flash already; test_pairing.py agrees on one by the button.
"""

import json

import pytest

import size
from boards.rp2040.budget import figures
from boards.rp2040.copies import in_a_copy
from boards.rp2040.pump import DAY_S, FLOOR_UL_PER_DAY, ROOT, STALL_PIN, STEP_PL, Pump, heap_free
from boards.rp2040.quick import library

BUDGET = json.loads((ROOT / "docs" / "size-budget.json").read_text())
WATCHDOG_S = 9
HELD_S = 30
RUN_S = 12.2  # of 56 steps
pytestmark = pytest.mark.timeout(3000)


@pytest.fixture(scope="module")
def pump(image):
    pump = Pump(image)
    pump.begin()
    return pump


def test_it_boots_in_time_with_memory_to_spare(pump, image):
    assert pump.client.hello().model == "thecal-rp2040"
    assert pump.chip.resets == 0
    assert size.beyond(figures(image), BUDGET) == []


@pytest.mark.req("DEL-01", part="step edges on the emulated chip")
@in_a_copy
def test_edges_are_the_oracles_and_stop_at_the_next_one(pump):
    chip = pump.chip
    chip.run_for(3)
    errors_us = pump.errors_us()
    assert len(errors_us) > 10
    assert max(errors_us) - min(errors_us) <= 3
    pump.client.stop()
    made = len(pump.edges.rises)
    chip.run_for(1)
    assert len(pump.edges.rises) <= made + 1  # one may have been under way when the answer left
    assert pump.client.status().steps == len(pump.edges.rises)


@in_a_copy
def test_memory_stays_flat(pump):
    before = heap_free(pump.client)
    pump.chip.run_for(20)
    assert abs(heap_free(pump.client) - before) <= 1024


@in_a_copy
def test_a_motor_that_does_not_follow_is_noticed(pump):
    pump.chip.drive(STALL_PIN, True)
    for _ in range(30):
        pump.chip.run_for(2)
        if pump.client.status().alarms:
            break
    made = len(pump.edges.rises)
    assert [alarm.name for alarm in pump.client.alarms().standing] == ["motor_stall"]
    pump.chip.run_for(HELD_S)
    assert len(pump.edges.rises) - made <= HELD_S * FLOOR_UL_PER_DAY * 1e6 / STEP_PL / DAY_S + 1


@pytest.mark.req("INT-03", part="a processor that hangs on the emulated chip")
@in_a_copy
def test_the_count_outlives_a_watchdog_reset(pump):
    """The processor is caught in an endless loop: the motor goes on for its queue, no further."""
    chip = pump.chip
    core = chip.mcu.core
    # It is awake for milliseconds of each run, and only looked at now and then.
    chip.run_until(lambda: not core.waiting and core.registers[15] >> 28 == 1, 20 * RUN_S)
    kept = _hang(chip)
    core.pm = True
    chip.run_until(lambda: chip.resets == 1, WATCHDOG_S)
    _goes_on(pump, kept)


@pytest.mark.req("INT-03", part="a processor that does not come out of its sleep on the emulated chip")
@in_a_copy
def test_a_sleep_that_does_not_end_is_a_hang(pump):
    """Through a wait the watchdog is fed without the processor, but no longer: 2 s later it bites."""
    chip = pump.chip
    chip.run_for(1)
    chip.run_until(lambda: chip.mcu.core.waiting and chip.mcu.core.registers[15] >> 28 == 1, 1)
    kept = _hang(chip)
    woke_us: list[float] = []
    chip.run_until(lambda: not chip.mcu.core.waiting, RUN_S)
    woke_us.append(chip.now_us)
    chip.run_until(lambda: chip.resets == 1, WATCHDOG_S)
    assert chip.now_us - woke_us[0] <= 2_100_000
    _goes_on(pump, kept)


def _hang(chip) -> tuple[int, bytes]:
    """Where the processor is, it is caught in an endless loop; what was there."""
    at = chip.mcu.core.registers[15] & 0xFFFFFF
    kept = bytes(chip.mcu.flash[at : at + 2])
    chip.mcu.flash[at : at + 2] = b"\xfe\xe7"  # b .
    return at, kept


def _goes_on(pump, kept) -> None:
    """After the reset: the flash is whole again, every step is on record, therapy goes on."""
    at, code = kept
    pump.chip.mcu.flash[at : at + 2] = code
    pump.client.hello()
    status = pump.client.status()
    assert status.steps == len(pump.edges.rises)
    pump.chip.run_for(2)
    assert len(pump.edges.rises) > status.steps


@pytest.mark.req("INT-03", part="the processor sleeps from run to run")
@in_a_copy
def test_it_sleeps_from_run_to_run(pump):
    if library() is None:
        pytest.skip("nobody counts how often the processor wakes: install a C compiler")
    chip = pump.chip
    chip.run_for(2)
    steps, wakes = len(pump.edges.rises), chip.wakes
    chip.run_for(10 * RUN_S)
    steps = len(pump.edges.rises) - steps
    assert steps > 500
    assert 1000 * (chip.wakes - wakes) <= 20 * steps + 1000
    assert chip.resets == 0
