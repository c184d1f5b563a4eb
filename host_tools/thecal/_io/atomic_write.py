"""Files that are there whole or not at all: written beside their place, then put there in one step."""

from __future__ import annotations

import contextlib
from pathlib import Path

from thecal.errors import ThecalError


def write(path: Path, content: bytes | str, error: type[ThecalError] = ThecalError) -> None:
    """Put `content` (text as UTF-8) into the file. `error`: raised when that fails; what was there stays."""
    data = content.encode() if isinstance(content, str) else content
    draft = path.with_name(path.name + ".part")
    try:
        if path.exists() and not path.is_file():  # a device or a pipe has no place to be put in
            path.write_bytes(data)
            return
        draft.write_bytes(data)
        draft.replace(path)
    except OSError as trouble:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise error(f"{path} cannot be written: {trouble.strerror}", "name another file") from None
