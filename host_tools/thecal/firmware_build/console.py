"""MicroPython's raw console on a board's port, by mpremote."""

import contextlib
import io
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Protocol, cast

from thecal._io import extras
from thecal.errors import FlashError, PortError, ProtocolMismatch, ThecalError
from thecal.link.session import Session
from thecal.link.transport import Transport

if TYPE_CHECKING:
    import serial

_ONLY_TRY_S = 10  # for the console
_TRY_S = 1  # where there are more: shorter than a board waits for Ctrl-C
_BETWEEN_S = 0.1
_RAW_CONSOLE = b"\x01"  # Ctrl-A
_CONSOLE_OF_A_PUMP = "hold its button while the power comes, or say --wait 30 and reset it"


class Console(Protocol):
    """MicroPython's console, as mpremote's transports give it."""

    def exec(self, command: str, /) -> bytes: ...
    def fs_readfile(self, src: str, /) -> bytes | bytearray: ...
    def fs_writefile(self, dest: str, data: bytes, /) -> None: ...
    def fs_exists(self, src: str, /) -> bool: ...
    def fs_mkdir(self, path: str, /) -> None: ...
    def fs_hashfile(self, path: str, algo: str, /) -> bytes: ...


@contextlib.contextmanager
def opened(port: str, wait_s: float, image: str) -> Generator[Any]:
    """The console on the port, tried for so long, once at least. PortError, FlashError.

    `image`: the MicroPython that the board is to have. Who does not wait (`wait_s` 0) is told at once when a
    pump answers in the console's place.
    """
    deadline = time.monotonic() + wait_s
    patience_s = _TRY_S
    while True:
        try:
            console = _open_console(port, patience_s, image)
            break
        except (PortError, FlashError) as error:
            if patience_s == _ONLY_TRY_S or (isinstance(error, PortError) and not wait_s):
                raise
            if not wait_s and _is_a_pump(port):
                raise FlashError(f"a pump runs on {port} and gives no console", _CONSOLE_OF_A_PUMP) from error
            if time.monotonic() >= deadline:
                patience_s = _ONLY_TRY_S
            time.sleep(_BETWEEN_S)
    try:
        yield console
    finally:
        with contextlib.suppress(Exception):
            console.close()


def _is_a_pump(port: str) -> bool:
    try:
        with Transport(port) as line:
            Session(line).greet()
    except ProtocolMismatch:
        return True
    except ThecalError:
        return False
    return True


def _open_console(port: str, patience_s: int, image: str) -> Any:
    with extras.of(extras.FLASH, "the line to a board"):
        from mpremote.transport import TransportError  # pyright: ignore[reportMissingTypeStubs]
        from mpremote.transport_serial import SerialTransport  # pyright: ignore[reportMissingTypeStubs]

    Transport(port).close()  # the plain errors of a port: not there, no permission, in use
    try:
        console = SerialTransport(
            port, timeout=1
        )  # without one it waits for ever for a board that says nothing
    except TransportError as error:
        raise PortError(f"cannot open {port}: {error}", "close the other program that has it open") from error
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # mpremote prints what came instead
            console.enter_raw_repl(soft_reset=False, timeout_overall=patience_s)
            _begin_anew(cast("serial.Serial", console.serial))  # pyright: ignore[reportUnknownMemberType]
    except (TransportError, OSError) as error:
        with contextlib.suppress(Exception):
            console.close()
        raise FlashError(
            f"no MicroPython answers on {port}",
            f"a running pump: {_CONSOLE_OF_A_PUMP}. A new board: put MicroPython for {image} on it first, "
            "or use `thecal flash --image`",
        ) from error
    return console


def interrupt(console: Any) -> None:
    """Back to its prompt, whatever it was at. mpremote.TransportError, OSError: it does not come."""
    with contextlib.redirect_stdout(io.StringIO()):
        console.enter_raw_repl(soft_reset=False, timeout_overall=_ONLY_TRY_S)


def _begin_anew(line: "serial.Serial") -> None:
    """Earlier tries have asked for prompts too: those are let go, and one more asked for."""
    waiting = True
    while waiting:
        time.sleep(_BETWEEN_S)
        waiting = line.in_waiting > 0
        line.read(line.in_waiting)
    line.write(_RAW_CONSOLE)
