"""Ask the bench of a pump that runs in another process (docs/reference/bench.md)."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path
from typing import Any

from thecal._io import private
from thecal.emulator.bench_server import at
from thecal.errors import SimulationError

_GONE = "the emulated pump has ended: its own terminal says why"


def ask(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    """What the bench at this socket answers; waits for as long as that takes.

    Raises:
        SimulationError: it is refused, the socket is not this user's own, or the pump has ended.
    """
    _check_own(path)
    with socket.socket(socket.AF_UNIX) as line:
        try:
            with at(path) as address:
                line.connect(address)
            line.sendall(json.dumps(request).encode() + b"\n")
            with line.makefile("rb") as answers:
                said = answers.readline()
        except OSError as error:
            raise SimulationError(
                f"nobody serves the bench socket {path}: {error.strerror}",
                "the pump has ended: start it again",
            ) from None
    if not said:
        raise SimulationError("the bench did not answer", _GONE)
    answer: dict[str, Any] = json.loads(said)
    if answer.pop("ok") is not True:
        raise SimulationError(str(answer["error"]), str(answer["hint"]))
    return answer


def _check_own(path: Path) -> None:
    try:
        private.check_own(path.parent)
        private.check_own(path)
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except PermissionError:
        raise SimulationError(
            f"the bench socket {path} is not yours alone", "only who started a pump reaches its bench"
        ) from None
    except OSError:
        is_socket = False
    if not is_socket:
        raise SimulationError(f"there is no bench socket {path}", _GONE)
