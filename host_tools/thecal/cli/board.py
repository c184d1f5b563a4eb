"""The command that brings the firmware onto a board."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from thecal.cli.common import Port, WrongUsage


class Line(StrEnum):
    """Where the board speaks."""

    USB = "usb"
    UART0 = "uart0"


def flash(
    port: Port = "",
    image: Annotated[
        Path | None, typer.Option("--image", help="Write this UF2 file instead, to drop on a board.")
    ] = None,
    micropython: Annotated[
        Path | None, typer.Option("--micropython", help="With --image: a MicroPython UF2 to put in too.")
    ] = None,
    line: Annotated[Line, typer.Option("--line", help="Where the pump will speak.")] = Line.USB,
    production: Annotated[
        bool, typer.Option("--production", help="No console: maintenance only with the button held at boot.")
    ] = False,
    serial_number: Annotated[str, typer.Option("--serial-number", help="Else the chip's own.")] = "",
) -> None:
    """Bring the firmware onto an RP2040 board, over its line or as a UF2 file."""
    from thecal import chip_flash

    settings = chip_flash.settings_text(serial=line, production=production, serial_number=serial_number)
    if image is not None:
        chip_flash.write_image(image, settings, micropython, print)
        return
    if micropython is not None:
        raise WrongUsage("--micropython goes with --image: over the line the board keeps its MicroPython.")
    if not port:
        raise WrongUsage("which board? Give its --port, such as /dev/ttyACM0, or --image FILE.")
    chip_flash.flash(port, settings, print)
