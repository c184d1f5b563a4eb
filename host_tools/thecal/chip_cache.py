"""Text that was worked out for the chip before, in the user's cache.

To merge the firmware into one module and to shorten its names takes seconds; the same sources give the same
text, so it is kept by the digest of all that went into it, this code included. What is damaged or cannot be
written is worked out again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Set
from pathlib import Path

from thecal import paths

KEPT = 16  # texts in the cache: as many trees as somebody works on
Texts = dict[str, str]


def remembered(
    program: Callable[[Mapping[str, str], str, Set[str]], Texts],
    texts: Mapping[str, str],
    root: str,
    kept: Set[str],
) -> Texts:
    """What `program(texts, root, kept)` gives, or gave before."""
    key = hashlib.sha256(
        json.dumps([_of_this_code(), sorted(texts.items()), root, sorted(kept)]).encode()
    ).hexdigest()
    file = _file(key)
    found = None if file is None else _read(file)
    if found is None:
        found = program(texts, root, kept)
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
    for file in sorted(Path(__file__).parent.glob("chip_*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _read(file: Path) -> Texts | None:
    try:
        document: object = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict):
        return None
    found: Texts = {}
    for name, text in document.items():  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(name, str) or not isinstance(text, str):
            return None
        found[name] = text
    return found


def _keep(file: Path, texts: Texts) -> None:
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, encoding="utf-8", delete=False) as draft:
            json.dump(texts, draft)
        Path(draft.name).replace(file)
        others = sorted(file.parent.glob("*.json"), key=lambda one: one.stat().st_mtime)
        for old in others[:-KEPT]:
            old.unlink(missing_ok=True)
