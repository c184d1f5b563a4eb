"""The session report."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thecal._io.wrapped import say
from thecal.cli.common import Json, Port, local_time, open_pump, print_json, quantity
from thecal.cli.declare import WATCH, command
from thecal.cli.option_rules import apart, needs, rules
from thecal.cli.store import reasons_of

if TYPE_CHECKING:
    from thecal.report.bringup import BringUp as BringUpRecord
    from thecal.report.flow_file import MeasuredFlow
    from thecal.report.period import Window
    from thecal.report.record import Record


Flow = Annotated[
    Path | None,
    typer.Option("--flow", metavar="FILE.csv", help='A flow that was weighed ("minutes,uL"): its curve.'),
]
BringUp = Annotated[
    Path | None,
    typer.Option("--bringup", metavar="FILE.json", help="Show what `thecal bringup` found of its board."),
]
Lasting = Annotated[str, typer.Option("--for", metavar="DURATION", help="Of the simulation.")]
Save = Annotated[
    Path | None,
    typer.Option("--save", metavar="FILE.json", help="Keep the record, to make the report again."),
]
Out = Annotated[
    Path, typer.Option("--out", metavar="FILE.html|FILE.pdf", help="The report; its ending says its form.")
]
Last = Annotated[
    str, typer.Option("--last", metavar="DURATION", help='Only the newest so much of it: "30 d".')
]
From = Annotated[
    str, typer.Option("--from", metavar="ISO-TIME", help="Only from then on, by the pump's local time.")
]
To = Annotated[str, typer.Option("--to", metavar="ISO-TIME", help="Only until then.")]
Pdf = Annotated[Path | None, typer.Option(metavar="FILE.pdf", help="The same as PDF.")]
Log = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="From a record (--save) or a log (thecal log --jsonl)."),
]
Simulate = Annotated[
    Path | None, typer.Option(metavar="THERAPY.toml", help="From a simulation of this therapy.")
]
Rate = Annotated[str, typer.Option("--rate", metavar="RATE", help='That was set for it: "0.5 mL/day".')]
_OF_A_SIMULATION = ("--for", "--events", "--start", "--seed")


@command(
    WATCH,
    "thecal report --port /dev/ttyACM0 --out today.html --pdf today.pdf",
    "thecal report --log log.jsonl --serial UNIX-C4494050",
    "thecal report --simulate examples/morphine-constant.toml --for 3d",
    'thecal report --log kept.json --last "30 d" --out month.pdf',
    'thecal report --flow weighed.csv --rate "0.5 mL/day"',
)
@rules(
    "report",
    apart("--log", "--simulate", "--port"),
    apart("--simulate", "--port"),
    apart("--bringup", "--simulate", why="no board was simulated."),
    needs("--rate", "--flow"),
    apart("--last", "--from", "--to", why="both say which time is meant; choose one."),
    needs("--serial", "--log", why="a pump, and a simulation, say theirs themselves."),
    *(needs(name, "--simulate", why="it is of a simulation.") for name in _OF_A_SIMULATION),
)
def report(
    out: Out = Path("report.html"),
    pdf: Pdf = None,
    save: Save = None,
    port: Port = "",
    log: Log = None,
    serial: Annotated[str, typer.Option(help="Whose log it is, when the file does not say.")] = "",
    simulate: Simulate = None,
    duration: Lasting = "3d",
    events: Annotated[Path | None, typer.Option(help="Events file of the simulation.")] = None,
    start: Annotated[str, typer.Option(metavar="ISO-TIME", help="Its start.")] = "2026-01-05T00:00",
    seed: Annotated[int | None, typer.Option(min=0, help="Its seed.")] = None,
    last: Last = "",
    since: From = "",
    until: To = "",
    flow: Flow = None,
    rate: Rate = "",
    bringup: BringUp = None,
    as_json: Json = False,
) -> None:
    """Write a report of a pump, a log or a simulation: program, delivery, boluses, alarms, flow, log."""
    from thecal.report import command

    wanted = command.wanted(out, pdf, save)
    measured, window = _measured(flow, rate), _window(last, since, until)
    board = _board(bringup)
    if simulate is not None:
        record, key = _simulated(simulate, duration, events, start, seed)
    elif log is not None:
        record, key = command.from_file(log, serial)
    elif (measured or board) is not None and not port:
        record, key = command.without_a_pump(measured, bringup), None
    else:
        record, key = _of_pump(port)
    record.bringup = board or record.bringup
    if simulate is None:
        record.reasons = {**reasons_of(record.serial), **record.reasons}
    made = command.write(record, key, wanted, datetime.now(), measured, window)
    if as_json:
        print_json(command.as_json(made, wanted))
    else:
        say(*command.words(made, wanted))


def _window(last: str, since: str, until: str) -> "Window":
    from thecal.report.period import Window
    from thecal.units.quantities import DURATION

    begin = local_time("--from", since) if since else None
    end = local_time("--to", until) if until else None
    if begin and end and end <= begin:
        raise typer.BadParameter("is not after --from.", param_hint="--to")
    return Window(begin, end, quantity("--last", last, DURATION) if last else None)


def _of_pump(port: str) -> "tuple[Record, bytes | None]":
    from thecal.report import command

    with open_pump(port) as pump:
        return command.from_pump(pump.client, pump.port)


def _board(bringup: Path | None) -> "BringUpRecord | None":
    if bringup is None:
        return None
    from thecal.report import bringup as records

    return records.of_file(bringup)


def _measured(flow: Path | None, rate: str) -> "MeasuredFlow | None":
    if flow is None:
        return None
    if not rate:
        raise typer.BadParameter('needs the rate that was set: --rate "0.5 mL/day".', param_hint="--flow")
    from thecal.report import flow_file
    from thecal.units.quantities import VOLUME_RATE

    return flow_file.read(flow, quantity("--rate", rate, VOLUME_RATE))


def _simulated(
    therapy: Path, duration: str, events: Path | None, start: str, seed: int | None
) -> "tuple[Record, bytes | None]":
    from thecal.report import command
    from thecal.units.quantities import DURATION

    lasting_us, begin = quantity("--for", duration, DURATION), local_time("--start", start)
    return command.from_simulation(therapy, lasting_us, events, begin, seed)
