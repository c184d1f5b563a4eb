"""Starting on the emulated chip, and what outlives a reset that comes while it starts."""

import re

import pytest
from rp2040py.gpio_pin import FUNCTION_PWM

from boards.rp2040.chip import Chip, on_chip, slot
from boards.rp2040.link import BUTTON
from boards.rp2040.pump import ENABLE_PIN
from thecal.firmware_build import chip as chip_build

BUZZER_PIN = 15
HELLO = b"\x00\x02\x10\x01\x16\x01\x03\x08\x00"  # begins and ends like one

pytestmark = pytest.mark.timeout(900)

RIG = """
import machine
import time
from board import Board

_SCRATCH_KEPT = const(0x4005800C)


class Run:
    steps = 10
    first_s = 1
    first_us = 0
    gap_s = 0
    gap_us = 10000
    last_s = 1
    last_us = 90000
    size = 1
    lead = carry = modulus = array("H", [0])


def main():
    board = Board()
    print("SURVIVED", board.motor.steps_before_reset())
    life = board.latch.get() + 1
    board.latch.put(life)
    if life in (1, 4):
        board.ticks_us()
        board.motor.append(Run())
        while board.motor.in_flight():
            pass
    elif life == 5:
        machine.mem32[_SCRATCH_KEPT] = 7  # as the boot ROM does on its way to USB boot
        machine.mem32[0x40058018] = 0
    elif life == 6:
        board.watchdog.start_within(5)
        time.sleep(100)
    elif life == 7:
        print("DONE")
        return
    machine.reset()


main()
"""
IMPORTS = "from array import array\nfrom micropython import const\n"


def test_the_count_outlives_lives_that_made_no_step_and_what_writes_over_it_is_noticed(image):
    built = chip_build.build({"rig": IMPORTS + RIG}, "rig")
    chip = Chip(image, slot(built, "serial=usb\nproduction=1\n"))
    chip.wire_up()
    resets_us: list[float] = []
    bite = chip.mcu.watchdog.on_watchdog_trigger

    def note_and_bite() -> None:
        resets_us.append(chip.now_us)
        bite()

    chip.mcu.watchdog.on_watchdog_trigger = note_and_bite
    chip.run_until(lambda: b"DONE" in chip.console, 30)
    assert (
        6_500_000 < resets_us[-1] - resets_us[-2] < 7_300_000
    )  # 5 s, 2 more, less what the last feed had left
    counts = [int(x) for x in re.findall(rb"SURVIVED (-?\d+)", bytes(chip.console))]
    #      power on, 10 made, none made, none made, 10 made, written over, none made
    assert counts == [-1, 10, 10, 10, 10, -1, 0]


def chip_with_button(image, low_ms: float, main_py: bytes | None = None) -> Chip:
    """The button's line is low so long after the power came."""
    chip = Chip(image, on_chip("serial=uart0\nproduction=1\n", main_py))
    chip.wire_up()
    chip.drive(BUTTON, False)
    chip.at(low_ms * 1000, lambda: chip.drive(BUTTON, True))
    return chip


@pytest.mark.parametrize(("low_ms", "held"), [(55, False), (1000, True)])
def test_a_button_is_held_for_a_while_or_not_at_all(image, low_ms, held):
    """The line of one that nobody holds may take a while to rise: a capacitor, a long wire."""
    chip = chip_with_button(image, low_ms)
    chip.run_for(2)
    assert (b"thecal: button held, maintenance" in chip.console) == held
    assert _driver_is_on(chip) != held


@pytest.mark.parametrize("production", [0, 1])
def test_frames_from_the_first_moment_on_do_not_keep_a_pump_from_starting(image, production):
    """They hold the byte of Ctrl-C, and some of them come while MicroPython compiles the loader."""
    chip = Chip(image, on_chip(f"serial=usb\nproduction={production}\n"))
    chip.wire_up()
    for ms in range(1, 1500, 7):
        chip.at(ms * 1000, lambda: chip.type(HELLO))
    chip.run_for(5)
    assert b"Traceback" not in chip.console
    assert b">>>" not in chip.console
    assert _driver_is_on(chip)


def test_whoever_leans_on_the_button_as_the_watchdog_bites_stops_no_pump(image):
    chip = chip_with_button(image, 0)
    chip.run_for(2)
    assert _driver_is_on(chip)
    chip.drive(BUTTON, False)
    core = chip.mcu.core
    chip.run_until(lambda: core.registers[15] >> 28 == 1 and core.waiting, 60)
    at = core.registers[15] & 0xFFFFFF
    kept = bytes(chip.mcu.flash[at : at + 2])
    chip.mcu.flash[at : at + 2] = b"\xfe\xe7"  # b .
    chip.run_until(lambda: chip.resets == 1, 400)
    chip.mcu.flash[at : at + 2] = kept
    assert not _driver_is_on(chip)
    chip.run_for(2)
    assert _driver_is_on(chip)
    assert b"maintenance" not in chip.console


def test_what_ends_the_pump_leaves_the_motor_off_and_sounds(image):
    """In production it starts again after that."""
    broken = chip_build.build({"rig": "def main():\n    raise KeyboardInterrupt\n\n\nmain()\n"}, "rig")
    chip = Chip(image, slot(broken, "serial=uart0\nproduction=1\n"))
    chip.wire_up()
    chip.run_for(0.5)
    assert b"KeyboardInterrupt" in chip.console
    assert not _driver_is_on(chip)
    assert chip.mcu.gpio[BUZZER_PIN].function_select == FUNCTION_PWM
    chip.run_for(9)
    assert chip.resets == 0
    chip.run_for(1.5)
    assert chip.resets == 1


def _driver_is_on(chip: Chip) -> bool:
    """Its enable line is low; in reset the chip lets go of it, and a resistor pulls it up."""
    pin = chip.mcu.gpio[ENABLE_PIN]
    return bool(pin.output_enable) and not pin.output_value
