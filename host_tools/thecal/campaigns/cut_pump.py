"""An emulated pump that loses its power at any moment, and a client that notices at once."""

import contextlib
import random
import select
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from thecal.campaigns import multi_boot
from thecal.emulator.emulator import Emulator
from thecal.emulator.testbench import Bench, CutWhen, PowerCut
from thecal.errors import SimulationError
from thecal.firmware_build import facts
from thecal.link.client import Client
from thecal.link.transport import Transport

_ANSWER_S = 60.0  # the line is clean: what is not answered at once never is, but for a busy machine
_RECORD = struct.Struct("<HHHHQQ")  # of the flash's log (boards/unix/hal/flash.py)
_PROGRAM = 1
_WORN_BLOCKS = 60
_STUCK_BITS = 90

SOUND, BUSY, WORN, FAILING, STUCK = "sound", "busy", "worn", "failing", "stuck"


@dataclass(frozen=True)
class Cut:
    """The power goes at this flash operation of a life, its boot's included."""

    operation: int
    when: CutWhen
    torn_seed: int


class CutPump:
    """One pump over several lives, on one flash."""

    def __init__(self, folder: Path, image: bytes | None, *, seed: int, flash: str, whole: bool) -> None:
        """`flash`: what is wrong with it (SOUND...). `whole`: each life in a process of its own."""
        self.flash = folder / "flash"
        if image is not None:
            self.flash.write_bytes(image)
        self._log = folder / "flash-log"
        self._seed = seed % 2**31
        self._whole = whole
        self._lives = 0
        self._start_us = 0
        self._driven = -1  # what the memory that outlives a watchdog reset holds
        self._harm = _harm(flash, image, folder, random.Random(seed))
        self._emulator: Emulator | None = None
        self._link: _MortalLink | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._disconnect()
        if self._emulator is not None and self._whole:
            self._emulator.close()
        elif kind is not None and self._emulator is not None and not issubclass(kind, PowerCut):
            self._emulator.close()  # who knows what state that process is in

    @property
    def bench(self) -> Bench:
        """Of the present life."""
        return self._running().bench

    def boot(self, start_us: int, cut: Cut | None, *, memory: bool) -> None:
        """A new life. PowerCut: the cut came while it booted. `memory`: of the motor's count survives."""
        self._disconnect()
        self._start_us = start_us
        settings = {
            "seed": (self._seed + self._lives) % 2**31,
            "start_us": start_us,
            "flash_log": str(self._log),
            "power_cut": f"{cut.operation}:{cut.when}:{cut.torn_seed}" if cut else "",
            "survived": self._driven if memory else -1,
            "reset_cause": 3 if memory else 1,
            **self._harm,
        }
        if not memory:
            self._driven = -1
        self._lives += 1
        self._emulator = self._boot(settings)
        self._link = _MortalLink(self._emulator)
        press = self._emulator.bench.press_button
        self.client = Client(self._link, timeout_s=_ANSWER_S, tries=1, button=lambda _: press())
        self.client.hello()

    def _boot(self, settings: dict[str, int | str]) -> Emulator:
        if not self._whole:
            pump = multi_boot.shared()
            pump.begin(self.flash, settings)
            return pump
        if self._emulator is None:
            pump = Emulator(flash=self.flash, settings=settings)
            pump.start()
            return pump
        self._emulator.restart(settings)
        return self._emulator

    def cut_now(self) -> tuple[int, int]:
        """Cut the power between two operations; when that was, and the steps made in this life."""
        truth = self.bench.truth(collect=False)
        with contextlib.suppress(PowerCut):
            self.bench.inject_raw("power_cut")
            raise self.bench.how_it_ended()
        return truth.now_us, self._remember(truth.steps)

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
        return operations, self._start_us + clock_us, self._remember(steps)

    def _remember(self, steps: int) -> int:
        """The memory is overwritten by the first step of a life."""
        if steps:
            self._driven = steps
        return steps

    def _running(self) -> Emulator:
        if self._emulator is None:
            raise SimulationError("the pump has not been started")
        return self._emulator

    def _disconnect(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None


def _harm(flash: str, image: bytes | None, folder: Path, rng: random.Random) -> dict[str, int | str]:
    """Settings of the board that make the flash what it is; the two blocks of the superblock stay sound."""
    if flash == BUSY:
        return {"flash_busy": 1, "flash_worn": "", "flash_stuck": "", "flash_worn_fails": 0}
    sound: dict[str, int | str] = {
        "flash_busy": 0,
        "flash_worn": "",
        "flash_stuck": "",
        "flash_worn_fails": 0,
    }
    size = facts.process().flash
    if flash in (WORN, FAILING):
        blocks = rng.sample(range(2, size.blocks), _WORN_BLOCKS)
        worn = ":".join(str(block) for block in blocks)
        return sound | {"flash_worn": worn, "flash_worn_fails": int(flash == FAILING)}
    if flash == STUCK:
        bits: list[int] = []
        for _ in range(_STUCK_BITS):
            offset = rng.randrange(2 * size.block_bytes, size.blocks * size.block_bytes)
            bit = rng.randrange(8)
            byte = image[offset] if image is not None else 0xFF
            bits += [offset, bit, byte >> bit & 1]  # as it is: what is written already does not rot
        file = folder / "stuck"
        file.write_text(":".join(map(str, bits)))
        return sound | {"flash_stuck": str(file)}
    return sound


class _MortalLink(Transport):
    """A line to an emulated pump; raises PowerCut as soon as it has lost its power."""

    write_timeout_s = _ANSWER_S

    def __init__(self, emulator: Emulator) -> None:
        super().__init__(emulator.port)
        self._emulator = emulator

    def receive(self, timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        bench = self._emulator.bench
        while (remaining_s := deadline_s - time.monotonic()) > 0:
            if super().receive(0.0):
                return True  # it answered before it ended
            wait_s = 0 if bench.has_spoken else remaining_s
            ready, _, _ = select.select([self._port.fileno(), bench.fileno], [], [], wait_s)
            if super().receive(0.0):
                return True
            if bench.has_spoken or bench.fileno in ready:
                raise bench.how_it_ended()
        return False
