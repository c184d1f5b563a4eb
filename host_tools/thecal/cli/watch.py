"""The commands that only look: status, monitor, log, limits."""

from typing import Annotated

import typer

from thecal.cli.common import Json, Port, chosen, open_pump, print_json, quantity
from thecal.cli.declare import WATCH, command
from thecal.cli.option_rules import apart, rules
from thecal.cli.store import NoStore, remember, tags_seen


@command(WATCH, "thecal status --port /dev/ttyACM0", "thecal status --json")
def status(port: Port = "", as_json: Json = False) -> None:
    """Show the pump now: state, therapy, rate, what was delivered, reservoir, next change."""
    from thecal.monitor import status as status_command

    status_command.run(chosen(port), as_json)


@command(WATCH, "thecal monitor --port /tmp/pump", "thecal monitor --plain --interval 10s >> pump.txt")
@rules("monitor", apart("--once", "--interval"), apart("--json", "--plain", "--ascii"))
def monitor(
    port: Port = "",
    interval: Annotated[str, typer.Option(metavar="DURATION", help="How often to look.")] = "1 s",
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="A line per look, on a terminal and with --once too.")
    ] = False,
    ascii_only: Annotated[
        bool, typer.Option("--ascii", help="Only ASCII; by itself where the locale is not UTF-8.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Watch the pump live: rate, windows against limits, alarms, events; keys to silence and for a bolus."""
    from thecal.units.quantities import DURATION

    if as_json and not once:
        raise typer.BadParameter(
            "one JSON document needs --once (or use thecal status --json).", param_hint="--json"
        )
    every_us = 1_000_000 if interval == "1 s" else quantity("--interval", interval, DURATION)
    from thecal.monitor.command import Monitor

    with open_pump(port) as pump:
        watching = Monitor(pump)
        if as_json:
            print_json(watching.look().as_json())
        elif once:
            watching.show_once(line=plain, ascii_only=ascii_only)
        else:
            watching.run(every_us / 1_000_000, lines=plain, ascii_only=ascii_only)


@command(WATCH, "thecal log --count 20", "thecal log --jsonl --from 1 > log.jsonl", "thecal log --verify")
@rules(
    "log",
    apart(
        "--verify",
        "--from",
        "--range",
        "--count",
        "--faults",
        "--doses",
        "--follow",
        "--jsonl",
        "--csv",
        why="the whole log is verified; choose one.",
    ),
    apart("--json", "--follow", "--jsonl", "--csv", why="it is one document; for a stream use --jsonl."),
    apart("--jsonl", "--csv"),
    apart("--faults", "--doses", why="they are parts of the log; choose one."),
    apart("--range", "--from", "--follow", why="it has its own beginning and end; choose one."),
)
def log(
    port: Port = "",
    first: Annotated[
        int, typer.Option("--from", metavar="N", min=0, help="First record wanted; 0: the oldest kept.")
    ] = 0,
    wanted: Annotated[str, typer.Option("--range", metavar="A..B", help="Records A to B only.")] = "",
    count: Annotated[
        int | None,
        typer.Option("--count", metavar="N", min=1, help="N records: the newest, or from --from on."),
    ] = None,
    faults: Annotated[bool, typer.Option("--faults", help="Faults and alarms only.")] = False,
    doses: Annotated[bool, typer.Option("--doses", help="Doses, programs, refills, stops only.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with new records until Ctrl-C.")] = False,
    lines: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values, with a head line.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Is all as the pump wrote it?")] = False,
    no_store: NoStore = False,
    as_json: Json = False,
) -> None:
    """Print the pump's log: every record, with its number, time on the pump's clock and actor."""
    from thecal.commands import log as log_command

    selection = log_command.Selection.parse(first, wanted, count or 0, faults=faults, doses=doses)
    with open_pump(port) as pump:
        client = pump.client
        if verify:
            seen = tags_seen(pump.serial, no_store)
            log_command.verify(client, pump.serial, seen=seen, as_json=as_json)
        elif as_json:
            print_json(log_command.document(client, pump.serial, selection))
        else:
            form = "jsonl" if lines else "csv" if csv else "text"
            log_command.run(client, selection, follow=follow, form=form)
        remember(pump, "log", no_store)


@command(WATCH, "thecal limits --json")
def limits(port: Port = "", as_json: Json = False) -> None:
    """Show what the pump accepts at all: lowest and highest value of every amount."""
    with open_pump(port) as pump:
        table = pump.limits()
    if as_json:
        print_json({"schema": 1, "limits": {x.name: {"low": x.low, "high": x.high} for x in table}})
        return
    from thecal.units.bound_text import amount_text, label_of

    rows = [(label_of(x.name), amount_text(x.name, x.low), amount_text(x.name, x.high)) for x in table]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for label, low, high in rows:
        print(f"{label:<{widths[0]}}  {low:>{widths[1]}}  {high:>{widths[2]}}")
