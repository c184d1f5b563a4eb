"""Where the parts of thecal that are not Python packages lie: the firmware, the unix board, MicroPython.

thecal runs from a checkout (it is installed in editable mode), so they are found beside the host tools;
THECAL_HOME and THECAL_MICROPYTHON name other places. Called by `emulator`.
"""

import os
import shutil
import sys
from pathlib import Path

from thecal.errors import SimulationError


def project_root() -> Path:
    """The folder with `firmware/` and `boards/`. SimulationError when there is none."""
    named = os.environ.get("THECAL_HOME")
    root = Path(named) if named else Path(__file__).resolve().parents[2]
    if not (root / "firmware" / "wire").is_dir():
        raise SimulationError(
            f"there is no firmware in {root}", "install thecal from a checkout, or set THECAL_HOME to one"
        )
    return root


def firmware_main() -> Path:
    """The script that boots the pump."""
    return project_root() / "firmware" / "main.py"


def micropython_path() -> str:
    """MICROPYPATH for a pump on the unix board."""
    root = project_root()
    return f"{root / 'firmware'}:{root / 'boards' / 'unix'}"


def micropython() -> str:
    """The MicroPython unix port: THECAL_MICROPYTHON, else the one of this environment, else the one on PATH."""
    named = os.environ.get("THECAL_MICROPYTHON")
    beside = Path(sys.executable).parent / "micropython"
    found = shutil.which(named or str(beside)) or (None if named else shutil.which("micropython"))
    if found is None:
        raise SimulationError(
            f"MicroPython is not there ({named})" if named else "MicroPython is not installed",
            "`make setup` installs it; THECAL_MICROPYTHON names another one",
        )
    return found
