"""A board on which MicroPython alone answers, named by every command that looks for a pump (INT-12)."""

import os
import select
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

THECAL = Path(sys.executable).parent / "thecal"
BANNER = b"\r\nMicroPython v1.28.0; Raspberry Pi Pico with RP2040\r\n>>> "
QUESTION = b"import os\nprint('main.py' in os.listdir('/'), 'the' + 'cal')"
LATE = b"OK\x04Traceback: SyntaxError\r\n\x04>"  # what it said to a frame before, amid the question
_TICK_S = 0.1


class Prompt:
    """A pty with MicroPython's console on it, prompt and raw, on a disk that holds these files."""

    def __init__(self, files: list[str]) -> None:
        self.files = files
        self.took = b""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)

    def _live(self) -> None:
        raw, text = False, b""
        while not self._ended.is_set():
            if not select.select([self._master], [], [], _TICK_S)[0]:
                continue
            came = os.read(self._master, 4096)
            self.took += came
            for byte in came:
                if byte == 1:
                    raw, text = True, b""
                    self._say(b"raw REPL; CTRL-B to exit\r\n>")
                elif byte == 2:
                    raw, text = False, b""
                    self._say(BANNER)
                elif raw and byte == 4:
                    self._say(b"OK" + self._run(text) + b"\x04>")
                    text = b""
                elif raw:
                    if not text:
                        self._say(LATE)
                    text += bytes([byte])
                elif byte >= 32:
                    self._say(bytes([byte]))  # it echoes what can be printed

    def _run(self, text: bytes) -> bytes:
        """What it prints, and what went wrong: a frame may have bytes that make it a program."""
        if not text.endswith(QUESTION):
            return b"\x04Traceback: SyntaxError\r\n"
        return f"{'main.py' in self.files} thecal\r\n".encode() + b"\x04"

    def _say(self, data: bytes) -> None:
        os.write(self._master, data)


@pytest.fixture(params=[[], ["main.py", "active"]])
def prompt(request: pytest.FixtureRequest) -> Iterator[Prompt]:
    board = Prompt(request.param)
    yield board
    board.close()


@pytest.mark.req("INT-12", part="a formatted disk, and a pump whose console is open")
def test_a_board_without_a_pump_is_named(prompt: Prompt):
    done = subprocess.run(
        [THECAL, "status", "--port", prompt.port], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    if prompt.files:
        assert done.stderr == (
            f"on {prompt.port} MicroPython's console answers, not the pump; its button was held while the "
            "power came, or its start was interrupted: reset the board\n"
        )
    else:
        assert done.stderr.startswith(
            f"the board on {prompt.port} has no firmware; its records are gone; MicroPython formats a "
        )
        assert done.stderr.count("\n") == 1
    asked = prompt.took.rpartition(b"\0")[2]  # behind the frames, whose bytes are what they are
    assert b"os.listdir" in asked
    assert b"\x03" not in asked
