"""Files and folders for nobody else's eyes: they hold keys, or what a patient is given (SEC-22).

A file has mode 0600, a folder made here 0700, whatever the umask says. One that was made with another mode
before, by this user, is mended when it is used again. `atomic_write` writes whole files by the same rule.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

FILE = 0o600
FOLDER = 0o700
OTHERS = 0o077
WRITABLE = 0o022  # by the group or by anybody


def folder(path: Path) -> Path:
    """Make the folder, and those above it, where they are missing. OSError when that fails."""
    for missing in reversed([place for place in (path, *path.parents) if not place.exists()]):
        missing.mkdir(FOLDER, exist_ok=True)
    if not path.is_dir():
        raise NotADirectoryError(20, os.strerror(20), str(path))
    return path


def check_own(path: Path) -> None:
    """PermissionError: a folder (or what else is there) of another user, or one that others can use."""
    found = path.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & OTHERS or stat.S_ISLNK(found.st_mode):
        raise PermissionError(errno.EPERM, "it is not this user's alone", str(path))


def ours(found: os.stat_result) -> bool:
    """Whether nobody else owns it; root, who may do anything anyway, may look at everybody's."""
    return os.geteuid() in (0, found.st_uid) or found.st_uid == 0


def opened(path: Path, flags: int = os.O_RDWR) -> int:
    """The descriptor of a file that is written in place, made where it is missing. OSError: it cannot be."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, FILE)
    if _open_to_others(os.fstat(descriptor)):
        with contextlib.suppress(OSError):  # on some file systems modes mean nothing
            os.fchmod(descriptor, FILE)
    return descriptor


def ready(path: Path) -> None:
    """A file that another library opens by its name: made where it is missing, and never opened where it is
    there (to close it would let go of SQLite's locks on it). OSError when that fails."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE))
    except FileExistsError:
        if _open_to_others(path.stat()):
            with contextlib.suppress(OSError):
                path.chmod(FILE)


def _open_to_others(found: os.stat_result) -> bool:
    """Whether it is a file of this user that others can do something with; a device is left as it is."""
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_mode & OTHERS != 0
