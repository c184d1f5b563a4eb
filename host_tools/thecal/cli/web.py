"""The page of an emulated pump: web."""

from pathlib import Path
from typing import Annotated

import typer

from thecal.cli.common import Json, note, print_json
from thecal.cli.declare import OFFLINE, command

_HIGHEST_PORT = 65_535


@command(
    OFFLINE,
    "thecal web --open",
    "thecal web examples/morphine-constant.toml",
    "thecal web --listen 8000 --json",
)
def web(
    therapy: Annotated[
        Path | None,
        typer.Argument(metavar="[THERAPY.toml]", help="What runs on it; else it is chosen there."),
    ] = None,
    events: Annotated[
        Path | None, typer.Option(help="Events file: what happens of itself, and when.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Makes the pump's random numbers repeatable.")
    ] = None,
    listen: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, max=_HIGHEST_PORT, help="Port on this computer alone; 0: any that is free."
        ),
    ] = 0,
    opened: Annotated[bool, typer.Option("--open", help="Open it in this computer's browser, too.")] = False,
    as_json: Json = False,
) -> None:
    """The bench of an emulated pump as a page in a browser: see it work, break it, replay what was done."""
    if events is not None and therapy is None:
        raise typer.BadParameter("it goes with THERAPY.toml: name that, too.", param_hint="--events")
    from thecal._io import extras

    with extras.of(extras.WEB, "the page"):
        from thecal.web import command as web_command

    def tell(address: str) -> None:
        if as_json:
            print_json({"schema": 1, "address": address})
        else:
            print(address, flush=True)
            note("Whoever has this address can act on the page's pump: keep it to yourself. Ctrl-C ends it.")

    web_command.serve(
        tell,
        note,
        web_command.Wanted(listen=listen, therapy=therapy, events=events, seed=seed, browser=opened),
    )
