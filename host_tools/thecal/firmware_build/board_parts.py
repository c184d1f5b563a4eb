"""The parts of a board on a desk, worked by its own classes over MicroPython's console: `thecal bringup`.

What the board's build.toml names is compiled here and sent into its memory, as a folder to import from:
nothing is written to its flash but the one file that is written, read back and removed to try it.
"""

from __future__ import annotations

import ast
import base64
import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from thecal._io import extras
from thecal._io.shown import shown
from thecal.errors import FlashError, ThecalError
from thecal.firmware_build import chip, facts, install
from thecal.firmware_build import console as chip_console
from thecal.firmware_build.console import Console

_ANSWER_S = 5  # for a byte of a board that has shown its console
_SENT_BYTES = 1500  # of a module in one order
# A folder in memory, in place of an earlier one. mpremote's own mount would keep the line busy while the
# board's code runs.
_FOLDER = """
import binascii, gc, io, sys, vfs
class _Sent:
    def __init__(self):
        self.files = {}
    def mount(self, readonly, mkfs):
        pass
    def umount(self):
        pass
    def chdir(self, path):
        pass
    def stat(self, path):
        name = path.lstrip("/")
        if name not in self.files:
            raise OSError(2)
        return (0x8000, 0, 0, 0, 0, 0, len(self.files[name]), 0, 0, 0)
    def open(self, path, mode):
        return io.BytesIO(self.files[path.lstrip("/")])
_sent = _Sent()
try:
    vfs.umount("/sent")
except OSError:
    pass
vfs.mount(_sent, "/sent")
sys.path.insert(0, "/sent")
"""
# The documents that hold a therapy (docs/explanation/storage.md).
_THERAPIES = 'import os\nprint([name for name in os.listdir("/") if name.startswith("program-")])\n'
_NUMBER = "import machine\nprint(repr(machine.unique_id().hex()))\n"
# The modules of a firmware's loader, whose console this may be, bear the same names.
_IMPORT = """
for _now in _sent.files:
    sys.modules.pop(_now[:-4], None)
import {name} as bringup
_sent.files.clear()
gc.collect()
"""
_END = "bringup.end()\n"
_RESET = "import machine\nmachine.reset()\n"


@dataclass(frozen=True)
class BoardAbout:
    """Who it is, as it says itself. `chip`: the end of its own number, as a pump's serial number has it."""

    machine: str
    micropython: str
    chip: str


class Parts:
    """What the board's bring-up answers (boards/rp2040/bringup.py). FlashError: it went away, or failed."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def ask(self, name: str, *arguments: int | bool | str) -> Any:
        """One of its functions."""
        return _read(self._console, f"print(repr(bringup.{name}({', '.join(map(repr, arguments))})))")


@contextlib.contextmanager
def opened(port: str, wait_s: float, board: facts.Chip) -> Generator[tuple[Parts, BoardAbout]]:
    """The parts of the board at `port`, which is not to run or hold a therapy; everything off and the board
    reset at the end. PortError, FlashError."""
    if not board.facts.modules.bringup:
        raise FlashError(f"nobody can bring up a {board.folder.name}: it has no module for it", _ANOTHER)
    files = chip.bringup(board)
    with chip_console.opened(port, wait_s, board.facts.micropython.image) as console:
        console.serial.timeout = _ANSWER_S
        about = _about(console, board)
        if _read(console, _THERAPIES):
            raise FlashError(
                f"the board on {port} has a therapy, and bring-up turns the motor of a new board",
                "take another, or replace all that is on this one with `thecal flash --image`",
            )
        try:
            _send(console, files)
            yield Parts(console), about
        finally:
            with contextlib.suppress(Exception):
                chip_console.interrupt(console)  # somebody may have broken off in the middle of a turn
            for words in (_END, _RESET):
                with contextlib.suppress(Exception):
                    console.exec(words)


_ANOTHER = "name another --board"


def _about(console: Console, board: facts.Chip) -> BoardAbout:
    """FlashError: it is no board of this kind, or its MicroPython is untried."""
    try:
        found = install.about(console, board.facts.micropython)
    except ThecalError:
        raise
    except Exception as error:
        raise _gone() from error
    return BoardAbout(found.machine, found.micropython, _read(console, _NUMBER)[-8:].upper())


def _send(console: Console, files: dict[str, bytes]) -> None:
    _done(console, _FOLDER)
    for name, data in files.items():
        _done(console, f"_now = _sent.files[{name!r}] = bytearray()\n")
        for at in range(0, len(data), _SENT_BYTES):
            text = base64.b64encode(data[at : at + _SENT_BYTES]).decode()
            _done(console, f'_now.extend(binascii.a2b_base64("{text}"))\n')
    _done(console, _IMPORT.format(name=[*files][-1].removesuffix(".mpy")))


def _read(console: Console, order: str) -> Any:
    """What it prints, which is one value."""
    said = bytes(_done(console, order)).decode(errors="replace").strip()
    try:
        return ast.literal_eval(said)
    except (SyntaxError, ValueError):
        raise FlashError(f"the board said {shown(said[:60])}, which is no answer", _AGAIN) from None


_AGAIN = "reset it and begin again: nothing was kept"


def _done(console: Console, order: str) -> bytes:
    with extras.of(extras.FLASH, "the line to a board"):
        from mpremote.transport import TransportExecError  # pyright: ignore[reportMissingTypeStubs]
    try:
        return console.exec(order)
    except TransportExecError as error:
        last = (str(error).strip().splitlines() or ["nothing said why"])[-1]
        raise FlashError(f"the board failed amid the bring-up: {shown(last[:120])}", _AGAIN) from error
    except Exception as error:
        raise _gone() from error


def _gone() -> FlashError:
    return FlashError("the board went away amid the bring-up", "plug it in and begin again: nothing was kept")
