"""What the commands share: options, the port, quantities in flags, answers on stdout, questions on stderr."""

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thecal.errors import ThecalError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime

    from thecal.commands.review import Review
    from thecal.link.button import Button
    from thecal.pump import Pump
    from thecal.units.quantities import Kind


def complete_port() -> list[str]:
    """For the shell's completion."""
    from thecal.cli.which_pump import here

    return [one.device for one in here()]


Port = Annotated[
    str,
    typer.Option(
        "--port",
        envvar="THECAL_PORT",
        help="The pump's port: a device, a pty or a pyserial URL. Default: the only one that is here.",
        autocompletion=complete_port,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Large = Annotated[
    bool, typer.Option("--confirm-large-change", help="Agree to a dose that changes more than twofold.")
]
Soft = Annotated[
    bool, typer.Option("--confirm-soft-limits", help="Agree to what passes a soft limit: it is logged.")
]
FilledIn = Annotated[str, typer.Option("--volume", metavar="VOLUME", help='Filled in: "40 mL".')]
CameOut = Annotated[str, typer.Option("--residual", metavar="VOLUME", help='Came out before: "3.1 mL".')]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")]


class WrongUsage(typer.TyperException):
    """The command line lacks something: exit code 2."""

    exit_code = 2


def chosen(port: str, acts: str = "") -> str:
    """The port that was named, or the one board or emulated pump that is here (HOST-26).

    A command that only reads takes it, and says so. One that changes shows whom it has found and asks; where
    nobody may be asked, the port has to be named. `acts`: what the command does, where that is not what it
    declares.
    """
    if port:
        return port
    from thecal.cli import which_pump
    from thecal.cli.declare import READS, line

    reads, here = (acts or line().acts) == READS, which_pump.here()
    if len(here) != 1 or (line().scripted and not reads):
        hint = which_pump.hint(here)
        if len(here) == 1:
            hint += " What nobody is asked about is done to no pump that nobody named."
        raise WrongUsage(f"which pump? Give its --port, such as /dev/ttyACM0, or set THECAL_PORT.{hint}")
    (one,) = here
    if reads:
        note(f"This is {which_pump.words(one)} on {one.device}.")
    else:
        ask(f"Is this for the pump {which_pump.serial_number(one.device)} on {one.device}?", yes=False)
    return one.device


def open_pump(port: str, acts: str = "") -> "Pump":
    """The pump on that port, or the `chosen` one, its session open."""
    port = chosen(port, acts)
    from thecal.pump import Pump

    return Pump(port, button=at_the_button())


def at_the_button() -> "Button | None":
    """Who is told to press the pump's button; None: nobody may be asked."""
    return None if os.environ.get("THECAL_NO_INPUT") else note


def quantity(option: str, text: str, kind: "Kind", *, negative: bool = False, zero: bool = False) -> int:
    """An option with a unit, in wire units. A wrong one is wrong usage, found before any port is opened."""
    from thecal.units.quantities import QuantityError, parse_whole

    try:
        return parse_whole(text, kind, negative=negative, zero=zero)
    except QuantityError as error:
        raise typer.BadParameter(f"{error}.", param_hint=option) from error


def check_serial_number(text: str) -> None:
    """One that is made up has to fit a line of a board's settings, and names of files here."""
    import re

    if text and not re.fullmatch(r"[A-Za-z0-9._-]{1,32}", text):
        raise WrongUsage("--serial-number takes up to 32 letters, digits, dots, dashes and underscores.")


def local_time(option: str, text: str) -> "datetime":
    """An option that is a pump local time. A wrong one is wrong usage."""
    from thecal.units.local_time import parse_start

    try:
        return parse_start(text)
    except ThecalError as error:
        raise typer.BadParameter(f"{error}.", param_hint=option) from error


def print_json(document: "dict[str, Any]") -> None:
    """The one document on stdout."""
    from thecal._io import interruption
    from thecal.monitor.status import json_text

    print(json_text(interruption.with_outcome(document)), flush=True)


def words_for_people(as_json: bool) -> "Callable[[str], None]":
    """Where a command's words go: to stdout, or nowhere beside a document."""

    def silent(text: str) -> None:
        pass

    return silent if as_json else print


def note(text: str) -> None:
    """A remark that is no part of the answer: on stderr."""
    print(text, file=sys.stderr)


def refuse_json_before(context: typer.Context, as_json: bool) -> None:
    """--json of a group that has a command of its own: it would be left unheard."""
    if as_json:
        path = f"{context.command_path} {context.invoked_subcommand}"
        raise WrongUsage(f"say --json at the end: {path} ... --json.")


@contextlib.contextmanager
def only_json(as_json: bool) -> "Generator[None]":
    """Words for people, which stand on stdout otherwise, go nowhere: the document alone is wanted."""
    if not as_json:
        yield
        return
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def need_yes_for_json(as_json: bool, yes: bool) -> None:
    """A review and a question have no place in a JSON document."""
    if as_json and not yes:
        raise typer.BadParameter("nobody can be asked beside it; add --yes.", param_hint="--json")


def ask(question: str, yes: bool) -> None:
    """Go on only when a person says yes. ThecalError: nothing is changed."""
    if yes:
        return
    if os.environ.get("THECAL_NO_INPUT"):
        raise ThecalError(
            f"nobody may be asked ({question}): nothing was changed", "add --yes, or leave out --no-input"
        )
    sys.stdout.flush()
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):  # nobody there
        print(file=sys.stderr)
    if answer.strip().lower() not in ("y", "yes"):
        from thecal.workflows.prompts import to_go_on

        raise ThecalError("not confirmed: nothing was changed", to_go_on("--yes"))


def agreed_or_withdraw(pump: "Pump", review: "Review", *, large: bool, soft: bool) -> None:
    """Large changes and soft limits that nobody has agreed to end the command; the pump forgets it all."""
    try:
        review.refuse_large_changes(large)
        review.refuse_soft_limits(soft)
    except ThecalError:
        pump.abort()
        raise


def ask_or_withdraw(pump: "Pump", question: str, yes: bool) -> None:
    """`ask`, and after a no the pump forgets what was proposed."""
    try:
        ask(question, yes)
    except ThecalError:
        from thecal.link.uncertain_delivery import withdraw

        withdraw(pump.client)
        raise
