"""The firmware onto a board: `thecal flash`.

Over the line: into the slot that is not in use, checked by digest, switched to by one rename at the end. So
a cable pulled half-way leaves the firmware there was. As an image: a UF2 file to drop on a board in its boot
loader.
"""

import contextlib
import os
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thecal._io import extras, input_file, interruption, private
from thecal.errors import FileError, FlashError, LinkError, PortError, ProtocolMismatch, Refused, ThecalError
from thecal.firmware_build import bundle, chip, facts
from thecal.firmware_build import console as chip_console
from thecal.firmware_build.console import Console
from thecal.link.client import Client
from thecal.link.keyring import NoKey
from thecal.link.session import Session
from thecal.link.transport import Transport

_UF2_BLOCK = 512
_UF2_MOST = 476  # bytes in one block
_UF2_MOST_BYTES = 64_000_000  # twice the flash that an RP2040 can have
_BOOT_S = 20.0
_MARK = "/signed"  # by whom the board's firmware is signed, and its version

Tell = Callable[[str], None]

_ABOUT = """
import sys, os
try:
    _m = os.uname()[4]
except AttributeError:
    _m = sys.platform
_v = os.statvfs("/")
_mpy = getattr(sys.implementation, "_mpy", 0) & 255
print(repr((sys.implementation[0], tuple(sys.implementation[1][:2]), _mpy, _m, _v[0] * _v[3])))
"""
_EMPTY_SLOT = """
import os
def _empty(path):
    for entry in list(os.ilistdir(path)):
        name = path + "/" + entry[0]
        _empty(name) if entry[1] == 0x4000 else os.remove(name)
    os.rmdir(path)
try:
    os.stat("/{slot}")
    _empty("/{slot}")
except OSError as error:
    if error.errno != 2:
        raise
os.mkdir("/{slot}")
"""
_REPLACE = 'import os\nos.rename("{name}~", "{name}")\nif hasattr(os, "sync"):\n    os.sync()\n'
_RESET = "import machine\nmachine.reset()\n"


def settings_text(*, serial: str, production: bool, serial_number: str, motor_supply: bool = False) -> bytes:
    """The board's settings file."""
    return (
        f"serial={serial}\nproduction={int(production)}\nserial_number={serial_number}\n"
        f"motor_supply={int(motor_supply)}\n"
    ).encode()


# --- over the line ---


def flash(
    port: str,
    settings: bytes,
    tell: Tell,
    *,
    signed: bundle.Bundle | None = None,
    signer: str = "",
    wait_s: float = 0,
    board: facts.Chip | None = None,
) -> dict[str, object]:
    """Bring a bundle's firmware, or what is built here, onto the board at `port`; ThecalError says what went
    wrong. Tries for `wait_s` to get at its console, while somebody resets the board. Returns what was
    installed, and the pump that says hello (None where it speaks on another line)."""
    board = board or facts.chip()
    if not wait_s:
        Transport(port).close()  # is it there? Before anything is built, which takes a while
    built = chip.build(board=board) if signed is None else signed.files
    if wait_s:
        tell(f"Waiting up to {wait_s:g} s for the board: reset it or plug it in now")
    with chip_console.opened(port, wait_s, board.facts.micropython.image) as console:
        slot = install(console, built, settings, tell, signed=signed, signer=signer, board=board)
        with contextlib.suppress(Exception):
            console.exec(_RESET)
    pump = _greeting(port) if b"serial=usb" in settings else None
    if pump:
        tell(_words(pump, port))
    else:
        tell("Installed. The pump speaks on UART0 now: look at it with `thecal status --port ...`.")
    return {"port": port, "slot": slot, "build": chip.build_name(built), "pump": pump}


def install(
    console: Console,
    built: Mapping[str, bytes],
    settings: bytes,
    tell: Tell,
    *,
    signed: bundle.Bundle | None = None,
    signer: str = "",
    board: facts.Chip | None = None,
) -> str:
    """Write the firmware into the free slot and switch over; returns the slot. Nothing is written that the
    board's mark does not admit (`bundle.admit`)."""
    board = board or facts.chip()
    try:
        about(console, board.facts.micropython)
        bundle.admit(_text(console, _MARK), signed, signer)
        if signed is not None:  # kept first: from here on nothing older comes in
            _replace(console, _MARK, bundle.mark(signed))
        return _install(console, built, settings, tell, board)
    except ThecalError:
        raise
    except OSError as error:
        if error.errno == 28:
            raise FlashError("the board's file system is full", _MAKE_ROOM) from error
        raise _vanished() from error
    except Exception as error:
        if "ENOSPC" in str(error) or "Errno 28" in str(error):
            raise FlashError("the board's file system is full", _MAKE_ROOM) from error
        raise _vanished() from error


_MAKE_ROOM = (
    "remove files that are not thecal's (mpremote fs rm), or start afresh from `thecal flash --image`"
)


def _vanished() -> FlashError:
    return FlashError(
        "the board went away while it was written",
        "plug it in and run this again; until then it starts the firmware that it had",
    )


def _install(
    console: Console, built: Mapping[str, bytes], settings: bytes, tell: Tell, board: facts.Chip
) -> str:
    free = about(console, board.facts.micropython).free_bytes
    active = _text(console, "/active")
    if not active and not console.fs_exists("/main.py"):
        tell(
            "The board has no firmware: it is new, or MicroPython formatted its disk and its records are gone"
        )
    slot = "b" if active == "a" else "a"
    console.exec(_EMPTY_SLOT.format(slot=slot))
    files = dict(built)
    files[chip.MANIFEST] = chip.manifest(built, slot)
    block_bytes = board.facts.flash.block_bytes
    need = sum(-(-len(data) // block_bytes) * block_bytes for data in files.values())
    free = max(free, about(console, board.facts.micropython).free_bytes)
    if need > free:
        raise FlashError(f"the board's file system is full: {need} bytes needed, {free} free", _MAKE_ROOM)
    tell(f"Writing {len(files)} files, {sum(map(len, files.values()))} bytes, into slot {slot}")
    made = {""}
    for name, data in files.items():
        folder = ""
        for part in name.split("/")[:-1]:
            folder = f"{folder}/{part}" if folder else part
            if folder not in made:
                console.fs_mkdir(f"/{slot}/{folder}")
                made.add(folder)
        console.fs_writefile(f"/{slot}/{name}", data)
    _verify(console, slot, files)
    _replace(console, "/settings", settings)
    loader = chip.loader(board)
    if not console.fs_exists("/main.py") or bytes(console.fs_readfile("/main.py")) != loader:
        _replace(console, "/main.py", loader)
    with interruption.unsure("the change of firmware"):
        _replace(console, "/active", slot.encode())
    interruption.act("the change of firmware", interruption.CARRIED_OUT)
    tell(f"Verified. The board starts build {chip.build_name(built)} from slot {slot}.")
    return slot


@dataclass(frozen=True)
class About:
    """What a board says of itself."""

    machine: str
    micropython: str
    free_bytes: int  # of its file system


def about(console: Console, wanted: facts.MicroPython) -> About:
    """Is it MicroPython, of a version that fits, on the machine that is wanted? FlashError."""
    import ast

    name, version, mpy, machine, free = ast.literal_eval(bytes(console.exec(_ABOUT)).decode().strip())
    found = f"{name} {version[0]}.{version[1]} on {machine}"
    if name != "micropython" or wanted.machine not in machine:
        raise FlashError(f"the board runs {found}", wanted.put_it_on())
    for other in wanted.refused:
        if other in machine:
            raise FlashError(f"the board is a {other}", wanted.refused_why)
    if not wanted.oldest <= tuple(version) <= wanted.newest or mpy != wanted.mpy:
        raise FlashError(f"the board runs {found}, which is untried", wanted.put_it_on())
    return About(machine, f"{version[0]}.{version[1]}", int(free))


def _text(console: Console, path: str) -> str:
    return bytes(console.fs_readfile(path)).decode().strip() if console.fs_exists(path) else ""


def _replace(console: Console, path: str, data: bytes) -> None:
    """The old file or the new one, at every instant."""
    console.fs_writefile(path + "~", data)
    console.exec(_REPLACE.format(name=path))


def _verify(console: Console, slot: str, files: Mapping[str, bytes]) -> None:
    import hashlib

    for name, data in files.items():
        if bytes(console.fs_hashfile(f"/{slot}/{name}", "sha256")) != hashlib.sha256(data).digest():
            raise FlashError(
                f"{name} reads back wrong from the board", "run this again; if it stays so, the flash is worn"
            )


def _greeting(port: str) -> dict[str, object]:
    """Wait for the pump's hello; who it is, and what it tells of itself only to who has its key."""
    deadline = time.monotonic() + _BOOT_S
    while True:
        try:
            with Transport(port) as line:
                hello = Session(line).greet()
            told = {"serial": hello.serial, "model": hello.model, "paired": hello.paired}
            return told | _told_to_its_clinician(port)
        except ProtocolMismatch:
            raise
        except (LinkError, PortError) as error:
            if time.monotonic() > deadline:
                raise FlashError(
                    f"the firmware is installed, but says nothing: {error}",
                    "reset the board, then try `thecal status`",
                ) from error


def _told_to_its_clinician(port: str) -> dict[str, object]:
    """A new board has no key yet, and one of somebody else's pumps not ours: both None then."""
    try:
        with Client.connect(port) as client:
            return {"firmware": client.hello().firmware, "heap_free": client.log_state().heap_free}
    except (NoKey, Refused):
        return {"firmware": None, "heap_free": None}


def _words(pump: Mapping[str, object], port: str) -> str:
    if pump["firmware"] is None:
        next_step = f"pair with it: thecal pair --port {port}"
        return f"{pump['model']} {pump['serial']} runs; {next_step}"
    return "{model} {serial}, firmware {firmware}, {heap_free} bytes free".format(**pump)


# --- as an image ---


def file_system(built: Mapping[str, bytes], settings: bytes, board: facts.Chip | None = None) -> bytes:
    """The littlefs of the stock image, with the firmware in slot a."""
    with extras.of(extras.FLASH, "an image"):
        import littlefs

    board = board or facts.chip()
    page_bytes = board.facts.flash.page_bytes
    fs: Any = littlefs.LittleFS(
        block_size=board.facts.flash.block_bytes,
        block_count=board.facts.file_system.blocks,
        prog_size=page_bytes,
        read_size=page_bytes,
        disk_version=board.facts.file_system.disk_version,
    )
    files = {f"a/{name}": data for name, data in built.items()}
    files["a/" + chip.MANIFEST] = chip.manifest(built, "a")
    files |= {"settings": settings, "main.py": chip.loader(board), "active": b"a"}
    for name, data in files.items():
        folder = name.rpartition("/")[0]
        if folder:
            fs.makedirs(folder, exist_ok=True)
        with fs.open(name, "wb") as file:
            file.write(data)
    return bytes(fs.context.buffer)


def pages_of(image: bytes, offset: int, board: facts.Chip | None = None) -> dict[int, bytes]:
    """Pages by address. Blocks that are all erased are left out, but for the two that a mount looks at."""
    flash = (board or facts.chip()).facts.flash
    pages: dict[int, bytes] = {}
    for at in range(0, len(image), flash.block_bytes):
        block = image[at : at + flash.block_bytes]
        if at >= 2 * flash.block_bytes and block.count(0xFF) == len(block):
            continue
        for page in range(0, len(block), flash.page_bytes):
            pages[flash.address + offset + at + page] = block[page : page + flash.page_bytes]
    return pages


def uf2(pages: Mapping[int, bytes], board: facts.Chip | None = None) -> bytes:
    """A UF2 file of these pages."""
    flash = (board or facts.chip()).facts.flash
    out = bytearray()
    for number, (address, data) in enumerate(sorted(pages.items())):
        place = (address, flash.page_bytes, number, len(pages), flash.uf2_family)
        head = struct.pack("<8I", 0x0A324655, 0x9E5D5157, 0x2000, *place)
        out += head + data.ljust(_UF2_MOST, b"\0") + struct.pack("<I", 0x0AB16F30)
    return bytes(out)


def uf2_pages(path: Path, board: facts.Chip | None = None) -> dict[int, bytes]:
    """The pages of a MicroPython UF2. FlashError when it is none for this board."""
    own = (board or facts.chip()).facts
    name_one = f"name a MicroPython UF2 for {own.micropython.image}"
    try:
        data = input_file.read_bytes(path, _UF2_MOST_BYTES)
    except FileError as error:
        raise FlashError(error.message, name_one) from error
    pages: dict[int, bytes] = {}
    for at in range(0, len(data), _UF2_BLOCK):
        block = data[at : at + _UF2_BLOCK]
        if len(block) != _UF2_BLOCK or block[:8] != struct.pack("<2I", 0x0A324655, 0x9E5D5157):
            raise FlashError(f"{path} is no UF2 file", name_one)
        _, address, size, _, _, family = struct.unpack_from("<6I", block, 8)
        if family != own.flash.uf2_family:
            raise FlashError(f"{path} is not for an {own.micropython.machine}", name_one)
        pages[address] = block[32 : 32 + size]
    if not pages:
        raise FlashError(f"{path} is empty", name_one)
    contents = b"".join(pages[address] for address in sorted(pages))
    for other in own.micropython.refused:
        if other.encode() in contents:
            raise FlashError(f"{path} is for a {other}", own.micropython.refused_why)
    end = own.flash.address + own.file_system.offset
    if max(address + len(page) for address, page in pages.items()) > end:
        raise FlashError(
            f"{path} reaches into the file system",
            f"name the stock MicroPython UF2 for {own.micropython.image}",
        )
    return pages


def write_image(
    target: Path,
    settings: bytes,
    micropython: Path | None,
    tell: Tell,
    *,
    board: facts.Chip | None = None,
) -> dict[str, object]:
    """Write the UF2 to drop on a board: the file system alone, or with a MicroPython image all of it."""
    board = board or facts.chip()
    pages = uf2_pages(micropython, board) if micropython is not None else {}
    built = chip.build(board=board)
    pages |= pages_of(file_system(built, settings, board), board.facts.file_system.offset, board)
    try:
        private.folder(target.parent)
        # In place: a board that shows itself as a drive takes what is written there, under whatever name.
        with os.fdopen(private.opened(target, os.O_WRONLY | os.O_TRUNC), "wb") as file:
            file.write(uf2(pages, board))
    except OSError as error:
        raise FlashError(f"cannot write {target}: {error.strerror}", "name another file") from error
    what = "MicroPython and the firmware" if micropython else "the firmware, for a board that has MicroPython"
    tell(
        f"{target}: {what}, build {chip.build_name(built)}. "
        "Hold BOOTSEL while plugging in, then copy it over."
    )
    tell("It replaces everything that was on the board's file system: program, ledger and log too.")
    build = chip.build_name(built)
    return {"image": str(target), "build": build, "micropython": micropython is not None}
