"""How much of a core the live monitor takes: the installed command on a pty of 80 x 24, one look a second."""

import os
import pty
import select
import struct
import subprocess
import termios
import time
from fcntl import ioctl
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_SETTLED_S = 5.0  # its start does not count


def percent(command: list[str], environment: dict[str, str], for_s: float) -> float:
    """Processor time in percent of a core, once it has drawn the pump's state."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**environment, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        _until(ours, b"infusing", 60.0)
        _until(ours, b"", _SETTLED_S)
        began, before = time.monotonic(), cpu_s(process.pid)
        _until(ours, b"", for_s)
        used, took = cpu_s(process.pid) - before, time.monotonic() - began
        os.write(ours, b"q")
        _until(ours, b"", 2.0)
        process.terminate()
    os.close(ours)
    return 100 * used / took


def _until(terminal: int, word: bytes, for_s: float) -> None:
    """Take what is drawn until `word` has come, or (empty) for so long."""
    seen, end = b"", time.monotonic() + for_s
    while (left_s := end - time.monotonic()) > 0:
        if select.select([terminal], [], [], left_s)[0]:
            try:
                seen += os.read(terminal, 65_536)
            except OSError:  # it has ended
                return
        if word and word in seen:
            return
    if word:
        raise RuntimeError(f"the monitor never showed {word!r}")


def cpu_s(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
