"""Files that are there whole or not at all: written beside their place, then put there in one step.

They are for nobody else's eyes (`private`), but for those that are made to be passed on: `shared`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path

from thecal.errors import ThecalError

_NAME = 100  # characters of a draft's; one has room for 255 bytes


def write(
    path: Path, content: bytes | str, error: type[ThecalError] = ThecalError, *, shared: bool = False
) -> None:
    """Put `content` (text as UTF-8) into the file. `error`: raised when that fails; what was there stays."""
    data = content.encode() if isinstance(content, str) else content
    try:
        with whole(path, shared=shared) as draft:
            draft.write_bytes(data)
    except OSError as trouble:
        raise error(f"{path} cannot be written: {trouble.strerror}", "name another file") from None


@contextlib.contextmanager
def whole(path: Path, *, shared: bool = False) -> Generator[Path]:
    """A draft to write, which takes its place when the block ends without an error. OSError when it cannot.

    `shared`: others may read it as the umask says, or as they could read what was there.
    """
    if path.exists() and not path.is_file():  # a device or a pipe has no place to be put in
        yield path
        return
    import tempfile  # only here: every start would pay for it

    descriptor, name = tempfile.mkstemp(path.suffix, f".{path.stem[:_NAME]}.", path.parent)
    os.close(descriptor)
    draft = Path(name)
    try:
        yield draft
        _flush(draft)
        if shared:
            draft.chmod(_mode_of(path))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _mode_of(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_mode & 0o777
    umask = os.umask(0o077)
    os.umask(umask)
    return 0o666 & ~umask


def _flush(draft: Path) -> None:
    """Onto the disk, so that a power cut leaves the old file or the new one."""
    descriptor = os.open(draft, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
