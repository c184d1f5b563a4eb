"""The emulator as a program sees it: the real firmware boots, ends cleanly, leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from boards.unix.remote import SCRIPTS, remote_emulator
from thecal.emulator.emulator import Emulator
from thecal.errors import SimulationError
from thecal.link.client import Client
from thecal.link.transport import Transport


def test_the_firmware_boots_and_answers():
    with Emulator(seed=1) as pump, Transport(pump.port) as line:
        assert Client(line).hello().model == "thecal-unix"
        assert pump.bench.now() == 0


def test_nothing_is_left_behind():
    before = set(Path("/proc/self/fd").iterdir())
    with Emulator(script=SCRIPTS / "echo.py") as pump:
        process = pump.process
    assert process.returncode == 0
    pump.close()
    assert set(Path("/proc/self/fd").iterdir()) == before
    with pytest.raises(SimulationError, match="not running"):
        _ = pump.bench


def test_a_killed_emulator_takes_its_pump_along(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, time\nfrom pathlib import Path\nfrom thecal.emulator.emulator import Emulator\n"
        f"with Emulator(script=Path({str(SCRIPTS / 'echo.py')!r})) as pump:\n"
        "    print(pump.process.pid, flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        pump = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        child.wait(10)
    deadline = time.monotonic() + 10
    while _runs(pump):
        assert time.monotonic() < deadline, "the pump outlives its emulator"
        os.sched_yield()


def _runs(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_file_in_the_way_of_the_link_is_spared(tmp_path):
    precious = tmp_path / "thesis"
    precious.write_text("words")
    with pytest.raises(SimulationError, match="not a link"):
        Emulator(script=SCRIPTS / "echo.py", link=precious).start()
    assert precious.read_text() == "words"


def test_a_link_that_cannot_be_made_is_one_clear_line(tmp_path):
    with pytest.raises(SimulationError, match="cannot be made"):
        Emulator(script=SCRIPTS / "echo.py", link=tmp_path / "no" / "folder").start()


def test_missing_parts_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("THECAL_HOME", str(tmp_path))
    with pytest.raises(SimulationError, match="no firmware in"):
        Emulator()
    monkeypatch.delenv("THECAL_HOME")
    monkeypatch.setenv("THECAL_MICROPYTHON", "/nowhere/micropython")
    with pytest.raises(SimulationError, match="THECAL_MICROPYTHON"):
        Emulator().start()


def test_random_bytes_repeat_with_a_seed():
    from boards.unix.remote import Remote

    drawn = []
    for seed in (1, 1, 2, None):
        with remote_emulator(seed=seed) as emulator, Remote(emulator) as board:
            drawn.append(bytes(board.ask("random", size=16)))
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3
