"""`thecal emulate`: keep an emulated pump running until somebody ends it, or say why it died.

The pump pairs with a clinician as soon as it has booted, unless told not to, and the key goes into this
user's keyring: so other programs may talk to it. SIGUSR1 presses its button.
"""

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from types import FrameType

from thecal.emulator.claims import PortLink
from thecal.emulator.emulator import ClockKind, Emulator
from thecal.emulator.testbench import PumpReset
from thecal.errors import LinkError, PortError, Refused, SimulationError
from thecal.eventlog import log_keys
from thecal.link import keyring
from thecal.link.client import Client
from thecal_protocol.roles import CLINICIAN, ROLES

_ANSWER_S = 2.0
_PAIRING_S = 20.0
_AGAIN_S = 0.05

__all__ = ["ClockKind", "serve"]


def serve(
    tell: Callable[[str, str], None],
    *,
    clock: ClockKind,
    speed: int,
    flash: Path | None,
    seed: int | None,
    link: Path | None,
    paired: bool = True,
    source: bool = False,
    serial_number: str = "",
) -> None:
    """Run a pump; `tell` is given its port and serial number as soon as it is ready, and only then its link
    is there. `paired`: with this user, as a clinician. `source`: not compiled beforehand. Returns when a
    signal ends it (`interruption`); SimulationError when it died."""
    if flash is not None and not flash.parent.is_dir():
        raise SimulationError(f"there is no folder {flash.parent} for the flash file", "make it first")
    with (
        contextlib.suppress(KeyboardInterrupt),
        _named(link) as name,
        Emulator(
            clock=clock, speed=speed, flash=flash, seed=seed, source=source, manifest=True,
            serial_number=serial_number,
        ) as pump,
        _pressed_by_a_signal(pump),
        _forgotten(pump, flash),
    ):  # fmt: skip
        if paired:
            keep_key(pump)
        if name is not None:
            name.show(pump.port)
        tell(pump.port, pump.serial_number)
        while True:
            pump.process.wait()
            try:
                pump.bench.now()  # raises with the last words of the process
            except PumpReset as reset:
                print(f"the pump was reset ({reset.cause}) and starts again", file=sys.stderr)
                pump.restart_after(reset)


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
def _pressed_by_a_signal(pump: Emulator) -> Generator[None]:
    def press(number: int, frame: FrameType | None) -> None:
        pump.bench.press_button()

    before = signal.signal(signal.SIGUSR1, press)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)
