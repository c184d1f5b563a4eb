"""`thecal emulate`: a pump on a pty until somebody ends it."""

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import DEADLINE_S, THECAL, Thecal, heed_ctrl_c


@contextmanager
def emulating(*arguments: object) -> Iterator["subprocess.Popen[str]"]:
    command = [str(THECAL), "emulate", *map(str, arguments)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_runs_until_it_is_ended(thecal: Thecal, tmp_path: Path, number: int):
    link = tmp_path / "pump"
    with emulating("--link", link, "--flash", tmp_path / "flash") as process:
        assert first_line(process) == str(link)
        assert json.loads(thecal("status", "--json", port=str(link)).out)["state"] == "unprogrammed"
        process.send_signal(number)
        _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    assert err.startswith("The pump runs. Try: thecal status --port")
    assert err.count("\n") == 1
    assert not link.is_symlink()
    assert (tmp_path / "flash").exists()


def test_says_why_it_died(tmp_path: Path):
    with emulating("--json") as process:
        document = json.loads(first_line(process))
        assert document["port"].startswith("/dev/")
        pump = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True
        )
        os.kill(int(pump.stdout.split()[0]), signal.SIGKILL)
        _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert err == "the emulated pump ended by itself, exit code -9\n"


def test_a_file_that_is_no_flash(thecal: Thecal, tmp_path: Path):
    other = tmp_path / "other"
    other.write_bytes(bytes(1000))
    done = thecal("emulate", "--flash", str(other))
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"the flash {other} has 1000 bytes, not 1441792; name a pump's flash, or a file to be made\n"
    )
    assert other.read_bytes() == bytes(1000)


def test_faster_than_real(thecal: Thecal):
    with emulating("--speed", "max", "--json") as process:
        port = json.loads(first_line(process))["port"]
        first = json.loads(thecal("status", "--json", port=port).out)["now_s"]
        began_s = time.monotonic()
        while (now := json.loads(thecal("status", "--json", port=port).out)["now_s"]) == first:
            assert time.monotonic() < began_s + DEADLINE_S
    assert now > first


@pytest.mark.parametrize(
    ("speed", "said"), [("10", ""), ("60", "forgets what is proposed in 3 s"), ("max", "at once: say --yes")]
)
def test_a_hasty_pump_says_how_long_a_review_may_take(speed: str, said: str):
    with emulating("--speed", speed) as process:
        first_line(process)
        assert process.stderr is not None
        assert process.stderr.readline().startswith("The pump runs.")
        if said:
            assert said in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=DEADLINE_S)[1] == ""


RESETS_ONCE = """
from board import Board
board = Board()
board.ticks_us()
board.wait_us(300000)
if board.reset_cause() == 1:
    board.latch.put(77)
    board.reset()
while True:
    board.serial.write(b"%d %d" % (board.reset_cause(), board.latch.get()))
    board.wait_us(100000)
"""


def test_a_pump_that_was_reset_starts_again(tmp_path: Path, repo_root: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "firmware").mkdir()
    (tmp_path / "firmware" / "main.py").write_text(RESETS_ONCE)
    for name in ("boards", "protocol"):
        (tmp_path / name).symlink_to(repo_root / name)
    monkeypatch.setenv("THECAL_HOME", str(tmp_path))
    with emulating("--unpaired") as process:
        port = os.open(first_line(process), os.O_RDWR | os.O_NOCTTY)
        try:
            assert select.select([port], [], [], DEADLINE_S)[0]
            assert os.read(port, 4) == b"3 77"
        finally:
            os.close(port)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=DEADLINE_S)
    assert "the pump was reset (software) and starts again\n" in err
