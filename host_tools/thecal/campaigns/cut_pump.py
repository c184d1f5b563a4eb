"""An emulated pump that loses its power at any moment, and a client that notices at once."""

import contextlib
import struct
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from thecal.bench import Bench, CutWhen, PowerCut
from thecal.campaigns import compiled
from thecal.campaigns.base import code_version
from thecal.client import Client
from thecal.emulator import Emulator
from thecal.errors import SimulationError
from thecal.transport import Transport

_ANSWER_S = 30.0  # the line is clean: what is not answered at once never is, but for a busy machine
_LOOK_S = 0.005  # how soon the end of the process is noticed
_RECORD = struct.Struct("<HHHHQQ")  # of the flash's log (boards/unix/flash.py)
_PROGRAM = 1


class CutPump:
    """One pump over several lives, on one flash."""

    def __init__(self, folder: Path, image: bytes | None, *, seed: int, start_us: int, busy: bool) -> None:
        flash = folder / "flash"
        if image is not None:
            flash.write_bytes(image)
        self.flash = flash
        self._log = folder / "flash-log"
        self._start_us = start_us
        settings = {"start_us": start_us, "flash_busy": int(busy)}
        script = compiled.firmware_main(code_version())
        self._emulator = Emulator(seed=seed % 2**31, flash=flash, settings=settings, script=script)
        self._link: _MortalLink | None = None

    def __enter__(self) -> Self:
        self._emulator.start()
        self._connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._disconnect()
        self._emulator.close()

    @property
    def bench(self) -> Bench:
        """Of the present life."""
        return self._emulator.bench

    def restart(self, start_us: int) -> None:
        """The power is back."""
        self._disconnect()
        self._start_us = start_us
        self._emulator.restart({"start_us": start_us})
        self._connect()

    def plan_cut(self, operation: int, when: CutWhen, torn_seed: int) -> None:
        """Cut the power at this flash operation from now."""
        self.bench.flash_log(self._log)
        self.bench.power_cut_at_flash_operation(operation, when, torn_seed)

    def cut_now(self) -> tuple[int, int]:
        """Cut the power between two operations; when that was, and the steps made in this life."""
        truth = self.bench.truth()
        with contextlib.suppress(PowerCut):
            self.bench.inject("power_cut")
            self.bench.now()  # the answer came before the end
        return truth.now_us, truth.steps

    def cut_seen(self) -> tuple[int, int, int]:
        """After a planned cut: which operation it hit, when, and the steps made in that life."""
        data = self._log.read_bytes()
        at = operations = clock_us = steps = 0
        while at < len(data):
            kind, _, _, size, clock_us, steps = _RECORD.unpack_from(data, at)
            at += _RECORD.size + (size if kind == _PROGRAM else 0)
            operations += 1
        if at != len(data) or not operations:
            raise SimulationError(
                "the flash's log ends amid a record", "report this: it is a fault of thecal"
            )
        return operations, self._start_us + clock_us, steps

    def _connect(self) -> None:
        self._link = _MortalLink(self._emulator)
        self.client = Client(self._link, timeout_s=_ANSWER_S, tries=1)
        self.client.hello()

    def _disconnect(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None


class _MortalLink(Transport):
    """A line to an emulated pump; raises PowerCut as soon as its process has ended by one."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__(emulator.port)
        self._emulator = emulator

    def receive(self, timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        while (remaining_s := deadline_s - time.monotonic()) > 0:
            ended = self._emulator.process.poll() is not None
            if super().receive(min(_LOOK_S, remaining_s)):
                return True
            if ended:
                self._emulator.bench.now()  # raises, with what ended it
        return False
