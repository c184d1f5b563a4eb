"""The board conformance suite on the emulated chip, built as the firmware is."""

from pathlib import Path

import pytest

from boards.rp2040.chip import Chip, slot
from thecal.firmware_build import chip as chip_build

SUITE = Path(__file__).resolve().parents[1] / "unix" / "conformance.py"
ROOT = """
import conformance
from board import Board


def main():
    for finding in conformance.findings(Board()):
        print("FOUND", finding)
    print("DONE")


main()
"""


@pytest.mark.timeout(3000)
def test_the_chip_conforms(image):
    built = chip_build.build({"conformance": SUITE.read_text(), "root": ROOT}, "root")
    chip = Chip(image, slot(built))
    chip.wire_up()
    chip.run_until(lambda: b"DONE" in chip.console or b"Traceback" in chip.console, 120, wall_s=2400)
    said = bytes(chip.console).decode(errors="replace")
    assert "FOUND" not in said
    assert "DONE" in said, said
