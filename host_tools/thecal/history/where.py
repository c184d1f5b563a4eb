"""Where the store is. Imports nothing heavy: whether there is one is asked before SQLAlchemy is loaded."""

import os
from pathlib import Path

from thecal._io import paths

VARIABLE = "THECAL_STORE"
OFF = "off"


def path() -> Path | None:
    """The store's file: $THECAL_STORE, or thecal/store.sqlite in the user's data folder; None: `off`."""
    named = os.environ.get(VARIABLE, "")
    if named.lower() == OFF:
        return None
    if named:
        return Path(named)
    return paths.data(VARIABLE) / "thecal" / "store.sqlite"
