"""The command that finds pumps: ports."""

from dataclasses import asdict

from thecal.cli.common import Json, print_json
from thecal.cli.declare import WATCH, command


@command(WATCH, "thecal ports", "thecal ports --json")
def ports(as_json: Json = False) -> None:
    """List the serial ports, known boards and emulated pumps first. Nothing is opened."""
    from thecal.cli.which_pump import emulated
    from thecal.firmware_build.ports import found

    listed = sorted(found() + emulated(), key=lambda port: not port.likely)
    if as_json:
        print_json({"schema": 1, "ports": [asdict(port) for port in listed]})
        return
    if not listed:
        print("No serial port is here. Plug the pump in, or start an emulated one with `thecal emulate`.")
    for port in listed:
        mark = "*" if port.likely else " "
        serial = port.serial_number or "-"
        print(f"{mark} {port.device:<16} {port.usb_id or '-':<10} {serial:<18} {port.description}")
    if any(port.likely for port in listed):
        print("* may be a pump: thecal status --port DEVICE, or set THECAL_PORT.")
