"""Which pumps are here: boards by their USB ids, and the emulated pumps of this user."""

from thecal.emulator import running
from thecal.errors import ThecalError
from thecal.firmware_build.ports import Found, found


def here() -> list[Found]:
    """Every board and every emulated pump that `thecal emulate` runs for this user. Nothing is opened."""
    try:
        boards = [port for port in found() if port.likely]
    except ThecalError:  # no facts of boards can be read
        boards = []
    return boards + emulated()


def emulated() -> list[Found]:
    """The emulated pumps alone."""
    return [
        Found(pump.name, "", pump.serial_number, "emulated pump", likely=True) for pump in running.found()
    ]


def hint(likely: list[Found]) -> str:
    """What is here, as a sentence."""
    boards = [one.device for one in likely if one.usb_id]
    pumps = [one.device for one in likely if not one.usb_id]
    text = f" Boards here: {', '.join(boards)}." if boards else ""
    return text + (f" Emulated pumps here: {', '.join(pumps)}." if pumps else "")


def words(one: Found) -> str:
    """Who is at this port, before anybody asked it."""
    if not one.usb_id:
        return f"the emulated pump {one.serial_number}"
    return f"the board {one.serial_number}".strip()


def serial_number(port: str) -> str:
    """The pump's own, as it says itself; what a board's USB says may be the chip's."""
    from thecal.link.session import Session
    from thecal.link.transport import Transport

    with Transport(port) as opened:
        return Session(opened).greet().serial
