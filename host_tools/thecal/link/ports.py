"""Which ports have a pump: serial devices by their USB ids. Nothing is opened and nothing is sent.

A Raspberry Pi RP2040 has the vendor id 2e8a; with MicroPython its product id is 0005. What else bears that
vendor id (a debug probe, another program on a Pico) is listed too, and named for what it says it is. An
emulated pump is on a pty, which has no ids: `thecal emulate` prints its path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

VENDOR = 0x2E8A
MICROPYTHON = 0x0005


@dataclass(frozen=True)
class Found:
    """A serial device."""

    device: str
    usb_id: str  # "2e8a:0005"; empty: not on USB
    serial_number: str
    description: str
    likely: bool  # an RP2040 board


def found() -> list[Found]:
    """Every serial device here that could be a pump, the likely ones first."""
    from serial.tools.list_ports import comports

    ports = [_of(port) for port in comports()]
    return sorted(ports, key=lambda port: (not port.likely, port.device))


def _of(port: Any) -> Found:
    usb = port.vid is not None and port.pid is not None
    return Found(
        device=port.device,
        usb_id=f"{port.vid:04x}:{port.pid:04x}" if usb else "",
        serial_number=port.serial_number or "",
        description=_words(port, usb),
        likely=usb and port.vid == VENDOR,
    )


def _words(port: Any, usb: bool) -> str:
    if usb and (port.vid, port.pid) == (VENDOR, MICROPYTHON):
        return "RP2040 with MicroPython"
    if usb and port.vid == VENDOR:
        return f"Raspberry Pi, {port.product or 'another program'}"
    return port.product or port.description or ""


def likely_devices() -> list[str]:
    """For shell completion and error messages: names only."""
    return [port.device for port in found() if port.likely]
