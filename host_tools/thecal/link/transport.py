"""The serial port as a line of frames: opening, sending, receiving, and errors a person can act on.

A port is whatever pyserial takes: a device, a pty or a URL. On POSIX devices reading goes by poll(2) on the
descriptor, because pyserial's own read costs three more system calls per answer; every other URL goes
through pyserial's portable calls.
"""

import contextlib
import errno
import grp
import os
import select
import termios
import time
from collections.abc import Callable, Generator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

import serial

from thecal.errors import LinkError, PortError
from thecal_protocol.framing import FrameReader

BAUD = 115200  # of real serial lines; USB and ptys ignore it
WRITE_TIMEOUT_S = 1.0
_CHUNK = 4096
_SAMPLE = 24
_GLANCE_S = 0.03  # how often a probe is asked whether waiting makes sense
_AGREEING = 2  # probes in a row that must say so

_BY_NETWORK = ("socket", "rfc2217")

_probes: dict[str, Callable[[], bool]] = {}


def provide_probe(port_url: str, silent: Callable[[], bool]) -> None:
    """This process itself runs the pump behind that port and can tell that no answer will come any more: the
    pump is dead, or has done all there was to do. Then nobody waits as long as a real line deserves."""
    _probes[port_url] = silent


def withdraw_probe(port_url: str) -> None:
    """The pump behind that port is gone."""
    _probes.pop(port_url, None)


class Link(Protocol):
    """What the client needs of a line: frames out, frames in."""

    name: str
    reader: FrameReader  # holds the frame that `receive` found
    received: int  # bytes that ever came in
    sample: bytes  # the first bytes that came since `clear_sample`, for error messages

    def send(self, data: bytes) -> None:
        """Send all of `data`. PortError when the port is gone."""
        ...

    def receive(self, timeout_s: float) -> bool:
        """Wait for a good frame, at most `timeout_s`; True: it stands in `reader` until the next call."""
        ...

    def clear_sample(self) -> None:
        """Begin a new `sample`."""
        ...

    def reopen(self) -> None:
        """Close and open again, dropping what was on its way."""
        ...

    def close(self) -> None:
        """Give the port back."""
        ...


class Transport:
    """A `Link` over a serial port, pty or pyserial URL. Open for no one else while it is open."""

    write_timeout_s = WRITE_TIMEOUT_S

    def __init__(self, port_url: str) -> None:
        self.name = port_url
        self.reader = FrameReader()
        self.received = 0
        self.sample = b""
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back; harmless when it is closed or gone already."""
        with contextlib.suppress(serial.SerialException, OSError):
            self._port.close()

    def reopen(self) -> None:
        """Close and open again, dropping what was on its way."""
        self.close()
        self._open()

    def clear_sample(self) -> None:
        """Begin a new `sample`."""
        self.sample = b""

    def send(self, data: bytes) -> None:
        """Send all of `data`. PortError when the port is gone, LinkError when nothing takes the bytes."""
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise LinkError(
                f"nothing takes the bytes sent to {self.name}",
                "is the pump (or the emulator) running on this port?",
                "silent",
            ) from error
        except (serial.SerialException, OSError) as error:
            raise self._vanished() from error

    def receive(self, timeout_s: float) -> bool:
        """Wait for a good frame, at most `timeout_s`; True: it stands in `reader` until the next call."""
        deadline = time.monotonic() + timeout_s
        reader = self.reader
        remaining_s = timeout_s
        silent = _probes.get(self.name)
        agreeing = 0
        while True:
            while self._at < len(self._chunk):
                self._at = reader.feed(self._chunk, self._at, len(self._chunk))
                if reader.ready:
                    return True
            if remaining_s < 0:  # also when bytes keep coming
                return False
            remaining_s = deadline - time.monotonic()
            wait_s = max(remaining_s, 0.0)
            self._chunk = self._read(wait_s if silent is None else min(wait_s, _GLANCE_S))
            self._at = 0
            if silent is not None and wait_s > 0 and not self._chunk:  # a glance asks nobody
                agreeing = agreeing + 1 if silent() else 0
                if agreeing == _AGREEING:
                    return False
            self.received += len(self._chunk)
            if len(self.sample) < _SAMPLE:
                self.sample += self._chunk[: _SAMPLE - len(self.sample)]

    def dialogue(self, data: bytes, until: bytes, timeout_s: float) -> bytes:
        """No frames: send `data`, and what comes until `until` has, or the time is over."""
        deadline = time.monotonic() + timeout_s
        self.send(data)
        came = b""
        while until not in came and (remaining_s := deadline - time.monotonic()) > 0:
            came = (came + self._read(remaining_s))[-2 * _CHUNK :]  # whatever floods the line
        return came

    def _open(self) -> None:
        self._chunk = b""
        self._at = 0
        self.reader.reset()
        with _opening(self.name):
            self._port = serial.serial_for_url(
                self.name, baudrate=BAUD, timeout=0, write_timeout=self.write_timeout_s, exclusive=True
            )
        self._poll: select.poll | None = None
        if type(self._port) is serial.Serial and hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(self._port.fileno(), select.POLLIN)

    def _read(self, timeout_s: float) -> bytes:
        """What has come, waiting at most `timeout_s` for the first byte; b"" when nothing came."""
        try:
            if self._poll is None:
                self._port.timeout = timeout_s
                first = self._port.read(1)
                return first + self._port.read(min(self._port.in_waiting, _CHUNK)) if first else b""
            ready = self._poll.poll(timeout_s * 1000)
            if not ready:
                return b""
            data = os.read(self._port.fileno(), _CHUNK)
        except BlockingIOError:
            return b""
        except (serial.SerialException, OSError) as error:
            raise self._vanished() from error
        if not data and ready[0][1] & ~select.POLLIN:  # the other end has hung up
            raise self._vanished()
        return data

    def _vanished(self) -> PortError:
        return PortError(
            f"the port {self.name} vanished while in use",
            "plug the pump in again, or restart the emulator, then look at `thecal status`",
        )


@contextlib.contextmanager
def _opening(url: str) -> Generator[None]:
    """Turn what opening a port can raise into PortErrors."""
    try:
        yield
    except ValueError as error:
        raise PortError(
            f"{url!r} is no port: {error}",
            "give a device such as /dev/ttyACM0 or a URL such as socket://host:port",
        ) from error
    except (serial.SerialException, OSError) as error:
        raise _open_error(url, error) from error


def _open_error(url: str, error: OSError) -> PortError:
    number = error.errno
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR):
        return PortError(f"there is no port {url}", _what_ports_there_are())
    if number in (errno.EACCES, errno.EPERM):
        group = group_of(url)
        return PortError(
            f"permission denied for {url}",
            f"join the group {group} (sudo usermod -aG {group} $USER) and log in again",
        )
    if number in (errno.EBUSY, errno.EAGAIN):
        return PortError(
            f"the port {url} is in use", "close the other program that has it open, then try again"
        )
    cause = error.__context__
    if "://" in url:
        return _url_error(url, error, cause)
    if isinstance(cause, termios.error) or (Path(url).exists() and not Path(url).is_char_device()):
        return PortError(f"{url} is no serial port", _what_ports_there_are())
    return PortError(f"cannot open {url}: {error}", _what_ports_there_are())


def _url_error(url: str, error: OSError, cause: BaseException | None) -> PortError:
    """`cause`: what pyserial met, which says more than its own exception."""
    scheme, _, rest = url.partition("://")
    try:
        parts = urlsplit(url)
        host, number = parts.hostname, parts.port
    except ValueError:
        host = number = None
    if scheme in _BY_NETWORK and not (host and number):
        hint = f"write it like {scheme}://localhost:3333; ports are numbered 1 to 65535"
        return PortError(f"{rest!r} is no host with the number of a port", hint)
    if isinstance(cause, ConnectionRefusedError):
        return PortError(
            f"nobody listens at {url}: connection refused",
            "start what has the pump there, or correct the port",
        )
    import socket  # only here: every start would pay for it

    if isinstance(cause, socket.gaierror):
        return PortError(f"there is no host {host}", "correct its name, or give its address")
    if isinstance(cause, OSError):
        return PortError(
            f"{url} cannot be reached: {(cause.strerror or str(cause)).lower()}",
            "is it the right host and port?",
        )
    return PortError(f"cannot open {url}: {error}", _what_ports_there_are())


def group_of(path: str) -> str:
    """The group that may use the device; `dialout` where it cannot be told."""
    try:
        info = Path(path).stat()
        name = grp.getgrgid(info.st_gid).gr_name
    except (OSError, KeyError):
        return "dialout"
    return "dialout" if name == "root" else name


def _what_ports_there_are() -> str:
    from serial.tools.list_ports import comports  # slow to import, and only errors need it

    names = sorted(port.device for port in comports())
    if names:
        return f"the ports here are {', '.join(names)}"
    return "plug the pump in, or start an emulated one with `thecal emulate`"
