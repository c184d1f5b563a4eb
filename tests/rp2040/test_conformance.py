"""The board conformance suite on the emulated chip."""

from pathlib import Path

import pytest

from rp2040.chip import Chip, on_chip
from thecal import chip_build

SUITE = Path(__file__).resolve().parents[1] / "board" / "conformance.py"
MAIN = b"""
import sys
sys.path[:] = ["/a", ".frozen", "/"]
try:
    import conformance
    from board import Board
    for finding in conformance.findings(Board()):
        print("FOUND", finding)
except Exception as error:
    sys.print_exception(error)
    print("FOUND an exception")
print("DONE")
"""


@pytest.mark.timeout(1800)
def test_the_chip_conforms(image, tmp_path):
    suite = chip_build.compiled("conformance", SUITE.read_text(), tmp_path)
    chip = Chip(image, on_chip(main_py=MAIN, more={"conformance.mpy": suite}))
    chip.wire_up()
    chip.run_until(lambda: b"DONE" in chip.console or b"FOUND" in chip.console, 60, wall_s=1500)
    assert b"FOUND" not in chip.console, bytes(chip.console).decode(errors="replace")
