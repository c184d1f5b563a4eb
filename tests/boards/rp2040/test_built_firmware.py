"""The firmware as it is built for the chip (one module, short names) does what the sources do.

Built for the unix board, whose own files stay as they are, it goes through tests of the whole pump: therapy
against the exact oracle with the heap locked, and power cuts in the middle of commits and bridges.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from thecal.firmware_build import chip, compiled

ROOT = Path(__file__).resolve().parents[3]
TESTS = ("tests/firmware/pump", "tests/firmware/restart")
NEEDS_THE_SOURCES = "test_an_allocation_in_the_steady_path_ends_a_locked_day"  # it imports one of the modules


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A place like the project's, with the built firmware in it."""
    home = tmp_path_factory.mktemp("built")
    firmware = home / "firmware"
    firmware.mkdir()
    for name in ("boards", "protocol", "tests", "benchmarks"):
        (home / name).symlink_to(ROOT / name)
    for name, data in chip.build_for(map(ROOT.joinpath, compiled.text_of(ROOT).folders[2:])).items():
        (firmware / name).write_bytes(data)
    return home


@pytest.mark.timeout(900)
def test_the_built_firmware_passes_the_same_tests(home):
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *TESTS]
    command += ["--deselect", f"tests/firmware/pump/test_whole_pump.py::{NEEDS_THE_SOURCES}"]
    inner = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    inner["THECAL_HOME"] = str(home)
    done = subprocess.run(command, cwd=ROOT, env=inner, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


def test_it_is_the_built_firmware_that_runs(home):
    """No module of the sources is within reach of what these tests start."""
    names = {file.name for file in (home / "firmware").iterdir()}
    assert names == {"main.py", "thecal.mpy", "thecal_once.mpy", "thecal_rare.mpy"}


def test_what_cannot_be_followed_is_refused():
    from thecal.errors import FlashError
    from thecal.firmware_build import bundler

    for text in (
        "from other import *\n",
        "import other\nx = other\n",
        "each = 1\ndef f(a):\n    return each + sum([each for each in a])\n",
        "def f():\n    import other\n",
    ):
        with pytest.raises(FlashError):
            bundler.merged({"main": text + "print(1)\n", "other": "y = 1\nz = [y]\n"}, "main")
