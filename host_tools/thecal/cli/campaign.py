"""The command that tries the pump out at scale: campaign."""

from pathlib import Path
from typing import Annotated

import typer

from thecal.cli.common import Json, print_json
from thecal.cli.declare import OFFLINE, command
from thecal.cli.option_rules import apart, rules


@command(OFFLINE, "thecal campaign power-cuts --runs 1000 --seed 7")
@rules(
    "campaign",
    apart("--replay", "--runs", "--seed", "--scheduler", "--out", "--resume", why="it makes one run alone."),
)
def campaign(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which one: faults, power-cuts.")],
    runs: Annotated[int, typer.Option(min=1, help="How many runs.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other runs.")] = 1,
    scheduler: Annotated[
        str,
        typer.Option(metavar="tcp://HOST:PORT", help="A dask scheduler. Default: all cores of this machine."),
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the results. Default: build/campaigns/NAME-seedSEED.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the results in that folder.")] = False,
    replay: Annotated[
        int | None, typer.Option(min=0, metavar="SEED", help="Make the one run of this seed, and tell of it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run many seeded simulations of the pump, such as power cuts in the midst of therapy."""
    from thecal.campaigns import command as campaigns

    document = print_json if as_json else None
    if replay is not None:
        code = campaigns.replay(name, replay, document)
    else:
        code = campaigns.run(
            name, runs=runs, seed=seed, scheduler=scheduler, out=out, resume=resume, document=document
        )
    raise typer.Exit(code)
