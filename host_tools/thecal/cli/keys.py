"""The commands about keys: pair, keys. No key is ever shown, or taken from the command line."""

from enum import StrEnum
from typing import Annotated

import typer

from thecal.cli.common import Json, Port, at_the_button, chosen, note, print_json, refuse_json_before
from thecal.cli.declare import CHANGES, WATCH, command, examples, group
from thecal.errors import ThecalError


class Role(StrEnum):
    """As whom the pump will know this user (thecal_protocol.roles)."""

    OBSERVER = "observer"
    PATIENT = "patient"
    CLINICIAN = "clinician"
    MANUFACTURER = "manufacturer"


@command(WATCH, "thecal pair --port /dev/ttyACM0", "thecal pair --role patient", acts=CHANGES)
def pair(
    port: Port = "",
    role: Annotated[Role, typer.Option("--role", help="What the key will allow.")] = Role.CLINICIAN,
    as_json: Json = False,
) -> None:
    """Agree on a new key with a pump, while somebody presses its button."""
    port = chosen(port)
    button = at_the_button()
    if button is None:
        raise ThecalError(
            "pairing takes a press of the pump's button, and nobody may be asked for it: nothing was changed",
            "leave out --no-input, with somebody at the pump",
        )
    from thecal.commands import keys as keys_command

    paired = keys_command.pair(port, role.value, button)
    entry = paired.entry
    if as_json:
        document = {"schema": 1, "serial": entry.serial, "role": entry.role, "file": str(entry.path)}
        print_json({**document, "old_key": paired.old})
    else:
        print(f"{entry.serial}: paired as {entry.role}; the key is in {entry.path}")


keys = group(
    "keys",
    WATCH,
    "thecal keys",
    "thecal keys --json",
    help="The keys of pumps that this user has. No key is ever shown.",
    invoke_without_command=True,
)


@keys.callback()
def listing(context: typer.Context, as_json: Json = False) -> None:
    """List the pumps and roles that this user has keys for."""
    if context.invoked_subcommand is not None:
        refuse_json_before(context, as_json)
        return
    from thecal.link import keyring

    kept = keyring.kept()
    if as_json:
        entries = [{"serial": key.serial, "role": key.role, "file": str(key.path)} for key in kept]
        print_json({"schema": 1, "folder": str(keyring.folder()), "keys": entries})
        return
    for key in kept:
        print(f"{key.serial}  {key.role}")
    if not kept:
        note(f"There are no keys in {keyring.folder()}. Get one with `thecal pair`.")


@keys.command()
@examples("keys forget", "thecal keys forget UNIX-C4494050", "thecal keys forget UNIX-C4494050 patient")
def forget(
    serial: Annotated[str, typer.Argument(metavar="SERIAL", help="The pump's serial number.")],
    role: Annotated[Role | None, typer.Argument(metavar="[ROLE]", help="Only this role's.")] = None,
    as_json: Json = False,
) -> None:
    """Remove the keys of a pump from this computer; the pump still knows them."""
    from thecal.commands import keys as keys_command

    forgotten = keys_command.forget(serial, role.value if role else None)
    if as_json:
        print_json({"schema": 1, "serial": serial, "forgotten": forgotten})
        return
    for gone in forgotten:
        print(f"{serial}  {gone}: forgotten")
