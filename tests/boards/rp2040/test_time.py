"""Time on the emulated chip: ticks that wrap, hours with little to do, a loop that may not allocate."""

import math
import os
from fractions import Fraction

import pytest

from boards.rp2040.chip import slot
from boards.rp2040.pump import DAY_S, DAY_US, FLOOR_UL_PER_DAY, Pump, constant, heap_free, keyed
from thecal.errors import Refused
from thecal.firmware_build import chip as chip_build

WRAP_US = 1 << 32  # of the timer's low word; the ticks, of 30 bits, wrap at the same instant
BEFORE_US = 6_000_000
SOAK = bool(os.environ.get("THECAL_SOAK"))
DAYS = 14 if SOAK else 1
MILLION = 1_000_000
AT_ONCE_UL_PER_DAY = 5000  # the highest flow of this drug
LOCKED_S = 4000  # with samples of the sensors, saves of the ledger and an hour mark in it
LOCKED = """
import micropython

from board import Board
from pump.pump import Pump


def main():
    pump = Pump(Board())
    pump.seal()
    pump.supervisor._board.watchdog.start(8000)
    while pump.delivery.motor.executed() < 10:
        pump.turn()
    until_s = pump.timebase.s + LOCKED_S
    micropython.heap_lock()
    while pump.timebase.s < until_s:
        pump.turn()
    micropython.heap_unlock()
    print("NOTHING ALLOCATED")


main()
""".replace("LOCKED_S", str(LOCKED_S))
pytestmark = pytest.mark.timeout(3000)


def spread_us(pump: Pump) -> float:
    """How far the steps' errors lie apart."""
    errors_us = pump.errors_us()
    return max(errors_us) - min(errors_us)


@pytest.mark.req("DEL-01", part="ticks wrap on the emulated chip")
def test_no_step_moves_when_the_ticks_wrap(image):
    pump = Pump(image, timer_us=WRAP_US - BEFORE_US)
    pump.begin()
    began_us = pump.rises_us()[0]
    assert began_us < BEFORE_US  # the wrap is still to come
    pump.chip.run_for(10)
    made = [at for at in pump.rises_us() if at > BEFORE_US]
    assert len(made) > 10
    assert spread_us(pump) <= 3
    pump.client.stop()  # else steps are made while the answer is under way
    assert pump.client.status().steps == len(pump.edges.rises)
    assert pump.chip.resets == 0


@pytest.mark.req("DEL-01", part="a day of the lowest rate on the emulated chip, two weeks in the soak")
@pytest.mark.timeout(10_000)
def test_days_with_little_to_do(image):
    pump = Pump(image)
    pump.begin(FLOOR_UL_PER_DAY)
    before = heap_free(pump.client)
    pump.chip.run_for(DAYS * DAY_S, wall_s=10_000)
    assert spread_us(pump) <= 3
    assert len(pump.edges.rises) >= DAYS * FLOOR_UL_PER_DAY * 1e6 / 2500 - 1
    status = pump.client.status()
    assert (status.steps, status.alarms) == (len(pump.edges.rises), 0)
    assert abs(heap_free(pump.client) - before) <= 1024
    assert pump.chip.resets == 0


@pytest.mark.req("DEL-01", part="a million steps of the emulated chip do not drift")
@pytest.mark.skipif(not SOAK, reason="half an hour: make soak, with an image (THECAL_SOAK=1)")
@pytest.mark.timeout(10_000)
def test_a_million_steps(image):
    """From the hundredth on: those before it were overdue when the commit had been weighed."""
    pump = Pump(image)
    pump.begin(AT_ONCE_UL_PER_DAY)
    pump.chip.run_until(lambda: len(pump.edges.rises) >= MILLION + 100, DAY_S, wall_s=10_000)
    errors_us = pump.errors_us()[100:]
    assert max(errors_us) - min(errors_us) <= 3
    pump.client.stop()  # else steps are made while the answer is under way
    status = pump.client.status()
    assert (status.steps, status.alarms, pump.chip.resets) == (len(pump.edges.rises), 0, 0)


@pytest.mark.req("DEL-06", part="the largest step of the emulated chip")
def test_the_largest_step_keeps_time_at_the_lowest_rate(image):
    """64 of them at once lie as far ahead as its timer's differences go. Larger ones are refused."""
    pump = Pump(image)
    step_pl = {limit.name: limit.high for limit in pump.client.limits()}["step_volume_pl"]
    lowest = {**constant(FLOOR_UL_PER_DAY), "step_volume_pl": step_pl}
    with pytest.raises(Refused, match=r"out_of_range.*step volume: from 100 pL"):
        pump.client.propose_program({**lowest, "step_volume_pl": step_pl + 1})
    pump.client.commit(pump.client.propose_program(lowest).digest)
    pump.chip.run_for(70 * 1.01 * DAY_S * step_pl / FLOOR_UL_PER_DAY / 1e6, wall_s=2000)
    rises_us = pump.rises_us()
    due_us = [k * Fraction(DAY_US * step_pl, FLOOR_UL_PER_DAY * 1_000_000) for k in range(1, 71)]
    errors_us = [at - math.ceil(due) for at, due in zip(rises_us, due_us, strict=True)]
    assert max(errors_us) - min(errors_us) <= 3
    status = pump.client.status()
    assert (status.state, status.alarms, pump.chip.resets) == ("infusing", 0, 0)


def test_the_loop_allocates_nothing(image):
    files = keyed(slot(chip_build.build({"root": LOCKED}, "root"), "serial=uart0\n"))
    pump = Pump(image, files, plugged=True)
    pump.begin()
    pump.chip.unplug()
    edges = pump.edges
    chip = pump.chip
    chip.run_until(lambda: b"ALLOCATED" in chip.console or b"Traceback" in chip.console, LOCKED_S + 30, 2000)
    assert "NOTHING ALLOCATED" in chip.console.decode(), chip.console.decode()
    assert len(edges.rises) > LOCKED_S * 4
    assert spread_us(pump) <= 3
