"""Packages that only some commands need: the extras of pyproject.toml. Without one, a command says which."""

import contextlib
import importlib
from collections.abc import Generator
from typing import Any

from thecal.errors import ThecalError

CAMPAIGN = "campaign"
FLASH = "flash"
EXCHANGE = "exchange"
WEB = "web"


@contextlib.contextmanager
def of(extra: str, what: str) -> Generator[None]:
    """Imports of the packages of `extra`, without which `what` cannot be."""
    try:
        yield
    except ImportError as missing:
        package = (missing.name or "a package").partition(".")[0]
        raise ThecalError(
            f"{what} needs {package}, which is not installed", f"say: pip install 'thecal[{extra}]'"
        ) from missing


def load(module: str, extra: str, what: str) -> Any:
    """A module of a package of `extra`; these have no types."""
    with of(extra, what):
        return importlib.import_module(module)
