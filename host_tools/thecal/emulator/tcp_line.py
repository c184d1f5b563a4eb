"""The serial line of an emulated pump over TCP, as `socket://HOST:PORT` of pyserial: bytes both ways, nothing
else. One host at a time, as on a cable; a second one is closed at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import termios
import threading
from collections.abc import Generator
from typing import Any

from thecal.errors import SimulationError

_CHUNK = 4096


class TcpLine:
    """Has its port from when it is made, serves it between `start` and `close`."""

    def __init__(self, host: str, port: int) -> None:
        """SimulationError: the address is not to be had."""
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            family = socket.AF_INET6 if ":" in str(address[0]) else socket.AF_INET
            self._listener = socket.create_server(address[:2], family=family)  # type: ignore[arg-type]
        except OSError as error:
            why = os.strerror(error.errno or 0) if (error.errno or 0) > 0 else error.strerror
            raise SimulationError(
                f"{shown} cannot be served: {why}", "name another, or port 0 for any that is free"
            ) from None
        bound, number = self._listener.getsockname()[:2]
        self.address = f"[{bound}]:{number}" if ":" in bound else f"{bound}:{number}"
        self._end, self._ended = socket.socketpair()
        self._thread: threading.Thread | None = None

    def start(self, device: str) -> None:
        """Serve this pty from now on."""
        self._thread = threading.Thread(target=self._serve, args=(device,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Whoever is connected is cut off."""
        self._end.close()
        if self._thread is not None:
            self._thread.join()
        self._listener.close()
        self._ended.close()

    def _serve(self, device: str) -> None:
        while self._ended not in select.select([self._listener, self._ended], [], [])[0]:
            with contextlib.suppress(OSError):
                host, _ = self._listener.accept()
                with host, _line(device) as line:
                    host.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    host.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                    host.setblocking(False)
                    self._carry(host, line)

    def _carry(self, host: socket.socket, line: int) -> None:
        """Until one of them hangs up. Nothing is read that cannot be passed on."""
        to_pump = to_host = b""
        while True:
            reading: list[Any] = [self._listener, self._ended, *([] if to_pump else [host])]
            reading += [] if to_host else [line]
            writing: list[Any] = [*([line] if to_pump else []), *([host] if to_host else [])]
            can_read, can_write, _ = select.select(reading, writing, [])
            if self._ended in can_read:
                return
            if self._listener in can_read:
                self._listener.accept()[0].close()
            if line in can_write:
                to_pump = to_pump[os.write(line, to_pump) :]
            if host in can_write:
                to_host = to_host[host.send(to_host) :]
            if host in can_read:
                to_pump = host.recv(_CHUNK)
                if not to_pump:
                    return
            if line in can_read:
                to_host = os.read(line, _CHUNK)


@contextlib.contextmanager
def _line(device: str) -> Generator[int]:
    """The pty, for nobody else meanwhile; OSError: another program has it."""
    descriptor = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as pyserial's `exclusive`
        termios.tcflush(descriptor, termios.TCIFLUSH)
        yield descriptor
    finally:
        os.close(descriptor)
