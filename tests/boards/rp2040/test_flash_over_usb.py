"""`thecal flash` as a process, over the emulated chip's USB line, to MicroPython as it comes."""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from boards.rp2040.chip import ChipStopped, file_system, firmware, on_chip
from boards.rp2040.link import CLINICIAN_KEY
from boards.rp2040.pump import keyed
from boards.rp2040.usb_line import BoardOnUsb
from thecal.errors import LinkError
from thecal.firmware_build import chip
from thecal.link import keyring
from thecal.link.client import Client
from thecal_protocol.version import VERSION

THECAL = Path(sys.executable).parent / "thecal"
SERIAL = "RP-FFFFFFFF"  # of the emulated flash
BUILD = "build {} from slot {}."

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of a pump that was paired before it is flashed."""
    monkeypatch.setenv("THECAL_KEYS", str(tmp_path / "keys"))
    keyring.store(SERIAL, "clinician", CLINICIAN_KEY)


def connected(board: BoardOnUsb) -> Client:
    """As soon as the pump has started: within half a minute of the chip's time, however slow it is."""
    until_us = board.chip.now_us + 30_000_000
    while board.chip.now_us < until_us:
        with contextlib.suppress(LinkError):
            return Client.connect(board.port)
    raise ChipStopped("the pump says nothing")


def flash(board: BoardOnUsb) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [THECAL, "flash", "--port", board.port],
        capture_output=True, text=True, timeout=600, check=False, env=dict(os.environ),
    )  # fmt: skip


def test_a_new_board_becomes_a_pump(image: Path):
    """New: MicroPython and nothing else."""
    with BoardOnUsb(image, file_system({})) as board:
        done = flash(board)
    assert (done.returncode, done.stderr) == (0, "")
    name = chip.build_name(firmware())
    assert f"Verified. The board starts {BUILD.format(name, 'a')}\n" in done.stdout
    assert done.stdout.endswith(
        f"thecal-rp2040 {SERIAL} runs; pair with it: thecal pair --port {board.port}\n"
    )


def test_a_pump_gets_new_firmware_also_after_the_cable_was_pulled(image: Path):
    """By the button. Pulled half-way: the old firmware runs. Again: the new one, and its keys."""
    old = file_system(keyed(on_chip("serial=usb\nproduction=1\n")))
    with BoardOnUsb(image, old, button=True, unplugged_after=100_000) as board:
        board.wait_for(b"thecal: button held, maintenance")
        done = flash(board)
        assert board.unplugged
    assert done.returncode == 1
    assert done.stderr == (
        "the board went away while it was written; plug it in and run this again; "
        "until then it starts the firmware that it had\n"
    )

    half = board.chip.flash_files()
    assert half != old
    with BoardOnUsb(image, half) as board, connected(board) as client:
        assert client.hello().firmware == VERSION
        assert client.status().state == "unprogrammed"

    with BoardOnUsb(image, half, button=True) as board:
        board.wait_for(b"thecal: button held, maintenance")
        board.release()
        done = flash(board)
        assert (done.returncode, done.stderr) == (0, "")
        with connected(board) as client:
            assert client.log_state().failing == 0
    assert BUILD.format(chip.build_name(firmware()), "b") in done.stdout
    said = re.search(rf"thecal-rp2040 {SERIAL}, firmware {VERSION}, (\d+) bytes free\n$", done.stdout)
    assert said
    assert int(said[1]) > 40_000  # garbage and all


def test_a_full_file_system_is_refused_before_anything_is_written(image: Path):
    full = file_system({"data": os.urandom(1_340_000)})
    with BoardOnUsb(image, full) as board:
        done = flash(board)
    assert done.returncode == 1
    assert done.stdout.startswith("The board has no firmware: it is new, or MicroPython formatted its disk")
    assert re.fullmatch(
        r"the board's file system is full: \d+ bytes needed, \d+ free; "
        r"remove files that are not thecal's.*\n",
        done.stderr,
    )


def test_a_running_pump_is_waited_for_until_somebody_resets_it(image: Path):
    """Not in production: then it gives no console without its button. A host that says hello while the board
    starts does not stop it: 3, the protocol's version, is the byte of Ctrl-C."""
    running = file_system(keyed(on_chip("serial=usb\nproduction=0\n")))
    with BoardOnUsb(image, running) as board:
        connected(board).close()
        waiting = subprocess.Popen(
            [THECAL, "flash", "--port", board.port, "--wait", "120"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
        )  # fmt: skip
        board.wait_for_input(b"\r\x03")
        board.reset()
        out, err = waiting.communicate(timeout=600)
    assert (waiting.returncode, err) == (0, "")
    assert out.startswith("Waiting up to 120 s for the board: reset it or plug it in now\n")
    assert BUILD.format(chip.build_name(firmware()), "b") in out
