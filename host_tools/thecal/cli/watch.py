"""The commands that only look: status, monitor, log, limits."""

from typing import Annotated

import typer

from thecal.cli.common import Json, Port, connect, need_port, print_json, quantity


def status(port: Port = "", as_json: Json = False) -> None:
    """Show the pump now: state, therapy, rate, what was delivered, reservoir, next change."""
    from thecal import status_command

    need_port(port)
    status_command.run(port, as_json)


def monitor(
    port: Port = "",
    interval: Annotated[str, typer.Option(metavar="DURATION", help="How often to look.")] = "1 s",
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    as_json: Json = False,
) -> None:
    """Watch the pump live: rate, delivered, reservoir, next change, bolus. Ctrl-C ends it."""
    from thecal.quantities import DURATION

    if as_json and not once:
        raise typer.BadParameter(
            "one JSON document needs --once (or use thecal status --json).", param_hint="--json"
        )
    every_us = 1_000_000 if interval == "1 s" else quantity("--interval", interval, DURATION)
    client, hello = connect(port)
    from thecal.monitor import Monitor

    with client:
        watching = Monitor(port, client, hello)
        if as_json:
            print_json(watching.look().as_json())
        elif once:
            watching.show_once()
        else:
            watching.run(every_us / 1_000_000)


def log(
    port: Port = "",
    first: Annotated[
        int, typer.Option("--from", metavar="N", min=0, help="First record wanted; 0: the oldest kept.")
    ] = 0,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with new records until Ctrl-C.")] = False,
    lines: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line.")] = False,
    as_json: Json = False,
) -> None:
    """Print the pump's log: every record, with its number, time since boot and actor."""
    if as_json and (follow or lines):
        raise typer.BadParameter("is one document; for a stream of records use --jsonl.", param_hint="--json")
    client, _ = connect(port)
    from thecal import log_command

    with client:
        if as_json:
            print_json(log_command.document(client, first))
        else:
            log_command.run(client, first, follow=follow, as_lines=lines)


def limits(port: Port = "", as_json: Json = False) -> None:
    """Show what the pump accepts at all: lowest and highest value of every amount."""
    client, _ = connect(port)
    with client:
        table = client.limits()
    if as_json:
        print_json({"schema": 1, "limits": {x.name: {"low": x.low, "high": x.high} for x in table}})
        return
    width = max(len(limit.name) for limit in table)
    for limit in table:
        print(f"{limit.name:<{width}}  {limit.low:>18}  {limit.high:>18}")
