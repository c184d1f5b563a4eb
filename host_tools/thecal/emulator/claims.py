"""What one emulated pump has to itself on this computer: its flash file, and the name of its port (HOST-14).

Both are claimed with flock(2), which the kernel gives back however the process ends. A claim is refused by
name while somebody else has it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from pathlib import Path

from thecal._io import private
from thecal.errors import SimulationError

_DEVICES = "/dev/"


def claim_flash(flash: Path) -> int:
    """The descriptor that holds the flash file, made when it is missing. The pump's process inherits it."""
    try:
        descriptor = private.opened(flash)  # all keys are on it
    except OSError as error:
        raise SimulationError(
            f"the flash {flash} cannot be opened: {error.strerror}", "name a file that you may write"
        ) from None
    if not _locked(descriptor):
        os.close(descriptor)
        raise SimulationError(
            f"another pump runs on the flash {flash}", "end that one first, or name another file"
        )
    return descriptor


def give_back_flash(flash: Path, descriptor: int) -> None:
    """The file that a pump never wrote, because it did not start, goes too."""
    with contextlib.suppress(OSError):
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_size == 0:
            flash.unlink()
    os.close(descriptor)


class PortLink:
    """A name for a port that stays the same: a symbolic link, and beside it the lock of whose it is."""

    def __init__(self, path: Path) -> None:
        """Claim the name; the link is not there before `show`. SimulationError: it is not to be had."""
        self._path = path
        self._lock = path.with_name(f".{path.name}.lock")
        self._port = ""
        if path.is_symlink() and not str(path.readlink()).startswith(_DEVICES):
            raise SimulationError(f"{path} is a link to something else", "name another path for the port")
        if path.exists() and not path.is_symlink():
            raise SimulationError(f"{path} exists and is not a link", "name another path for the port")
        try:
            self._descriptor = self._claimed()
            path.unlink(missing_ok=True)  # of a pump that was killed
        except OSError as error:
            raise SimulationError(
                f"the link {path} cannot be made: {error.strerror}", "name another path for the port"
            ) from None

    def show(self, port: str) -> None:
        """The pump is ready: let the name lead to its port."""
        self._port = port
        try:
            self._path.symlink_to(port)
        except OSError as error:
            raise SimulationError(
                f"the link {self._path} cannot be made: {error.strerror}", "name another path for the port"
            ) from None

    def close(self) -> None:
        """Remove the link, if it is still this pump's."""
        with contextlib.suppress(OSError):
            if self._port and str(self._path.readlink()) == self._port:
                self._path.unlink()
        with contextlib.suppress(OSError):
            self._lock.unlink()
        os.close(self._descriptor)

    def _claimed(self) -> int:
        while True:
            descriptor = private.opened(self._lock)
            if not _locked(descriptor):
                os.close(descriptor)
                raise SimulationError(
                    f"{self._path} is the port of another pump that runs",
                    "end that one first, or name another path",
                )
            with contextlib.suppress(OSError):
                if os.fstat(descriptor).st_ino == self._lock.stat().st_ino:
                    return descriptor
            os.close(descriptor)  # whoever had it has just removed it


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
