"""Every command under one roof. The commands import what they need when they run: starting stays quick."""

import os
from typing import Annotated

import typer

from thecal.cli import (
    alarms,
    board,
    campaign,
    dose,
    files,
    guided,
    keys,
    library,
    ports,
    report,
    service,
    store,
    watch,
)

app = typer.Typer(
    name="thecal",
    help="Program, watch and simulate thecal, an open intrathecal infusion pump. Not a medical device.",
    epilog="A pump's port is given with --port or THECAL_PORT: a device, a pty, or a URL such as "
    "socket://host:port; `thecal ports` lists devices. Start with `thecal emulate`. With --no-input (or "
    "THECAL_NO_INPUT=1) no command ever asks: one that would fails instead. NO_COLOR=1: no colours. "
    "Exit codes: 0 done, 1 refused or failed, 2 wrong usage.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from thecal.session import PROTOCOL

        print(f"thecal {version('thecal')}, {PROTOCOL}")
        raise typer.Exit


@app.callback()
def everywhere(
    role: Annotated[
        keys.Role | None,
        typer.Option("--role", envvar="THECAL_ROLE", help="Whose key is used. Default: the clinician's."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Before every command: as whom the pump is talked to."""
    if role is not None:
        os.environ["THECAL_ROLE"] = role.value


_OFFLINE = "Without a pump"
_WATCH = "Look at a pump"
_CHANGE = "Change what a pump does"
_STORE = "What was seen of pumps"

app.command(rich_help_panel=_OFFLINE)(files.emulate)
app.command(rich_help_panel=_OFFLINE)(files.simulate)
app.command(rich_help_panel=_OFFLINE)(files.check)
app.command(rich_help_panel=_OFFLINE)(campaign.campaign)
app.command(rich_help_panel=_OFFLINE)(board.flash)
app.add_typer(library.library, name="library", rich_help_panel=_OFFLINE)
app.command(rich_help_panel=_WATCH)(ports.ports)
app.command(rich_help_panel=_WATCH)(keys.pair)
app.add_typer(keys.keys, name="keys", rich_help_panel=_WATCH)
app.command(rich_help_panel=_WATCH)(watch.status)
app.command(rich_help_panel=_WATCH)(watch.monitor)
app.command(rich_help_panel=_WATCH)(watch.log)
app.command(rich_help_panel=_WATCH)(watch.limits)
app.command(rich_help_panel=_WATCH)(report.report)
app.add_typer(alarms.alarms, name="alarms", rich_help_panel=_WATCH)
app.command(rich_help_panel=_CHANGE)(guided.session)
app.command(rich_help_panel=_CHANGE)(dose.program)
app.command(rich_help_panel=_CHANGE)(dose.bolus)
app.command(rich_help_panel=_CHANGE)(dose.stop)
app.command(rich_help_panel=_CHANGE)(dose.resume)
app.command(rich_help_panel=_CHANGE)(service.refill)
app.command(rich_help_panel=_CHANGE)(service.prime)
app.command(rich_help_panel=_CHANGE)(guided.replace)
app.command(rich_help_panel=_CHANGE)(guided.implant)
app.command(rich_help_panel=_CHANGE)(guided.calibrate)
app.command("cancel-plan", rich_help_panel=_CHANGE)(service.cancel_plan)
app.command("skip-bridge", rich_help_panel=_CHANGE)(service.skip_bridge)
app.add_typer(dose.clock, name="clock", rich_help_panel=_CHANGE)
app.add_typer(alarms.fault, name="fault", rich_help_panel=_CHANGE)
app.command(rich_help_panel=_STORE)(store.history)
app.command(rich_help_panel=_STORE)(store.trend)
app.add_typer(store.store, name="store", rich_help_panel=_STORE)
