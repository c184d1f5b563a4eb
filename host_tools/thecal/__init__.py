"""thecal's host tools: emulate, simulate, check and program the open intrathecal infusion pump.

Not a medical device. The Python API is `from thecal import Pump, Emulator, ThecalError`
(docs/reference/python-api.md); the command line is a thin layer over the rooms below. From the bottom up,
and none imports one above it:

_io, units       files and signals; quantities and exact numbers
link, therapy    the line to a pump; a therapy and its rules
eventlog         the pump's log, checked and in words
commands, pump   what a command does to a pump; the pump as one object
firmware_build   the firmware, compiled for the emulator and for the chip
emulator         an emulated pump and its bench
simulation       a therapy in virtual time
workflows, report, monitor, history, campaigns
cli              the command line
"""

import importlib
from typing import TYPE_CHECKING

from thecal_protocol import version

if TYPE_CHECKING:
    from thecal.emulator.emulator import Emulator
    from thecal.errors import ThecalError
    from thecal.pump import Pump

__version__ = version.VERSION
__all__ = ["Emulator", "Pump", "ThecalError", "__version__"]


# Loaded when first used: `import thecal` alone stays quick.
_ROOMS = {"Emulator": "emulator.emulator", "Pump": "pump", "ThecalError": "errors"}


def __getattr__(name: str) -> object:
    """Of the API, what is asked for."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"thecal.{_ROOMS[name]}"), name)
