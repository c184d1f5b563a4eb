"""`thecal emulate`: keep an emulated pump running until somebody ends it, or say why it died."""

import contextlib
import signal
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from types import FrameType

from thecal.bench import PumpReset
from thecal.emulator import ClockKind, Emulator
from thecal.errors import SimulationError

__all__ = ["ClockKind", "serve"]


def serve(
    tell: Callable[[str], None],
    *,
    clock: ClockKind,
    speed: int,
    flash: Path | None,
    seed: int | None,
    link: Path | None,
) -> None:
    """Run a pump; `tell` is given its port. Returns at Ctrl-C or SIGTERM; SimulationError when it died."""
    if flash is not None and not flash.parent.is_dir():
        raise SimulationError(f"there is no folder {flash.parent} for the flash file", "make it first")
    with (
        _ended_by_signals(),
        Emulator(clock=clock, speed=speed, flash=flash, seed=seed, link=link, manifest=True) as pump,
    ):
        tell(pump.port)
        while True:
            pump.process.wait()
            try:
                pump.bench.now()  # raises with the last words of the process
            except PumpReset as reset:
                print(f"the pump was reset ({reset.cause}) and starts again", file=sys.stderr)
                pump.restart_after(reset)


@contextlib.contextmanager
def _ended_by_signals() -> Generator[None]:
    """SIGTERM ends like Ctrl-C: the link is removed, the pump's process ends."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
