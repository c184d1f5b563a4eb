"""Flashing over the line, onto a real littlefs of a real MicroPython: whole or not at all."""

import pytest

from host.firmware_build.fake_board import FakeBoard
from thecal.errors import FlashError
from thecal.firmware_build import chip, install

FILES = {
    "thecal_main.mpy": b"M\x06" * 300,
    "pump/pump.mpy": b"first" * 100,
    "pump/dosing/delivery.mpy": b"f" * 700,
}
NEWER = {**FILES, "pump/pump.mpy": b"second" * 120}
SETTINGS = install.settings_text(serial="usb", production=False, serial_number="")


@pytest.fixture
def board(micropython):
    boards = []

    def make(**options):
        made = FakeBoard(micropython, **options)
        boards.append(made)
        return made

    yield make
    for made in boards:
        made.close()


def started(board) -> dict[str, bytes]:
    """The files of the slot that the board would start."""
    slot = bytes(board.fs_readfile("/active")).decode()
    return {name: bytes(board.fs_readfile(f"/{slot}/{name}")) for name in FILES}


def test_a_new_board_gets_slot_a_then_b_then_a(board):
    console = board()
    assert install.install(console, FILES, SETTINGS, lambda _: None) == "a"
    assert started(console) == FILES
    assert bytes(console.fs_readfile("/main.py")) == chip.loader()
    assert bytes(console.fs_readfile("/settings")) == SETTINGS
    assert bytes(console.fs_readfile("/a/manifest")) == chip.manifest(FILES, "a")
    assert install.install(console, NEWER, SETTINGS, lambda _: None) == "b"
    assert started(console) == NEWER
    assert install.install(console, FILES, SETTINGS, lambda _: None) == "a"


def test_unplugged_at_any_operation_the_old_firmware_starts(board):
    console = board()
    install.install(console, FILES, SETTINGS, lambda _: None)
    before = console.operations
    install.install(console, NEWER, SETTINGS, lambda _: None)
    total = console.operations - before
    for cut in range(0, total, 3):
        install.install(console, FILES, SETTINGS, lambda _: None)
        install.install(console, FILES, SETTINGS, lambda _: None)
        console.left = cut
        with pytest.raises(FlashError, match="went away"):
            install.install(console, NEWER, SETTINGS, lambda _: None)
        console.left = None
        assert started(console) in (FILES, NEWER)
        if cut < total - 4:
            assert started(console) == FILES


def test_a_full_file_system_is_told_and_the_old_firmware_stays(board):
    console = board(blocks=16)
    install.install(
        console, {"thecal_main.mpy": b"old", **dict.fromkeys(FILES, b"x")}, SETTINGS, lambda _: None
    )
    with pytest.raises(FlashError, match="file system is full"):
        install.install(console, {**FILES, "big.mpy": bytes(60_000)}, SETTINGS, lambda _: None)
    assert bytes(console.fs_readfile("/active")) == b"a"


@pytest.mark.parametrize(
    ("about", "says"),
    [
        (("circuitpython", (9, 2), 6, "Raspberry Pi Pico with rp2040"), "the board runs circuitpython"),
        (("micropython", (1, 19), 6, "Raspberry Pi Pico with RP2040"), "untried"),
        (("micropython", (1, 28), 5, "Raspberry Pi Pico with RP2040"), "untried"),
        (("micropython", (1, 28), 6, "ESP32 module with ESP32"), "on ESP32"),
        (("micropython", (1, 28), 6, "Raspberry Pi Pico W with RP2040"), "the board is a Pico W; its radio"),
    ],
)
def test_what_is_no_fit_board_is_not_written_to(board, about, says):
    console = board(about=about)
    with pytest.raises(FlashError, match=says):
        install.install(console, FILES, SETTINGS, lambda _: None)
    assert not console.fs_exists("/a")


def test_a_file_that_reads_back_wrong_is_found(board, monkeypatch):
    console = board()
    monkeypatch.setattr(console, "fs_hashfile", lambda *_: b"\0" * 32)
    with pytest.raises(FlashError, match="reads back wrong"):
        install.install(console, FILES, SETTINGS, lambda _: None)
    assert not console.fs_exists("/active")
