"""The button on the emulated chip: a press is one press, however its contacts bounce."""

import pytest

from boards.rp2040.chip import Chip, slot
from boards.rp2040.link import BUTTON
from thecal.firmware_build import chip as chip_build

RIG = """
import time
from board import Board


def main():
    board = Board()
    print("READY")
    before = 0
    while True:
        time.sleep_ms(1)
        presses = board.button.presses()
        if presses != before:
            print("PRESSED", presses)
            before = presses


main()
"""
MS = 1000.0
# instants in us at which the line changes, low first
PRESSES = {
    "clean": (0, 200 * MS),
    "short": (0, 31 * MS),
    "bounces as it goes down": (0, 300, 700, 900, 4 * MS, 6 * MS, 9 * MS, 200 * MS),
    "goes down so briefly first that the interrupt finds it up": (0, 2, 500, 200 * MS),
    "bounces as it comes up": (0, 200 * MS, 201 * MS, 201.4 * MS, 205 * MS, 206 * MS),
    "is down for the interrupt as it goes down and at its first bounce": (0, 300, 400, 20 * MS),
}


@pytest.mark.timeout(600)
def test_a_press_is_one_press(image):
    built = chip_build.build({"rig": RIG}, "rig")
    chip = Chip(image, slot(built, "serial=uart0\nproduction=1\n"))
    chip.wire_up()
    chip.run_until(lambda: b"READY" in chip.console, 20)
    for number, changes in enumerate(PRESSES.values(), 1):
        for index, at_us in enumerate(changes):
            level = bool(index & 1)
            chip.at(50_000 + at_us, lambda level=level: chip.drive(BUTTON, level))
        chip.run_for(0.5)
        said = chip.console.count(b"PRESSED")
        assert said == number, list(PRESSES)[number - 1]
    assert chip.console.endswith(b"PRESSED %d\r\n" % len(PRESSES))
