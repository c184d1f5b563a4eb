"""Motor drivers keep the seam of docs/reference/board-interface.md, and another one is one new file."""

import shutil
from pathlib import Path

import pytest

from thecal.errors import BoardError
from thecal.firmware_build import chip

ROOT = Path(__file__).resolve().parents[2]
DRIVERS = sorted((ROOT / "boards" / "drivers").glob("*.py"))

# The file under MicroPython, on pins that write down what is done with them.
RIG = """
import sys
import micropython

class Module:
    pass

done = [0, 0, 0, 0, 0, 0, 0, 0]
used = 0

class Pin:
    OUT = 1
    def __init__(self, number, mode, value):
        self.number = number
        self.value(value)
    def value(self, level):
        global used
        done[used] = self.number * 10 + level
        used += 1

pins, machine = Module(), Module()
pins.ENABLE, pins.DIR, pins.STEP, pins.STALL, pins.FORWARD, pins.MOTOR_FEEDBACK = 4, 3, 2, 5, 1, 1
machine.Pin = Pin
sys.modules["pins"], sys.modules["machine"] = pins, machine
sys.path.insert(0, %r)
driver = __import__(%r)
off, on = 40 + driver.MOTOR_OFF, 41 - driver.MOTOR_OFF
one = driver.Driver()
begun = sorted(done[:used])
used = 0
one.enable()
used = 0
micropython.heap_lock()
one.disable()
one.enable()
one.enable()
one.disable()
micropython.heap_unlock()
print(begun == sorted([31, off]), done[:used] == [off, on, on, off], one.feedback is True)
print(driver.MOTOR_OFF in (0, 1), 4 <= driver.PULSE_US <= 35, driver.LEAST_GAP_US > driver.PULSE_US + 4)
"""


@pytest.mark.parametrize("file", DRIVERS, ids=lambda file: file.stem)
def test_a_driver_keeps_the_seam(run_micropython, file: Path):
    done = run_micropython(RIG % (str(file.parent), file.stem))
    assert done.stdout.split() == ["True"] * 6


def test_another_driver_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """EN the other way round, and pulses of 20 us."""
    for name in ("firmware", "protocol"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "boards", tmp_path / "boards", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("THECAL_HOME", str(tmp_path))
    drivers = tmp_path / "boards" / "drivers"
    text = (drivers / "tmc2209.py").read_text()
    text = text.replace("MOTOR_OFF = const(1)", "MOTOR_OFF = const(0)")
    (drivers / "other.py").write_text(text.replace("PULSE_US = const(5)", "PULSE_US = const(20)"))
    rig = "from pio_programs import PERIOD_US, PULSE\nprint(PERIOD_US, PULSE)\n"
    before = chip.build({"rig": rig}, "rig")
    facts_file = tmp_path / "boards" / "rp2040" / "build.toml"
    facts_file.write_text(facts_file.read_text().replace('driver = "tmc2209"', 'driver = "other"'))
    after = chip.build({"rig": rig}, "rig")
    assert chip.sources()["driver"] == drivers / "other.py"
    assert all(before[name] != after[name] for name in ("thecal_main.mpy", "pins.mpy"))
    facts_file.write_text(facts_file.read_text().replace('driver = "other"', 'driver = "none"'))
    with pytest.raises(BoardError) as caught:
        chip.build({"rig": rig}, "rig")
    assert str(caught.value) == (
        "boards/rp2040/build.toml: modules.driver is none, and there is no boards/drivers/none.py; mend it"
    )
