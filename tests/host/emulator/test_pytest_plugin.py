"""pytest's plugin, by its own fixtures: a pump for each test, and two runs that share no folder."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from thecal import Emulator, Pump

# A run of somebody else: its test takes as long as somebody waits, or removes its own folder.
WAITS = """
def test_waits(thecal_pump):
    print("READY", flush=True)
    assert input() == "go on"
"""
LOSES_ITS_FOLDER = """
import shutil

def test_loses(thecal_pump, tmp_path):
    shutil.rmtree(tmp_path)
    assert False
"""


def test_a_pump_of_its_own(thecal_pump: Emulator, thecal_emulator: Callable[..., Emulator], tmp_path: Path):
    other = thecal_emulator()
    assert thecal_pump.serial_number != other.serial_number
    assert os.environ["THECAL_STORE"] == str(tmp_path / "thecal" / "store.sqlite")
    with Pump(thecal_pump.port) as pump:
        assert pump.client.status().state == "unprogrammed"
    other.bench.advance("1 h")
    assert other.bench.truth().now_us - thecal_pump.bench.truth().now_us > 3_500_000_000


def pytest_of(folder: Path, *more: str) -> list[str]:
    options = ["-q", "-s", "-p", "no:cacheprovider", "--rootdir", str(folder), "--basetemp", "base", *more]
    return [sys.executable, "-m", "pytest", *options, "test_other.py"]


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def test_a_second_run_in_one_folder_is_refused(tmp_path: Path):
    """And leaves the first one's pumps as they are."""
    (tmp_path / "test_other.py").write_text(WAITS)
    ours = {"cwd": tmp_path, "env": environment(), "text": True}
    with subprocess.Popen(
        pytest_of(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, **ours
    ) as first:  # fmt: skip
        assert first.stdout is not None
        assert any("READY" in line for line in first.stdout)
        second = subprocess.run(pytest_of(tmp_path), capture_output=True, check=False, timeout=60, **ours)
        assert second.returncode == 4
        assert "base is the --basetemp of another run with pumps; give each run a --basetemp" in second.stderr
        said, _ = first.communicate("go on\n", timeout=60)
    assert first.returncode == 0, said


def test_a_run_whose_folder_was_removed_says_so(tmp_path: Path):
    (tmp_path / "test_other.py").write_text(LOSES_ITS_FOLDER)
    done = subprocess.run(
        pytest_of(tmp_path), cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "is gone: did another run remove it? give each run a --basetemp of its own" in done.stdout
