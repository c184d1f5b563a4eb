"""The command that leads through a new board."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from thecal._io.wrapped import say
from thecal.cli.board import Board, Wait, board_of, named_board
from thecal.cli.common import Json, Port, Yes, need_yes_for_json, print_json, words_for_people
from thecal.cli.declare import OFFLINE, command
from thecal.cli.guided import NoInput, prompter_of


class Part(StrEnum):
    """What a board may do without (`workflows.bringup_desk.Optional`)."""

    ENCODER = "encoder"
    MOTOR_SUPPLY = "motor-supply"
    BUZZER_SENSE = "buzzer-sense"
    TEMPERATURE = "temperature"
    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"


@command(
    OFFLINE,
    "thecal bringup --port /dev/ttyACM0",
    "thecal bringup --port /dev/ttyACM0 --without encoder --without motor-supply --json --yes",
)
def bringup(
    port: Port = "",
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE.json", help="The record, for `thecal report --bringup`.")
    ] = Path("bringup.json"),
    without: Annotated[
        list[Part] | None, typer.Option("--without", help="A part that is not fitted; may be said again.")
    ] = None,
    steps_per_turn: Annotated[
        int, typer.Option("--steps-per-turn", min=4, max=51200, help="Of the motor, by its driver.")
    ] = 200,
    wait_s: Wait = 0,
    board: Board = "",
    yes: Yes = False,
    no_input: NoInput = False,
    as_json: Json = False,
) -> None:
    """Lead a person through a new board without a program: what is wired wrong? Water only."""
    need_yes_for_json(as_json, yes)
    named_board(port)
    from thecal.report import bringup as records
    from thecal.workflows import bringup as guided

    known, prompter = board_of(board), prompter_of(no_input, as_json)
    prompter.confirm(guided.AGREED, "--yes", yes)
    absent = frozenset(part.value for part in without or ())
    tell = words_for_people(as_json) if as_json else say
    found = guided.bring_up(port, known, prompter, absent, steps_per_turn, tell=tell, wait_s=wait_s)
    records.save(found, out)
    if as_json:
        print_json(records.as_document(found) | {"record": str(out)})
    else:
        say(f"{out}: {found.headline()}")
    raise typer.Exit(1 if found.wrong else 0)
