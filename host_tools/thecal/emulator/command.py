"""`thecal emulate`: keep an emulated pump running until somebody ends it, or say why it died.

The pump pairs with a clinician as soon as it has booted, unless told not to, and the key goes into this
user's keyring: so other programs may talk to it. Its bench answers this user's other programs (bench_server);
SIGUSR1 presses its button.
"""

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from thecal.emulator.bench_server import BenchServer
from thecal.emulator.claims import PortLink
from thecal.emulator.emulator import ClockKind, Emulator
from thecal.emulator.running import Running, announced
from thecal.emulator.tcp_line import TcpLine
from thecal.errors import LinkError, PortError, Refused, SimulationError
from thecal.eventlog import log_keys
from thecal.link import keyring
from thecal.link.client import Client
from thecal_protocol.roles import CLINICIAN, ROLES

_ANSWER_S = 2.0
_PAIRING_S = 20.0
_AGAIN_S = 0.05

__all__ = ["ClockKind", "Running", "Wanted", "serve"]


@dataclass(frozen=True)
class Wanted:
    """How a pump is to run. `speed`: times as fast as real, "0": only as its bench says, or "max"."""

    speed: str
    flash: Path | None = None
    seed: int | None = None
    link: Path | None = None
    tcp: tuple[str, int] | None = None
    paired: bool = True  # with this user, as a clinician
    source: bool = False  # not compiled beforehand
    serial_number: str = ""

    @property
    def times(self) -> int:
        """As fast as real; 1 of a clock that is no multiple of it."""
        return 1 if self.speed == "max" else int(self.speed) or 1

    @property
    def clock(self) -> ClockKind:
        """The one that has this speed."""
        if self.speed == "max":
            return "free"
        times = int(self.speed)
        return "virtual" if times == 0 else "real" if times == 1 else "scaled"


def serve(tell: Callable[[Running], None], wanted: Wanted) -> None:
    """Run a pump; `tell` is told of it as soon as it is ready, and only then its link is there and its bench
    answers. Returns when a signal ends it (`interruption`); SimulationError when it died."""
    flash, link = wanted.flash, wanted.link
    if flash is not None and not flash.parent.is_dir():
        raise SimulationError(f"there is no folder {flash.parent} for the flash file", "make it first")
    with (
        contextlib.suppress(KeyboardInterrupt),
        _named(link) as name,
        contextlib.closing(BenchServer(link)) as server,
        _by_tcp(wanted.tcp) as tcp,
        Emulator(
            clock=wanted.clock, speed=wanted.times, flash=flash, seed=wanted.seed, source=wanted.source,
            manifest=True, provisioned=False, serial_number=wanted.serial_number,
        ) as pump,
        contextlib.closing(_Presses()) as presses,
        _forgotten(pump, flash),
    ):  # fmt: skip
        if wanted.paired:
            keep_key(pump)
        if tcp is not None:
            tcp.start(pump.port)
        if name is not None:
            name.show(pump.port)
        ready = Running(
            port=pump.port,
            link=str(link.absolute()) if link else None,
            speed=wanted.speed,
            serial_number=pump.serial_number,
            bench=str(server.path.absolute()),
            pid=os.getpid(),
            tcp=tcp.address if tcp else None,
        )
        with announced(ready):
            tell(ready)
            while True:
                server.serve(pump.bench, presses)
                if cause := pump.bench.boot_again():
                    print(f"the pump was reset ({cause}) and starts again", file=sys.stderr)


def keep_key(pump: Emulator) -> None:
    """Pair with the pump as a clinician, if nobody has, and keep the key in this user's keyring."""
    until_s = time.monotonic() + _PAIRING_S
    while True:
        try:
            with Client.connect(pump.port, timeout_s=_ANSWER_S) as client:
                serial = client.hello().serial
            break
        except (PortError, LinkError, Refused):  # another host has found the port: it gets its turn
            if pump.process.poll() is not None or time.monotonic() > until_s:
                raise
            time.sleep(_AGAIN_S)
    key = pump.key(CLINICIAN)
    if key is None:
        raise SimulationError("the emulated pump did not pair", "its flash may be failing; try --unpaired")
    keyring.prefer(serial, "clinician", key)


@contextlib.contextmanager
def _named(link: Path | None) -> Generator[PortLink | None]:
    """The name is claimed before anything starts, and given back after everything."""
    if link is None:
        yield None
        return
    with contextlib.closing(PortLink(link)) as name:
        yield name


@contextlib.contextmanager
def _forgotten(pump: Emulator, flash: Path | None) -> Generator[None]:
    """Keys of a pump without a flash file go with it: they open nothing any more. What was there before, of
    a pump of the same number (by the same seed, on a flash), is there again."""
    serial = pump.serial_number
    before = {role: keyring.keys(serial, role) for _, role in ROLES}
    log_keys_before = log_keys.keys(serial)
    try:
        yield
    finally:
        if flash is None:
            for role, keys in before.items():
                for key in keyring.keys(serial, role):
                    if key not in keys:
                        keyring.drop(serial, role, key)
            for key in log_keys.keys(serial):
                if key not in log_keys_before:
                    log_keys.drop(serial, key)


@contextlib.contextmanager
def _by_tcp(address: tuple[str, int] | None) -> Generator[TcpLine | None]:
    """The address is claimed before anything starts, too; it goes after the pump."""
    if address is None:
        yield None
        return
    with contextlib.closing(TcpLine(*address)) as line:
        yield line


class _Presses:
    """Of the pump's button, by SIGUSR1: the bench hears of them between two requests."""

    def __init__(self) -> None:
        self._told, self._tell = socket.socketpair()
        self._tell.setblocking(False)
        self._before = signal.signal(signal.SIGUSR1, self._press)

    def fileno(self) -> int:
        """Readable: it is to be pressed."""
        return self._told.fileno()

    def take(self) -> int:
        """How often."""
        return len(self._told.recv(16))

    def close(self) -> None:
        """Whoever had the signal before has it again."""
        signal.signal(signal.SIGUSR1, self._before)
        self._told.close()
        self._tell.close()

    def _press(self, number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(BlockingIOError):
            self._tell.send(b".")
