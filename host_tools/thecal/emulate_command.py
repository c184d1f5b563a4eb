"""`thecal emulate`: keep an emulated pump running until somebody ends it, or say why it died.

The pump pairs with a clinician as soon as it has booted, unless told not to, and the key goes into this
user's keyring: so other programs may talk to it. SIGUSR1 presses its button.
"""

import contextlib
import signal
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from types import FrameType

from thecal import keyring
from thecal.bench import PumpReset
from thecal.client import Client
from thecal.emulator import ClockKind, Emulator
from thecal.errors import SimulationError
from wire.roles import CLINICIAN

_ANSWER_S = 2.0

__all__ = ["ClockKind", "serve"]


def serve(
    tell: Callable[[str], None],
    *,
    clock: ClockKind,
    speed: int,
    flash: Path | None,
    seed: int | None,
    link: Path | None,
    paired: bool = True,
    source: bool = False,
) -> None:
    """Run a pump; `tell` is given its port. `paired`: with this user, as a clinician. `source`: not compiled
    beforehand. Returns when a signal ends it (`ending`); SimulationError when it died."""
    if flash is not None and not flash.parent.is_dir():
        raise SimulationError(f"there is no folder {flash.parent} for the flash file", "make it first")
    with (
        contextlib.suppress(KeyboardInterrupt),
        Emulator(
            clock=clock, speed=speed, flash=flash, seed=seed, link=link, source=source, manifest=True
        ) as pump,
        _pressed_by_a_signal(pump),
    ):
        if paired:
            keep_key(pump)
        tell(pump.port)
        while True:
            pump.process.wait()
            try:
                pump.bench.now()  # raises with the last words of the process
            except PumpReset as reset:
                print(f"the pump was reset ({reset.cause}) and starts again", file=sys.stderr)
                pump.restart_after(reset)


def keep_key(pump: Emulator) -> None:
    """Pair with the pump as a clinician, if nobody has, and keep the key in this user's keyring."""
    with Client.connect(pump.port, timeout_s=_ANSWER_S) as client:
        serial = client.hello().serial
    key = pump.key(CLINICIAN)
    if key is None:
        raise SimulationError("the emulated pump did not pair", "its flash may be failing; try --unpaired")
    keyring.store(serial, "clinician", key)


@contextlib.contextmanager
def _pressed_by_a_signal(pump: Emulator) -> Generator[None]:
    def press(number: int, frame: FrameType | None) -> None:
        pump.bench.press_button()

    before = signal.signal(signal.SIGUSR1, press)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)
