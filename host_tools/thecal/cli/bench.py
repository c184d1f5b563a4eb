"""The bench of an emulated pump that runs in another terminal: advance, inject, press, truth, power-cut."""

import contextlib
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thecal.cli.common import Json, WrongUsage, complete_port, note, print_json, quantity
from thecal.cli.declare import OFFLINE, examples, group

if TYPE_CHECKING:
    from thecal.emulator.running import Running

Duration = Annotated[str, typer.Argument(metavar="DURATION", help='How long: "6 h".')]
At = Annotated[
    str,
    typer.Option(
        "--port",
        envvar="THECAL_PORT",
        help="Which pump: its port, link, serial number or bench socket. Default: the one that runs.",
        autocompletion=complete_port,
    ),
]

bench = group(
    "bench",
    OFFLINE,
    help="The bench of an emulated pump that runs: let time pass, inject faults, press its button.",
    no_args_is_help=True,
)


def complete_injection() -> list[str]:
    """For the shell's completion."""
    from thecal.emulator.injections import INJECT

    return list(INJECT)


@bench.command()
@examples("bench advance", 'thecal bench advance "6 h"', "thecal bench advance 1d --port /tmp/pump --json")
def advance(duration: Duration, port: At = "", as_json: Json = False) -> None:
    """Let time pass on a pump of `emulate --speed 0`; returns when all that is due by then is done."""
    from thecal.units.quantities import DURATION

    quantity("DURATION", duration, DURATION)
    answer = _ask(port, {"do": "advance", "duration": duration})
    _tell(answer, as_json, f"{duration} passed")


@bench.command()
@examples(
    "bench inject",
    "thecal bench inject",
    'thecal bench inject motor_stall --lasting "10 min"',
    "thecal bench inject temperature celsius=43",
)
def inject(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="What; without it all are listed.", autocompletion=complete_injection
        ),
    ] = "",
    values: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="As in an events file: celsius=43.")
    ] = None,
    lasting: Annotated[
        str, typer.Option("--lasting", "--for", metavar="DURATION", help="Else until the pump ends.")
    ] = "",
    port: At = "",
    as_json: Json = False,
) -> None:
    """A fault or a condition from now on. Without a name: all that there are, with units and bounds."""
    if not name:
        _list(as_json)
        return
    given = dict(_value(text) for text in values or [])
    answer = _ask(port, {"do": "inject", "name": name, "lasting": lasting, "values": given})
    _tell(answer, as_json, f"{name} injected")


@bench.command()
@examples("bench press", "thecal bench press")
def press(port: At = "", as_json: Json = False) -> None:
    """Press the pump's button."""
    _tell(_ask(port, {"do": "press"}), as_json, "pressed")


@bench.command()
@examples("bench truth", "thecal bench truth --json")
def truth(port: At = "", as_json: Json = False) -> None:
    """What physically happened, whatever the pump believes: steps, fluid, power, sound."""
    answer = _ask(port, {"do": "truth"})
    if as_json:
        print_json({"schema": 1, **answer})
        return
    for key, value in answer.items():
        print(f"{key:<18}  {value}")


@bench.command("power-cut")
@examples("bench power-cut", 'thecal bench power-cut "1 min"')
def power_cut(duration: Duration, port: At = "", as_json: Json = False) -> None:
    """The supply is gone, and comes back after so long; returns when the pump has booted."""
    from thecal.units.quantities import DURATION

    quantity("DURATION", duration, DURATION)
    answer = _ask(port, {"do": "power_cut", "lasting": duration})
    _tell(answer, as_json, f"without power for {duration}")


def _ask(port: str, request: dict[str, Any]) -> dict[str, Any]:
    """A signal meanwhile leaves it open what was done of it, unless it only looks."""
    from thecal._io import interruption
    from thecal.emulator import bench_client, running

    only = None if port else _only()
    socket = running.bench_of(only.bench if only else port)
    unsure = contextlib.nullcontext() if request["do"] == "truth" else interruption.unsure("the request")
    with unsure:
        answer = bench_client.ask(socket, request)
    if only:
        note(f"This was the pump {only.serial_number} on {only.name}.")
    return answer


def _only() -> "Running":
    """The pump that there is, when nobody said which."""
    from thecal.emulator import running

    here = running.found()
    if len(here) == 1:
        return here[0]
    names = f": {', '.join(pump.name for pump in here)}" if here else ""
    count = f"{len(here)} emulated pumps run" if here else "no emulated pump of yours runs"
    raise WrongUsage(f"which pump? Give its --port: {count}{names}.")


def _tell(answer: dict[str, Any], as_json: bool, done: str) -> None:
    if as_json:
        print_json({"schema": 1, **answer})
        return
    from thecal.units.amounts import duration_text

    print(f"{done}; it is {duration_text(answer['now_us'])} since the pump's first start.")


def _value(text: str) -> tuple[str, str | int]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise WrongUsage(f'"{text}" is no KEY=VALUE, such as celsius=43.')
    return key, int(value) if re.fullmatch(r"-?[0-9]{1,18}", value) else value


def _list(as_json: bool) -> None:
    from thecal.emulator.injections import listing

    rows = listing()
    if as_json:
        print_json({"schema": 1, "injections": rows})
        return
    for row in rows:
        print(f"{row['name']:<15} {row['does']}")
        for value in row["values"]:
            bounds = value["bounds"] or ", ".join(value["known"]) or value["example"].partition(" = ")[2]
            default = "" if value["default"] is None else f" (else {value['default']})"
            print(f"{'':<15}   {value['name']}={bounds}{default}")
        if row["lasting"]:
            print(f'{"":<15}   --lasting DURATION, such as "10 min"')
