"""The bench of a running pump for this user's other programs, over a local socket (docs/reference/bench.md).

The socket (mode 0600) stands in a folder of its own (0700), and whoever connects is asked who it is: nobody
else's. One line is carried out at a time, whoever sent it; who is silent keeps nobody from it.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import struct
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Protocol

from thecal._io import private
from thecal.emulator import bench_requests
from thecal.emulator.bench import PumpBench
from thecal.emulator.running import BENCH_FOLDER, BENCH_SOCKET
from thecal.errors import SimulationError

_CLIENTS = 8
_SEND_S = 5.0
_CREDENTIALS = struct.Struct("3i")  # of Linux: pid, uid, gid


class Presses(Protocol):
    """Who presses the pump's button at its own terminal."""

    def fileno(self) -> int:
        """Readable: it is to be pressed."""
        ...

    def take(self) -> int:
        """How often."""
        ...


class _Gone(Exception):
    """Whoever asked has gone: what has not been done yet is not done."""


class BenchServer:
    """Listens from when it is made; answers in `serve`. SimulationError: the place is not to be had."""

    def __init__(self, link: Path | None) -> None:
        with contextlib.ExitStack() as undo:
            folder = _beside(link) if link else Path(tempfile.mkdtemp(prefix="thecal-bench-"))
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
            self.path = folder / BENCH_SOCKET
            self._listener = undo.enter_context(socket.socket(socket.AF_UNIX))
            with at(self.path) as address:
                self._listener.bind(address)
            self.path.chmod(private.FILE)
            self._listener.listen(_CLIENTS)
            self._clients: dict[socket.socket, bytes] = {}
            self._closing = undo.pop_all()

    def close(self) -> None:
        """The socket and its folder go."""
        for client in self._clients:
            client.close()
        self._closing.close()

    def serve(self, bench: PumpBench, presses: Presses) -> None:
        """Until the pump has something to say by itself: it ended, or was reset."""
        while True:
            waiting = [self._listener, presses, bench.fileno, *self._clients]
            ready, _, _ = select.select(waiting, [], [])
            if presses in ready:
                _press(bench, presses)
            if bench.fileno in ready:
                return
            if self._listener in ready:
                self._welcome()
            for client in list(self._clients):
                if client in ready:
                    self._hear(client, bench, presses)

    def _welcome(self) -> None:
        client, _ = self._listener.accept()
        client.settimeout(_SEND_S)
        if not _is_own(client):
            client.close()
            return
        if len(self._clients) == _CLIENTS:
            self._drop(next(iter(self._clients)))  # who has been here the longest
        self._clients[client] = b""

    def _hear(self, client: socket.socket, bench: PumpBench, presses: Presses) -> None:
        def passing(now_us: int) -> None:
            if select.select([presses], [], [], 0)[0]:
                _press(bench, presses)
            if _hung_up(client):
                raise _Gone

        try:
            data = client.recv(bench_requests.LONGEST_LINE)
            *lines, rest = (self._clients[client] + data).split(b"\n")
            if not data or len(rest) > bench_requests.LONGEST_LINE:
                raise _Gone
            self._clients[client] = rest
            for line in lines:
                client.sendall(bench_requests.answer(bench, line, passing))
        except (_Gone, OSError):
            self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        del self._clients[client]
        client.close()


@contextlib.contextmanager
def at(path: Path) -> Generator[str]:
    """A socket's path, however long, as short as the kernel takes one."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _beside(link: Path) -> Path:
    """The folder of the link, empty: one that a killed pump left is used again."""
    folder = link.absolute().with_name(f"{link.name}{BENCH_FOLDER}")
    try:
        if folder.exists() or folder.is_symlink():
            private.check_own(folder)
            (folder / BENCH_SOCKET).unlink(missing_ok=True)
            folder.rmdir()
        folder.mkdir(private.FOLDER)
    except OSError as error:
        raise SimulationError(
            f"the folder {folder} of the bench cannot be made: {error.strerror}",
            "name another path for the port",
        ) from None
    return folder


def _is_own(client: socket.socket) -> bool:
    data = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return bool(_CREDENTIALS.unpack(data)[1] == os.geteuid())


def _hung_up(client: socket.socket) -> bool:
    if not select.select([client], [], [], 0)[0]:
        return False
    try:
        return not client.recv(1, socket.MSG_PEEK)
    except OSError:
        return True


def _press(bench: PumpBench, presses: Presses) -> None:
    for _ in range(presses.take()):
        bench.inject("press_button")
