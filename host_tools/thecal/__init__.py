"""thecal's host tools: emulate, simulate, check and program the open intrathecal infusion pump.

Not a medical device. `from thecal import Pump` is the Python API (docs/python-api.md). The command line is
a thin layer over these modules; see docs/ for both.
"""

from typing import TYPE_CHECKING

from wire import version

if TYPE_CHECKING:
    from thecal.errors import ThecalError
    from thecal.pump import Pump

__version__ = version.VERSION
__all__ = ["Pump", "ThecalError", "__version__"]


def __getattr__(name: str) -> object:
    """Loaded when first used: `import thecal` alone stays quick."""
    if name == "Pump":
        from thecal.pump import Pump

        return Pump
    if name == "ThecalError":
        from thecal.errors import ThecalError

        return ThecalError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
