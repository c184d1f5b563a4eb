"""UF2 images: what they hold, and bad ones refused."""

import errno
import os
import pty
import struct
import sys
import tty
from pathlib import Path

import littlefs
import pytest
import serial
from mpremote.transport_serial import SerialTransport

from support.ready_command import run_command
from thecal.errors import FlashError, PortError
from thecal.firmware_build import chip, install

SETTINGS = install.settings_text(serial="uart0", production=True, serial_number="RP-1")
FILES = {"thecal_main.mpy": b"main" * 50, "pump/pump.mpy": b"p" * 5000}
BASE = 0x10000000
THECAL = Path(sys.executable).parent / "thecal"


def unpacked(data: bytes) -> dict[int, bytes]:
    """Pages by address, from the format's own description."""
    pages = {}
    for at in range(0, len(data), 512):
        one, two, flags, address, size, number, count, family = struct.unpack_from("<8I", data, at)
        assert (one, two, flags, size, family) == (0x0A324655, 0x9E5D5157, 0x2000, 256, 0xE48BFF56)
        assert number == at // 512
        assert count == len(data) // 512
        assert struct.unpack_from("<I", data, at + 508) == (0x0AB16F30,)
        pages[address] = data[at + 32 : at + 32 + size]
    return pages


def test_the_image_is_the_file_system_at_its_place():
    pages = unpacked(install.uf2(install.pages_of(install.file_system(FILES, SETTINGS), 0xA0000)))
    flash = bytearray(b"\xff" * (352 * 4096))
    for address, data in pages.items():
        at = address - BASE - 0xA0000
        flash[at : at + 256] = data
    fs = littlefs.LittleFS(block_size=4096, block_count=352, prog_size=256, read_size=256, mount=False)
    fs.context.buffer = flash
    fs.mount()
    with fs.open("a/pump/pump.mpy", "rb") as file:
        assert file.read() == FILES["pump/pump.mpy"]
    with fs.open("settings", "rb") as file:
        assert file.read() == b"serial=uart0\nproduction=1\nserial_number=RP-1\nmotor_supply=0\n"
    with fs.open("main.py", "rb") as file:
        assert file.read() == chip.loader()
    with fs.open("active", "rb") as file:
        assert file.read() == b"a"


def test_both_blocks_that_a_mount_looks_at_are_in_it():
    """Else what was there before could win by a higher revision."""
    pages = install.pages_of(install.file_system(FILES, SETTINGS), 0xA0000)
    assert all(BASE + 0xA0000 + at in pages for at in range(0, 8192, 256))


def micropython_uf2(family: int = 0xE48BFF56, address: int = BASE, page: bytes = b"") -> bytes:
    head = struct.pack("<8I", 0x0A324655, 0x9E5D5157, 0x2000, address, 256, 0, 1, family)
    return head + page.ljust(256, b"\xaa") + bytes(220) + struct.pack("<I", 0x0AB16F30)


def test_a_micropython_image_is_put_in_front(tmp_path):
    image = tmp_path / "micropython.uf2"
    image.write_bytes(micropython_uf2())
    assert install.uf2_pages(image) == {BASE: b"\xaa" * 256}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"not a uf2 file", "no UF2 file"),
        (micropython_uf2(family=0xE48BFF59), "not for an RP2040"),
        (micropython_uf2(address=BASE + 0xA0000), "reaches into the file system"),
        (micropython_uf2(page=b"\0Raspberry Pi Pico W with RP2040"), "is for a Pico W; its radio"),
    ],
)
def test_a_bad_micropython_image_is_refused(tmp_path, data, says):
    image = tmp_path / "micropython.uf2"
    image.write_bytes(data)
    with pytest.raises(FlashError, match=says):
        install.uf2_pages(image)
    with pytest.raises(FlashError, match="cannot be read"):
        install.uf2_pages(tmp_path / "none.uf2")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--port"),
        (["--port", "/dev/null", "--micropython", "x.uf2"], "--micropython goes with --image"),
        (["--image", "x.uf2", "--bundle", "x.thecal"], "--bundle goes with --port"),
        (
            ["--image", "x.uf2", "--serial-number", "X\nproduction=0"],
            "--serial-number takes up to 32 letters",
        ),
        (["--image", "x.uf2", "--serial-number", "X" * 33], "--serial-number takes up to 32 letters"),
    ],
)
def test_wrong_usage(arguments, says):
    done = run_command("flash", *arguments)
    assert done.returncode == 2
    assert says in done.stderr


@pytest.fixture
def nothing_to_build(monkeypatch):
    monkeypatch.setattr(chip, "build", lambda **_: FILES)


@pytest.mark.usefixtures("nothing_to_build")
def test_a_wrong_port_is_named():
    with pytest.raises(PortError, match="there is no port /dev/ttyNONE"):
        install.flash("/dev/ttyNONE", SETTINGS, print)


@pytest.mark.usefixtures("nothing_to_build")
def test_a_port_without_permission_names_the_group(monkeypatch):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(serial, "serial_for_url", denied)
    with pytest.raises(PortError, match="join the group dialout"):
        install.flash("/dev/ttyACM0", SETTINGS, print)


@pytest.mark.usefixtures("nothing_to_build")
def test_a_line_on_which_no_micropython_answers_says_what_to_do(monkeypatch):
    master, slave = pty.openpty()
    tty.setraw(slave)
    quick = SerialTransport.enter_raw_repl
    monkeypatch.setattr(
        SerialTransport, "enter_raw_repl", lambda self, **_: quick(self, soft_reset=False, timeout_overall=1)
    )
    try:
        with pytest.raises(
            FlashError, match=f"no MicroPython answers on {os.ttyname(slave)}.*hold its button"
        ):
            install.flash(os.ttyname(slave), SETTINGS, print)
    finally:
        os.close(master)
        os.close(slave)
