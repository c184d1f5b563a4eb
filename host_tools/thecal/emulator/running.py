"""Which emulated pumps of this user run on this computer, for commands in other terminals.

One file each in a private folder ($XDG_RUNTIME_DIR/thecal, or thecal-UID where temporary files go), locked
for as long as its pump runs: what a killed one left is told from one that is there, and swept.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import tempfile
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from thecal._io import private
from thecal.errors import SimulationError

BENCH_FOLDER = ".bench"  # after the name of the link
BENCH_SOCKET = "socket"
_ENDING = ".json"


@dataclass(frozen=True)
class Running:
    """An emulated pump that is ready, as `thecal emulate --json` prints it."""

    port: str
    link: str | None
    speed: str
    serial_number: str
    bench: str
    pid: int
    tcp: str | None

    @property
    def name(self) -> str:
        """What to call its port."""
        return self.link or self.port

    def is_at(self, port: str) -> bool:
        """Whether somebody means this pump by that port."""
        if port in (self.port, self.serial_number, self.bench):
            return True
        if "://" in port:
            return self.tcp is not None and urlsplit(f"//{self.tcp}").netloc == urlsplit(port).netloc
        named = Path(port).absolute()
        return str(named) == self.link or str(named.resolve()) == self.port


@contextlib.contextmanager
def announced(pump: Running) -> Generator[None]:
    """While this lasts other commands of this user find the pump."""
    try:
        descriptor, path = _written(pump)
    except OSError as error:
        print(f"other commands do not find this pump by themselves: {error}", file=sys.stderr)
        yield
        return
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def found() -> list[Running]:
    """Every emulated pump of this user that was started by `thecal emulate`, by port."""
    try:
        files = sorted(_folder().glob(f"*{_ENDING}"))
    except OSError:
        return []
    pumps = [pump for file in files if (pump := _read(file)) is not None]
    return sorted(pumps, key=lambda pump: pump.name)


def bench_of(port: str) -> Path:
    """The socket of the bench of the pump on that port: a link, a pty, a URL, a serial number, or the socket
    itself. SimulationError: there is none."""
    path = Path(port)
    with contextlib.suppress(OSError):
        if path.is_socket():
            return path
        beside = path.with_name(f"{path.name}{BENCH_FOLDER}") / BENCH_SOCKET
        if "://" not in port and path.name and beside.is_socket():
            return beside
    here = found()
    for pump in here:
        if pump.is_at(port):
            return Path(pump.bench)
    names = ", ".join(pump.name for pump in here)
    raise SimulationError(
        f"no emulated pump of yours runs on {port}",
        f"there is one on {names}" if here else "only `thecal emulate` serves a bench: start one first",
    )


def _folder() -> Path:
    """Ours alone, or OSError: whoever else could write to it could lead commands to a pump of theirs."""
    named = os.environ.get("XDG_RUNTIME_DIR")
    if named and Path(named).is_dir():
        path = Path(named) / "thecal"
    else:
        path = Path(tempfile.gettempdir()) / f"thecal-{os.geteuid()}"
    private.folder(path)
    private.check_own(path)
    return path


def _written(pump: Running) -> tuple[int, Path]:
    """The file is locked before it has the name under which others look for it."""
    folder = _folder()
    new, path = folder / f".{pump.pid}.new", folder / f"{pump.pid}{_ENDING}"
    new.unlink(missing_ok=True)
    descriptor = private.opened(new)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, json.dumps(asdict(pump)).encode())
    new.rename(path)
    return descriptor, path


def _read(path: Path) -> Running | None:
    """None: its pump has gone, and the file goes, too."""
    with contextlib.suppress(OSError, ValueError, TypeError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return Running(**json.loads(file.read()))
        path.unlink()
    return None
