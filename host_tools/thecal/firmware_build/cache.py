"""Files that were made for the chip before, in the user's cache.

To merge the firmware into one module, shorten its names and compile it takes seconds; the same sources give
the same files, so they are kept by the digest of all that went into them, this code included. What is damaged
or cannot be written is made again.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from thecal._io import paths

KEPT = 16  # builds in the cache: as many trees as somebody works on
Files = dict[str, bytes]  # by name


def remembered(sources: object, make: Callable[[], Files]) -> Files:
    """What `make()` gives, or gave before for the same `sources`: all that decides it, for JSON."""
    key = hashlib.sha256(json.dumps([_of_this_code(), sources], sort_keys=True).encode()).hexdigest()
    file = _file(key)
    found = None if file is None else _read(file)
    if found is None:
        found = make()
        if file is not None:
            _keep(file, found)
    return found


def _file(key: str) -> Path | None:
    try:
        return paths.cache() / "chip" / f"{key[:32]}.json"
    except RuntimeError:  # nobody's home
        return None


@functools.cache
def _of_this_code() -> str:
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _read(file: Path) -> Files | None:
    try:
        document: object = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict):
        return None
    found: Files = {}
    for name, text in document.items():  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(name, str) or not isinstance(text, str):
            return None
        try:
            found[name] = base64.b64decode(text, validate=True)
        except ValueError:
            return None
    return found


def _keep(file: Path, files: Files) -> None:
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, encoding="utf-8", delete=False) as draft:
            json.dump({name: base64.b64encode(data).decode() for name, data in files.items()}, draft)
        Path(draft.name).replace(file)
        others = sorted(file.parent.glob("*.json"), key=lambda one: one.stat().st_mtime)
        for old in others[:-KEPT]:
            old.unlink(missing_ok=True)
