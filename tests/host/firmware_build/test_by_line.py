"""`thecal flash --port` as a process, from the line's first byte to the pump's hello."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.firmware_build.board_on_a_line import BoardOnALine
from host.firmware_build.fake_board import FakeBoard
from support.ready_command import run_command
from thecal.emulator.emulator import Emulator
from thecal.firmware_build import chip
from thecal.link import key_lookup, keyring
from thecal.link.client import Client
from thecal_protocol.roles import CLINICIAN
from thecal_protocol.version import VERSION

THECAL = Path(sys.executable).parent / "thecal"


def run(*arguments: object, keys: Path) -> subprocess.CompletedProcess[str]:
    return run_command(*arguments, timeout=100, env={**os.environ, "THECAL_KEYS": str(keys)})


@pytest.fixture
def board(micropython: Path) -> Iterator[BoardOnALine]:
    """A new one: nobody has a key of the pump that it becomes."""
    files = FakeBoard(micropython)
    try:
        with Emulator(seed=1, paired=False) as pump, BoardOnALine(files, pump) as board:
            yield board
    finally:
        files.close()


def test_a_new_board_is_flashed_though_nobody_has_its_key(board: BoardOnALine, tmp_path: Path):
    done = run("flash", "--port", board.port, keys=tmp_path / "none")
    assert (done.returncode, done.stderr) == (0, "")
    name = chip.build_name(chip.build())
    assert f"The board starts build {name} from slot a." in done.stdout
    assert done.stdout.endswith(
        f"thecal-unix UNIX-C4494050 runs; pair with it: thecal pair --port {board.port}\n"
    )
    assert bytes(board.files.fs_readfile("/active")) == b"a"
    assert bytes(board.files.fs_readfile("/main.py")) == chip.loader()


def test_json_is_one_document(board: BoardOnALine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    key_lookup.provide(board.pump.port, board.pump._find_key)
    Client.connect(board.pump.port).close()
    key_lookup.withdraw(board.pump.port)
    monkeypatch.setenv("THECAL_KEYS", str(tmp_path / "keys"))
    keyring.store("UNIX-C4494050", "clinician", board.pump.key(CLINICIAN) or b"")

    done = run("flash", "--port", board.port, "--json", keys=tmp_path / "keys")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    free = document["pump"].pop("heap_free")
    assert document == {
        "schema": 1,
        "outcome": "carried_out",
        "port": board.port,
        "slot": "a",
        "build": chip.build_name(chip.build()),
        "pump": {
            "serial": "UNIX-C4494050", "model": "thecal-unix", "paired": True,
            "firmware": VERSION,
        },
    }  # fmt: skip
    assert free > 10_000


def test_an_error_with_json_is_the_one_line_alone(board: BoardOnALine, tmp_path: Path):
    board.files.about = ("micropython", (1, 19), 6, "Raspberry Pi Pico with RP2040")
    done = run("flash", "--port", board.port, "--json", keys=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "the board runs micropython 1.19 on Raspberry Pi Pico with RP2040, which is untried; "
        "put MicroPython 1.27 or 1.28 for RPI_PICO on it\n"
    )


def test_a_running_pump_gives_no_console_and_nothing_but_the_one_line(tmp_path: Path):
    with Emulator(seed=1) as pump:
        done = run("flash", "--port", pump.port, keys=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"a pump runs on {pump.port} and gives no console; hold its button while the power comes, "
        "or say --wait 30 and reset it\n"
    )
