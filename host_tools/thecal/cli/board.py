"""The command that brings the firmware onto a board."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thecal.cli.common import Json, Port, WrongUsage, check_serial_number, print_json, words_for_people
from thecal.cli.declare import OFFLINE, command
from thecal.cli.option_rules import apart, needs, rules
from thecal_protocol.version import VERSION

if TYPE_CHECKING:
    from thecal.firmware_build.bundle import Bundle
    from thecal.firmware_build.facts import Chip
    from thecal.firmware_build.install import Tell


MotorSupply = Annotated[
    bool, typer.Option("--motor-supply", help="The sensor of the motor's supply is fitted.")
]


Wait = Annotated[
    float, typer.Option("--wait", metavar="S", min=0, max=600, help="Time to reset the board in.")
]
Board = Annotated[str, typer.Option("--board", help="A folder of boards/ with a chip's build.toml.")]


class Line(StrEnum):
    """Where the board speaks."""

    USB = "usb"
    UART0 = "uart0"


@command(OFFLINE, "thecal flash --port /dev/ttyACM0", "thecal flash --image thecal.uf2")
@rules(
    "flash",
    apart(
        "--make-bundle",
        "--image",
        "--port",
        "--bundle",
        "--line",
        "--production",
        "--serial-number",
        "--motor-supply",
        why="a bundle holds firmware alone, and no board is written.",
    ),
    apart("--image", "--port", why="the one writes a file, the other a board; choose one."),
    needs("--micropython", "--image", why="over the line the board keeps its MicroPython."),
    apart("--bundle", "--image", why="--bundle goes with --port: an image holds thecal's own firmware."),
    needs("--signer", "--bundle"),
    needs("--key", "--make-bundle"),
    needs("--wait", "--port", why="there is no board to wait for."),
)
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
    from_bundle: Annotated[
        Path | None, typer.Option("--bundle", help="A signed bundle instead of thecal's own firmware.")
    ] = None,
    signer: Annotated[
        str, typer.Option("--signer", help="With --bundle, once for a board: the key that you vouch for.")
    ] = "",
    make_bundle: Annotated[
        Path | None, typer.Option("--make-bundle", help="Only write thecal's own firmware as a bundle.")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", help="With --make-bundle: the signing key.")] = None,
    serial_number: Annotated[str, typer.Option("--serial-number", help="Else the chip's own.")] = "",
    motor_supply: MotorSupply = False,
    wait_s: Wait = 0,
    board: Board = "",
    as_json: Json = False,
) -> None:
    """Bring the firmware onto a board, over its line or as a UF2 file."""
    tell = words_for_people(as_json)
    onto = board_of(board)
    if make_bundle is not None:
        done = _make_bundle(make_bundle, key, tell, onto)
    else:
        text = _settings(line, production, serial_number, motor_supply)
        if image is not None:
            done = _image(image, text, micropython, tell, onto)
        else:
            done = _by_line(port, text, _bundle(from_bundle), signer, wait_s, tell, onto)
    if as_json:
        print_json({"schema": 1, **done})


def named_board(port: str, else_: str = "") -> None:
    """WrongUsage: nobody named the board's port."""
    if not port:
        from thecal.cli.which_pump import here, hint

        boards = hint([one for one in here() if one.usb_id])
        raise WrongUsage(f"which board? Give its --port, such as /dev/ttyACM0{else_}.{boards}")


def board_of(name: str) -> "Chip":
    """The facts of the board that is meant. BoardError."""
    from thecal.firmware_build import facts

    return facts.chip(name or facts.CHIP)


def _settings(line: Line, production: bool, serial_number: str, motor_supply: bool) -> bytes:
    from thecal.firmware_build import install as chip_flash

    check_serial_number(serial_number)
    return chip_flash.settings_text(
        serial=line, production=production, serial_number=serial_number, motor_supply=motor_supply
    )


def _image(
    target: Path,
    settings: bytes,
    micropython: Path | None,
    tell: "Tell",
    board: "Chip",
) -> dict[str, object]:
    from thecal.firmware_build import install as chip_flash

    return chip_flash.write_image(target, settings, micropython, tell, board=board)


def _by_line(
    port: str,
    settings: bytes,
    signed: "Bundle | None",
    signer: str,
    wait_s: float,
    tell: "Tell",
    board: "Chip",
) -> dict[str, object]:
    from thecal.firmware_build import install as chip_flash

    named_board(port, ", or --image FILE")
    return chip_flash.flash(
        port, settings, tell, signed=signed, signer=signer.lower(), wait_s=wait_s, board=board
    )


def _bundle(path: Path | None) -> "Bundle | None":
    from thecal.firmware_build import bundle

    return None if path is None else bundle.read(path)


def _make_bundle(target: Path, key: Path | None, tell: "Tell", board: "Chip") -> dict[str, object]:
    from thecal.firmware_build import bundle, chip
    from thecal.therapy.drug_library.signing import read_key

    if key is None:
        raise WrongUsage("--make-bundle needs --key KEY; make one: thecal library make-key FILE")
    made = bundle.make(target, chip.build(board=board), VERSION, read_key(key))
    tell(f"{target}: version {made.firmware}, {len(made.files)} files, signed by {made.signer}")
    return {
        "bundle": str(target),
        "build": chip.build_name(made.files),
        "firmware": made.firmware,
        "signer": made.signer,
        "files": len(made.files),
    }
