"""What was read of folders is read again only when something in them has changed.

Every start of an emulated pump asks for the digest of its firmware, a hundred files; to ask for the state of
each takes a tenth of reading it. A change of content shows in the time of the file's last change, which
nobody can set; but only once that is past, so what changed a moment ago is always read.
"""

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

_SETTLES_S = 1.0
_KEPT = 4  # of each kind
_SUFFIXES = (".py", ".mpy", ".toml")

Read = TypeVar("Read")
State = tuple[tuple[str, int, int, int], ...]  # path, inode, size, time of the last change


def reader(read: Callable[[Path], Read]) -> Callable[[Path, Iterable[str]], Read]:
    """`read(root)`, or what it gave before, while no file below those folders of the root has changed."""

    @functools.lru_cache(_KEPT)
    def remembered(root: Path, state: State) -> Read:
        return read(root)

    def current(root: Path, folders: Iterable[str]) -> Read:
        state = tuple(sorted(entry for folder in folders for entry in _files(root / folder)))
        newest_ns = max((entry[3] for entry in state), default=0)
        if time.time_ns() - newest_ns < _SETTLES_S * 1e9:
            return read(root)
        return remembered(root, state)

    return current


def _files(folder: str | Path) -> Iterator[tuple[str, int, int, int]]:
    """The state of each; a folder that cannot be read has none."""
    try:
        entries = os.scandir(folder)
    except OSError:
        return
    with entries:
        for entry in entries:
            if entry.name.endswith(_SUFFIXES):
                with contextlib.suppress(OSError):  # it leads nowhere
                    found = entry.stat()
                    yield entry.path, found.st_ino, found.st_size, found.st_ctime_ns
            elif entry.is_dir():
                yield from _files(entry.path)
