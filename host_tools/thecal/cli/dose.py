"""The commands that change what a pump does: program, bolus, stop, resume, clock.

What changes a dose takes two steps: the pump reads back what it understood, a person says yes, then it is
committed by its digest (HOST-02).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thecal._io.wrapped import say
from thecal.cli.common import (
    Json,
    Large,
    Port,
    Soft,
    Yes,
    agreed_or_withdraw,
    ask_or_withdraw,
    local_time,
    need_yes_for_json,
    note,
    open_pump,
    print_json,
    quantity,
)
from thecal.cli.convert import Oral, oral_advice
from thecal.cli.declare import CHANGE, CHANGES, command, examples, group
from thecal.cli.store import NoStore, Reason, remember

if TYPE_CHECKING:
    from thecal.pump import Pump

_CLOCK = "%a %Y-%m-%d %H:%M:%S"

clock = group("clock", CHANGE, help="Show or set the pump's local time.", no_args_is_help=True)


@command(
    CHANGE,
    "thecal program examples/morphine-constant.toml",
    "thecal program new.toml --yes --json --no-input",
)
def program(
    therapy: Annotated[Path, typer.Argument(metavar="THERAPY.toml", help="The therapy file.")],
    port: Port = "",
    yes: Yes = False,
    confirm_large_change: Large = False,
    confirm_soft_limits: Soft = False,
    keep_clock: Annotated[
        bool,
        typer.Option(
            "--keep-clock", help="Leave a clock that was never set; the first program sets it otherwise."
        ),
    ] = False,
    oral: Oral = "",
    reason: Reason = "",
    no_store: NoStore = False,
    as_json: Json = False,
) -> None:
    """Program a therapy: old, new and change side by side, the worst 24 hours, a question, the commit."""
    need_yes_for_json(as_json, yes)
    from thecal.therapy.load import load_therapy

    wanted = load_therapy(therapy)
    advice = oral_advice(oral, wanted.model.primary.name)
    with open_pump(port) as pump:
        review = replace(pump.propose_program(wanted, keep_clock=keep_clock), advice=advice)
        if not as_json:
            review.print_tables()
        agreed_or_withdraw(pump, review, large=confirm_large_change, soft=confirm_soft_limits)
        ask_or_withdraw(pump, review.question(pump.port), yes)
        committed = review.commit()
        if as_json:
            print_json(review.as_json(committed))
        else:
            print(f"{wanted.name} runs." + ("" if committed else " (The pump's answer was lost on the way.)"))
        at_us = committed.at.total_us if committed else None
        remember(pump, "program", no_store, reason=reason, committed_us=at_us)


@command(CHANGE, 'thecal bolus --dose "0.2 mg" --duration "10 min"', "thecal bolus --patient")
def bolus(
    port: Port = "",
    dose: Annotated[str, typer.Option(metavar="MASS", help='Of the primary drug: "0.2 mg".')] = "",
    duration: Annotated[str, typer.Option(metavar="DURATION", help='Given evenly over: "10 min".')] = "",
    extended: Annotated[
        bool, typer.Option("--extended", help="One that a patient's bolus suspends, for long durations.")
    ] = False,
    patient: Annotated[
        bool, typer.Option("--patient", help="Ask for the patient's bolus, as the patient's button would.")
    ] = False,
    yes: Yes = False,
    reason: Reason = "",
    no_store: NoStore = False,
    as_json: Json = False,
) -> None:
    """Give a bolus: the clinician's of --dose over --duration, or the patient's with --patient."""
    if patient and (dose or duration or extended):
        raise typer.BadParameter("the prescription says dose and duration.", param_hint="--patient")
    if not patient and not (dose and duration):
        lacks = '--duration is missing: it is given evenly over "10 min"' if dose else "which one is missing"
        raise typer.BadParameter(f'{lacks}; give --dose "0.2 mg" --duration "10 min", or --patient.')
    from thecal.units.quantities import DURATION, MASS

    if patient:
        from thecal.commands.bolus import patient_json

        with open_pump(port) as pump:
            answer = patient_json(pump.patient_bolus())
            remember(pump, "bolus", no_store, reason=reason)
    else:
        need_yes_for_json(as_json, yes)
        quantity("--dose", dose, MASS)
        quantity("--duration", duration, DURATION)
        with open_pump(port) as pump:
            proposed = pump.propose_bolus(dose, over=duration, extended=extended)
            if not as_json:
                say(*proposed.words())
            ask_or_withdraw(pump, "Give this bolus now?", yes)
            answer = proposed.commit()
            remember(pump, "bolus", no_store, reason=reason)
    print_json(answer) if as_json else print(answer["text"])


@command(CHANGE, "thecal stop", 'thecal stop --for "20 min"')
def stop(
    port: Port = "",
    lasting: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="Resume by itself after this time.")
    ] = "",
    reason: Reason = "",
    no_store: NoStore = False,
    as_json: Json = False,
) -> None:
    """Stop delivery at once; a running bolus ends, and what it gave is recorded."""
    from thecal.units.quantities import SECONDS

    lasting_s = quantity("--for", lasting, SECONDS) if lasting else None

    def what_it_means(pump: "Pump") -> None:
        """It is stopped already; this is for whoever did it: on stderr."""
        from thecal.workflows.stopped import words

        for line in words(pump.therapy(), lasting_s):
            note(line)

    _switch("stop", port, as_json, no_store, reason, lambda pump: pump.stop(lasting), what_it_means)


@command(CHANGE, "thecal resume")
def resume(port: Port = "", reason: Reason = "", no_store: NoStore = False, as_json: Json = False) -> None:
    """Resume delivery at the basal rate that is scheduled now."""
    _switch("resume", port, as_json, no_store, reason, lambda pump: pump.resume())


def _switch(
    command: str,
    port: str,
    as_json: bool,
    no_store: bool,
    reason: str,
    action: "Callable[[Pump], object]",
    afterwards: "Callable[[Pump], None] | None" = None,
) -> None:
    with open_pump(port) as pump:
        action(pump)
        state = pump.state
        if afterwards is not None and not as_json:
            afterwards(pump)
        remember(pump, command, no_store, reason=reason)
    if as_json:
        print_json({"schema": 1, "state": state})
    else:
        print(f"The pump is {state}.")


@clock.command("show")
@examples("clock show", "thecal clock show")
def clock_show(port: Port = "", as_json: Json = False) -> None:
    """Show the pump's local time, and how far it is from this computer's."""
    with open_pump(port) as pump:
        seen = pump.status()
    local = seen.local
    apart_s = round((local - datetime.now()).total_seconds())
    ever_set = seen.status.clock_set
    if as_json:
        answer = {"local_time": local.isoformat(), "now_s": seen.status.now.s, "apart_s": apart_s}
        print_json({"schema": 1, **answer, "clock_set": ever_set})
    else:
        never = "" if ever_set else "; it was never set: thecal clock set --to now"
        print(f"{local:{_CLOCK}}  ({apart_s:+} s against this computer{never})")


@clock.command("set")
@examples("clock set", "thecal clock set --to now", 'thecal clock set --offset "+1h" --yes', acts=CHANGES)
def clock_set(
    port: Port = "",
    to: Annotated[str, typer.Option(metavar="ISO-TIME|now", help="The new local time.")] = "",
    offset: Annotated[str, typer.Option(metavar="DURATION", help='Move it: "+1h", "-30min".')] = "",
    yes: Yes = False,
    confirm_large_change: Annotated[
        bool,
        typer.Option("--confirm-large-change", help="Agree to move a clock that was set by over a year."),
    ] = False,
    reason: Reason = "",
    no_store: NoStore = False,
    as_json: Json = False,
) -> None:
    """Set the pump's local time. A day schedule follows it; nothing is given twice or left out."""
    if bool(to) == bool(offset):
        raise typer.BadParameter('give one of --to "2026-01-05T00:00", --to now and --offset "+1h".')
    need_yes_for_json(as_json, yes)
    from thecal.units.quantities import DURATION

    if offset:
        quantity("--offset", offset, DURATION, negative=True)
    when = None if offset else datetime.now() if to == "now" else local_time("--to", to)
    with open_pump(port) as pump:
        change = pump.propose_clock(when, offset=offset)
        again = change.large and not confirm_large_change
        if again and yes:
            from thecal.link.uncertain_delivery import withdraw

            withdraw(pump.client)
            change.refuse_large_change(confirmed=False)
        if not as_json:
            note("\n".join(change.words()))
        ask_or_withdraw(pump, "Set it?", yes)
        if again:
            ask_or_withdraw(pump, "It was set before, and this moves it by more than a year. Really?", yes)
        local = change.commit()
        remember(pump, "clock set", no_store, reason=reason)
    if as_json:
        print_json({"schema": 1, "local_time": local.isoformat()})
    else:
        print(f"{local:{_CLOCK}}")
