"""Which ports have a pump: serial devices by their USB ids. Nothing is opened and nothing is sent.

The ids are those of the boards' build.toml. What else bears the vendor id of one (a debug probe, another
program on the same chip) is listed too, and named for what it says it is. An emulated pump is on a pty, which
has no ids: `thecal emulate` prints its path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from thecal.firmware_build.facts import Chip, chips


@dataclass(frozen=True)
class Found:
    """A serial device."""

    device: str
    usb_id: str  # "2e8a:0005"; empty: not on USB
    serial_number: str
    description: str
    likely: bool  # one of our boards


def found() -> list[Found]:
    """Every serial device here that could be a pump, the likely ones first."""
    from serial.tools.list_ports import comports

    boards = chips()
    ports = [_of(port, boards) for port in comports()]
    return sorted(ports, key=lambda port: (not port.likely, port.device))


def _of(port: Any, boards: list[Chip]) -> Found:
    usb = port.vid is not None and port.pid is not None
    alike = [board for board in boards if usb and port.vid == board.facts.usb.vendor]
    return Found(
        device=port.device,
        usb_id=f"{port.vid:04x}:{port.pid:04x}" if usb else "",
        serial_number=port.serial_number or "",
        description=_words(port, alike),
        likely=bool(alike),
    )


def _words(port: Any, alike: list[Chip]) -> str:
    machines = [x.facts.micropython.machine for x in alike if port.pid == x.facts.usb.micropython]
    if machines:
        return f"{' or '.join(machines)} with MicroPython"
    if alike:
        return f"{alike[0].facts.usb.maker}, {port.product or 'another program'}"
    return port.product or port.description or ""
