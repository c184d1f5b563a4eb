"""The drug library: show, verify, make, make-key, sign, trust, use."""

from pathlib import Path
from typing import Annotated

import typer

from thecal.cli.common import Json, note, print_json
from thecal.cli.declare import OFFLINE, examples, group

library = group(
    "library",
    OFFLINE,
    help="Show, make and sign the drug library: limits, start doses, rules.",
    no_args_is_help=True,
)

File = Annotated[Path, typer.Argument(metavar="LIBRARY.toml", help="The library's file.")]


@library.command()
@examples("library show", "thecal library show morphine", "thecal library show --json")
def show(
    drug: Annotated[str, typer.Argument(metavar="[DRUG]", help="One drug only.")] = "", as_json: Json = False
) -> None:
    """Show the library in use: every figure, its source, and whether it is provisional."""
    from thecal.commands import library as commands
    from thecal.errors import ThecalError
    from thecal.therapy.drug_library import store

    used = store.current()
    drugs = used.file.drugs
    if drug:
        found = used.drug(drug)
        if found is None:
            raise ThecalError(
                f'"{drug}" is not in the drug library', f"it holds {', '.join(x.name for x in drugs)}"
            )
        drugs = [found]
    if as_json:
        print_json(commands.as_json(used, drugs))
        return
    print("\n".join(commands.head(used)))
    for entry in drugs:
        print(f"\n{entry.name}" + (f"  ({entry.note})" if entry.note else ""))
        for figure, text, source in commands.drug_lines(entry):
            print(f"  {figure:<14} {text:<44} {source}")


@library.command()
@examples("library verify", "thecal library verify ours.toml")
def verify(path: File, as_json: Json = False) -> None:
    """Is it signed by a trusted key, unaltered and well formed?"""
    from thecal.commands import library as commands

    checked = commands.verify(path)
    print_json(commands.as_json(checked)) if as_json else print("\n".join(commands.head(checked)))


@library.command()
@examples("library make", 'thecal library make ours.toml --name "St. Mary" --issuer "St. Mary, pharmacy"')
def make(
    path: File,
    name: Annotated[str, typer.Option(help="The library's name.")],
    issuer: Annotated[str, typer.Option(help="Who answers for it.")],
    version: Annotated[int, typer.Option(min=0, help="Default: one above the library in use.")] = 0,
    as_json: Json = False,
) -> None:
    """Write a copy of the library in use, to edit and sign as one's own."""
    from thecal.commands import library as commands

    commands.make(path, name, issuer, version)
    if as_json:
        print_json({"schema": 1, "path": str(path)})
        return
    print(path)
    note("Edit it, then: thecal library sign " + str(path) + " --key KEY")


@library.command("make-key")
@examples("library make-key", "thecal library make-key pharmacy.pem")
def make_key(
    path: Annotated[Path, typer.Argument(metavar="KEY", help="File of the new signing key.")],
    as_json: Json = False,
) -> None:
    """Make a key to sign libraries with; its public half is printed. Keep the file secret and safe."""
    from thecal.therapy.drug_library import signing

    public = signing.new_key(path)
    print_json({"schema": 1, "path": str(path), "public_key": public}) if as_json else print(public)


@library.command()
@examples("library sign", "thecal library sign ours.toml --key pharmacy.pem")
def sign(
    path: File,
    key: Annotated[Path, typer.Option(metavar="KEY", help="File of the signing key.")],
    as_json: Json = False,
) -> None:
    """Sign a library: its signature is put at the end of the file."""
    from thecal.commands import library as commands

    public, file = commands.sign(path, key)
    if as_json:
        print_json({"schema": 1, "path": str(path), "version": file.version, "signer": public})
    else:
        print(f"{path}: {file.name}, version {file.version}, signed by {public}")


@library.command()
@examples(
    "library trust",
    "thecal library trust 0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f --name pharmacy",
)
def trust(
    public: Annotated[str, typer.Argument(metavar="PUBLIC-KEY", help="64 hexadecimal digits.")],
    name: Annotated[str, typer.Option(help="Whose key it is.")],
    as_json: Json = False,
) -> None:
    """Take libraries that this key has signed."""
    from thecal.therapy.drug_library import store

    kept = store.trust(public, name)
    print_json({"schema": 1, "path": str(kept), "name": name}) if as_json else print(kept)


@library.command()
@examples("library use", "thecal library use ours.toml")
def use(path: File, as_json: Json = False) -> None:
    """Make a verified library the one that every command of this user goes by."""
    from thecal.commands import library as commands

    used = commands.use(path)
    print_json(commands.as_json(used)) if as_json else print("\n".join(commands.head(used)))
