"""The emulated chip, some forty times as fast: plain instructions and the divider run in C (core.c).

All else is done by rp2040py. `core.c` is compiled when a test first needs it, by `cc`, `gcc` or `clang`;
without a compiler, or with THECAL_CHIP_PLAIN=1, rp2040py does everything: same results, later. Time passes as
it does there: alarms and PIO get their turn after the instruction in which they fall due. Called by: chip.py.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from rp2040py.sio import RPSIO

from thecal._io import paths

CYCLE_NS = 8
_SOURCE = Path(__file__).with_name("core.c")
_LONG = 200_000
_WALL_S = 0.05
_DIVIDER = {
    "div_dividend": "dividend",
    "div_divisor": "divisor",
    "div_quotient": "quotient",
    "div_remainder": "remainder",
    "div_csr": "csr",
}


class _State(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("r", "ram", "flash", "rom")),
        *((name, ctypes.c_uint32) for name in ("ram_size", "flash_size", "rom_size")),
        *((name, ctypes.c_uint32) for name in ("n", "z", "c", "v", "masked", "pending", "handler", "help")),
        *((name, ctypes.c_uint32) for name in _DIVIDER.values()),
    )


def _shared(name: str) -> property:
    def value(sio: Any) -> int:
        return getattr(sio.state, name)

    def set_value(sio: Any, value: float) -> None:
        setattr(sio.state, name, int(value) & 0xFFFFFFFF)  # rp2040py's quotients have a fraction

    return property(value, set_value)


class _Sio(RPSIO):
    """rp2040py's SIO with the divider that the C core has."""

    state: _State


for _of, _name in _DIVIDER.items():
    setattr(_Sio, _of, _shared(_name))


def library() -> Path | None:
    """The compiled core, made now if it is not there; None without a compiler."""
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None or os.environ.get("THECAL_CHIP_PLAIN"):
        return None
    name = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:12]
    target = paths.project_root() / "build" / f"core-{name}.so"
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        draft = target.with_suffix(f".{os.getpid()}")
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(draft), str(_SOURCE)]
        subprocess.run(command, check=True, capture_output=True)
        draft.rename(target)
    return target


def _address(buffer: Any) -> int:
    view = memoryview(buffer)
    return ctypes.addressof((ctypes.c_ubyte * view.nbytes).from_buffer(view))


class Quick:
    """Runs a chip's simulator."""

    def __init__(self, simulator: Any, compiled: Path):
        self._simulator = simulator
        self._mcu = mcu = simulator.rp2040
        self._core = mcu.core
        self._clock = mcu.clock
        self._run = ctypes.CDLL(str(compiled)).run
        self._run.restype = ctypes.c_int64
        self._run.argtypes = (ctypes.c_void_p, ctypes.c_int64)
        self._keep = (mcu.sram, mcu.flash, mcu.bootrom, self._core.registers)
        self._state = _State(
            r=_address(self._core.registers),
            ram=_address(mcu.sram),
            flash=_address(mcu.flash),
            rom=_address(mcu.bootrom),
            ram_size=len(mcu.sram),
            flash_size=len(mcu.flash),
            rom_size=4 * len(mcu.bootrom),
            divisor=1,
        )
        mcu.sio.__class__ = _Sio
        mcu.sio.state = self._state
        self.wakes = 0  # how often the processor has left WFI or WFE
        self._pointer = ctypes.addressof(self._state)

    def batch(self) -> None:
        """Let time pass until somebody sets `stopped`, or for a while."""
        simulator = self._simulator
        core = self._core
        clock = self._clock
        pios = self._mcu.pio
        end = time.monotonic() + _WALL_S
        turns = 0
        while not simulator.stopped:
            turns += 1
            if not turns & 255 and time.monotonic() > end:
                return
            if core.waiting:
                nanos = clock.nanos_to_next_alarm
                clock.tick(nanos)
                cycles = int(nanos / CYCLE_NS) or 1
                self.wakes += not core.waiting
            else:
                cycles = 0 if core.interrupts_updated else self._plain()
                if not cycles:
                    cycles = core.execute_instruction()
                clock.tick(cycles * 8.0)
            for pio in pios:
                if not pio.stopped:
                    pio.advance(cycles)

    def _budget(self) -> int:
        clock = self._clock
        cycles = _LONG
        if clock.has_scheduled_alarm:
            cycles = min(cycles, -int(-clock.nanos_to_next_alarm // CYCLE_NS))
        for pio in self._mcu.pio:
            if not pio.stopped:
                cycles = min(cycles, (pio.next_due_fp - pio.cycle_fp + 255) >> 8)
        return cycles

    def _plain(self) -> int:
        """Cycles of the plain instructions from here on; 0 when the next one is not plain."""
        core = self._core
        state = self._state
        state.n = core.n
        state.z = core.z
        state.c = core.c
        state.v = core.v
        state.masked = core.pm
        state.handler = core.current_mode
        state.pending = bool(
            core.pending_interrupts & core.enabled_interrupts
            or core.pending_systick
            or core.pending_pend_sv
            or core.pending_svcall
            or core.pending_nmi
        )
        cycles = self._run(self._pointer, max(1, self._budget()))
        if cycles:
            core.n = state.n
            core.z = state.z
            core.c = state.c
            core.v = state.v
            core.pm = state.masked
            core.cycles += cycles
        return cycles
