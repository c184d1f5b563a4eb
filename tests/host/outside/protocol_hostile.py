"""The scheme `hostile://` of pyserial: a port in this process on which a `HostilePump` is (`hostile`)."""

from typing import Any

from serial import SerialException

from host.outside import hostile


class Serial:
    """As much of pyserial's port as `thecal.link.transport` uses. A read that finds nothing never waits."""

    def __init__(self, port: None, **settings: Any) -> None:
        self.port = ""
        self.timeout = 0.0
        self._came = b""

    def open(self) -> None:
        self.device = hostile.PLUGGED[self.port]

    def close(self) -> None:
        pass

    def write(self, data: bytes) -> int:
        self._came += self.device(bytes(data))
        return len(data)

    @property
    def in_waiting(self) -> int:
        return len(self._came)

    def read(self, size: int) -> bytes:
        if self._came == hostile.GONE:
            raise SerialException("gone")
        taken, self._came = self._came[:size], self._came[size:]
        return taken
