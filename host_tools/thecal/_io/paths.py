"""Where the parts of thecal that are not Python packages lie: the firmware, the unix board, MicroPython.

In a checkout (thecal is installed in editable mode) they are the folders at its top; an installed wheel
carries them inside the package. THECAL_HOME and THECAL_MICROPYTHON name other places.
"""

import importlib.util
import os
import sys
from pathlib import Path

from thecal.errors import SimulationError, ThecalError

_START_PACKAGE = (
    "import sys; sys.path.append(sys.argv.pop(1)); sys.argv[0] = 'micropython'; "
    "from micropython_run import run_main; sys.exit(run_main(sys.argv))"
)


def project_root() -> Path:
    """The folder with `firmware/`, `protocol/`, `boards/` and `examples/`. SimulationError when there is
    none."""
    named = os.environ.get("THECAL_HOME")
    root = Path(named) if named else _carried() or Path(__file__).resolve().parents[3]
    if not (root / "protocol" / "thecal_protocol").is_dir():
        raise SimulationError(
            f"there is no firmware in {root}",
            "leave THECAL_HOME unset, or let it name a checkout" if named else "install thecal anew",
        )
    return root


def _carried() -> Path | None:
    """What an installed package has inside; None: this is a checkout."""
    from importlib import resources

    home = resources.files("thecal") / "_home"
    return home if isinstance(home, Path) and home.is_dir() else None


def cache() -> Path:
    """The user's folder for what can be made again. RuntimeError: this user has no home."""
    named = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named else Path.home() / ".cache") / "thecal"


def config(variable: str) -> Path:
    """The user's configuration folder. ThecalError: this user has no home; `variable` names another place."""
    named = os.environ.get("XDG_CONFIG_HOME")
    return Path(named) if named else _home(variable) / ".config"


def data(variable: str) -> Path:
    """The user's data folder. ThecalError: this user has no home; `variable` names another place."""
    named = os.environ.get("XDG_DATA_HOME")
    return Path(named) if named else _home(variable) / ".local" / "share"


def _home(variable: str) -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise ThecalError(
            "this user has no home folder", f"set HOME, or {variable} to a place of your own"
        ) from None


def other_micropython() -> str:
    """The interpreter that somebody named instead of ours; "": nobody did."""
    return os.environ.get("THECAL_MICROPYTHON", "")


def micropython() -> list[str]:
    """The command that starts the MicroPython unix port; its arguments follow.

    THECAL_MICROPYTHON may name an executable. Otherwise it is the package of this environment, which lives
    inside a CPython: started here without `site`, because that takes longer than MicroPython itself.
    """
    named = other_micropython()
    if named:
        import shutil  # only here: every start would pay for it

        found = shutil.which(named)
        if found is None:
            raise SimulationError(
                f"THECAL_MICROPYTHON is {named!r}, which cannot be run",
                "name the executable of a MicroPython unix port",
            )
        return [found]
    package = importlib.util.find_spec("micropython_run")
    if package is None or package.origin is None:
        raise SimulationError("MicroPython is not installed", "install it with `make setup`")
    return [sys.executable, "-I", "-S", "-c", _START_PACKAGE, str(Path(package.origin).parent)]
