"""The guided workflows: session, replace, implant, calibrate."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thecal._io import interruption
from thecal._io.wrapped import say
from thecal.cli.common import (
    CameOut,
    FilledIn,
    Json,
    Large,
    Port,
    Soft,
    Yes,
    need_yes_for_json,
    only_json,
    open_pump,
    print_json,
    quantity,
)
from thecal.cli.convert import Oral, taken
from thecal.cli.declare import CHANGE, command
from thecal.cli.option_rules import apart, needs, rules
from thecal.cli.store import NoStore, Reason, reasons_of, remember
from thecal.cli.syringe import Expiry, LabelText, LabelVolume, Lot, Syringe
from thecal.errors import ThecalError

if TYPE_CHECKING:
    from thecal.commands.refill import Wanted
    from thecal.link.responses.pump import Committed
    from thecal.pump import Pump
    from thecal.workflows.prompts import Prompter
    from thecal.workflows.session import Programmed

NoInput = Annotated[bool, typer.Option("--no-input", help="Ask nobody: what is missing is an error.")]
Dry = Annotated[
    bool | None, typer.Option("--dry/--primed", help="Was the pump never primed, or primed before?")
]
Therapy = Annotated[Path, typer.Argument(metavar="THERAPY.toml", help="The therapy of the new filling.")]


def may_ask(no_input: bool) -> bool:
    """Whether a person may be asked: --no-input of this command, or of every command."""
    return not no_input and not os.environ.get("THECAL_NO_INPUT")


def prompter_of(no_input: bool, as_json: bool) -> "Prompter":
    """Whoever is asked; with --json nobody."""
    from thecal.workflows.prompts import Prompter

    return Prompter(may_ask(no_input) and not as_json)


@command(CHANGE, "thecal session", 'thecal session --dose "2.6 mg/day" --report today.html --no-input --yes')
@rules(
    "session",
    apart(
        "--therapy",
        "--dose",
        "--change",
        "--bolus-dose",
        "--lockout",
        "--limit-24h",
        "--low-reservoir",
        why="a therapy file says all of it; choose one.",
    ),
    apart("--dose", "--change", why="both set the basal dose; choose one."),
)
def session(
    port: Port = "",
    dose: Annotated[str, typer.Option(metavar="DOSE", help='New basal dose: "2.6 mg/day".')] = "",
    change: Annotated[str, typer.Option(metavar="PERCENT", help='Every basal dose by: "+10 %".')] = "",
    bolus_dose: Annotated[str, typer.Option(metavar="MASS", help="Of the patient's bolus.")] = "",
    lockout: Annotated[str, typer.Option(metavar="DURATION", help="Of the patient's bolus.")] = "",
    limit_24h: Annotated[str, typer.Option(metavar="MASS", help="Dose limit of 24 h.")] = "",
    low_reservoir: Annotated[str, typer.Option(metavar="VOLUME", help="Of the low-reservoir alarm.")] = "",
    therapy: Annotated[Path | None, typer.Option(metavar="THERAPY.toml", help="A whole therapy.")] = None,
    oral: Oral = "",
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html|FILE.pdf", help="Where the report goes.")
    ] = None,
    yes: Yes = False,
    confirm_large_change: Large = False,
    confirm_soft_limits: Soft = False,
    no_input: NoInput = False,
    reason: Reason = "",
    no_store: NoStore = False,
    as_json: Json = False,
) -> None:
    """See what the pump does, change it with a review of old, new and change, and write a report."""
    need_yes_for_json(as_json, yes)
    from thecal.workflows import session as guided

    amounts = (dose, change, bolus_dose, lockout, limit_24h, low_reservoir)
    _judge(*amounts, therapy, report)
    answers = guided.Answers(*amounts, taken(oral), therapy, yes, confirm_large_change, confirm_soft_limits)
    prompter = prompter_of(no_input, as_json)
    with open_pump(port) as pump:
        with only_json(as_json):
            programmed = guided.run(pump.client, prompter, answers, pump.port)
            name = programmed[1].proposal.reading["name"] if programmed else ""
            print(f"{name} runs." if programmed else "Nothing was changed.")
        committed = programmed[0] if programmed else None
        _remember(pump, "session", no_store, reason, committed)
        prompter.done = f"{name} runs" if programmed else ""
        made = _report(pump, prompter, report, asks=prompter.allowed and not yes)
    if as_json:
        print_json({"schema": 1, "changed": programmed is not None, **_program(programmed), "report": made})
    elif made:
        print(f"{made['path']}: log {made['chain']}, {made['chain_words']}")


def _judge(
    dose: str,
    change: str,
    bolus_dose: str,
    lockout: str,
    limit_24h: str,
    low_reservoir: str,
    therapy: Path | None,
    report: Path | None,
) -> None:
    """What a session is to change and to write, before anything is looked at."""
    from thecal.therapy.load import load_therapy
    from thecal.units import quantities
    from thecal.workflows import session as guided

    for option, text, kind in (
        ("--dose", dose, quantities.DOSE_RATE),
        ("--bolus-dose", bolus_dose, quantities.MASS),
        ("--lockout", lockout, quantities.DURATION),
        ("--limit-24h", limit_24h, quantities.MASS),
        ("--low-reservoir", low_reservoir, quantities.VOLUME),
    ):
        if text:
            quantity(option, text, kind)
    try:
        if change:
            guided.factor_of(change)
    except quantities.QuantityError as error:
        raise typer.BadParameter(f"{error}.", param_hint="--change") from error
    if therapy is not None:
        load_therapy(therapy)
    _report_path(str(report or ""))


def _program(programmed: "Programmed | None") -> dict[str, object]:
    """Of the document: the program that was committed."""
    return {"program": programmed[1].as_json(programmed[0]) if programmed else None}


def _remember(
    pump: "Pump",
    command: str,
    no_store: bool,
    reason: str,
    committed: "Committed | None",
    refill: "tuple[int, int, int] | None" = None,
) -> None:
    at_us = committed.at.total_us if committed else None
    remember(pump, command, no_store, reason=reason, committed_us=at_us, refill=refill)


def _report_path(name: str) -> Path | None:
    """ThecalError: no report is written under such a name."""
    from thecal.report import command

    if not name:
        return None
    command.wanted(Path(name))
    return Path(name)


def _report(pump: "Pump", prompter: "Prompter", path: Path | None, *, asks: bool) -> "dict[str, Any] | None":
    """Written to `path`, or to where a person says (`asks`); None: nowhere."""
    if path is None:
        if not asks:
            return None
        path = prompter.answer("Report to which file, .html or .pdf (empty: none)?", "--report", _report_path)
        if path is None:
            return None
    from datetime import datetime

    from thecal.report import command

    try:
        record, key = command.from_pump(pump.client, pump.port)
        record.reasons = reasons_of(record.serial)
        wanted = command.wanted(path)
        made = command.write(record, key, wanted, datetime.now())
    except ThecalError as error:
        if not prompter.done:
            raise
        raise ThecalError(f"{prompter.done}; of the report: {error.message}", error.hint) from error
    return command.as_json(made, wanted) | {"path": str(path)}


@command(
    CHANGE,
    "thecal replace weaker.toml",
    'thecal replace weaker.toml --volume "40 mL" --residual "3 mL" --bridge --yes --json',
)
@rules("replace", needs("--label-volume", "--label"))
def replace(
    therapy: Therapy,
    port: Port = "",
    volume: FilledIn = "",
    residual: CameOut = "",
    label: LabelText = "",
    label_volume: LabelVolume = "",
    lot: Lot = "",
    expiry: Expiry = "",
    bridge: Annotated[
        bool | None, typer.Option("--bridge/--no-bridge", help="Bridge the old filling in the catheter.")
    ] = None,
    yes: Yes = False,
    confirm_large_change: Large = False,
    confirm_soft_limits: Soft = False,
    no_input: NoInput = False,
    reason: Reason = "",
    no_store: NoStore = False,
    as_json: Json = False,
) -> None:
    """Fill in another concentration: review, bridge, refill and program, in one step after the last yes."""
    need_yes_for_json(as_json, yes)
    from thecal.therapy.load import load_therapy
    from thecal.workflows import replace as guided
    from thecal.workflows.session import Answers

    wanted, prompter = load_therapy(therapy), prompter_of(no_input, as_json)
    answers = Answers(yes=yes, large=confirm_large_change, soft=confirm_soft_limits)
    filling = _filling(prompter, volume, residual, Syringe(label, label_volume, lot, expiry))
    with open_pump(port) as pump:
        with only_json(as_json):
            refill, (committed, review) = guided.replace(
                pump.client, prompter, wanted, answers, filling, bridge=bridge
            )
        _remember(pump, "replace", no_store, reason, committed, refill.amounts)
    if as_json:
        print_json({"schema": 1, "refill": refill.as_json(), "program": review.as_json(committed)})
    else:
        print(f"The refill is on record; {review.proposal.reading['name']} runs.")


def _filling(prompter: "Prompter", volume: str, residual: str, syringe: Syringe) -> "Wanted":
    """What was filled in, with what is missing asked for."""
    from thecal.commands.refill import Wanted
    from thecal.units.quantities import RESIDUAL, VOLUME

    syringe.checked()
    for option, text in (("--volume", volume), ("--residual", residual)):
        if text:
            quantity(option, text, VOLUME, zero=option == "--residual")
    volume_pl = prompter.quantity("How much was filled in", VOLUME, "--volume", volume)
    residual_pl = prompter.quantity("How much came out before", RESIDUAL, "--residual", residual, zero=True)
    if prompter.asked:  # somebody is there
        syringe = syringe.asked(prompter)
    return Wanted(volume_pl, residual_pl, syringe.lot, syringe.good_until(), label=syringe.read())


@rules("implant", needs("--oral", "--therapy", why="it is shown beside the review of a program."))
@command(CHANGE, "thecal implant --therapy examples/morphine-constant.toml", "thecal implant --dry --yes")
def implant(
    port: Port = "",
    therapy: Annotated[Path | None, typer.Option(metavar="THERAPY.toml", help="Program this first.")] = None,
    dry: Dry = None,
    oral: Oral = "",
    yes: Yes = False,
    confirm_large_change: Large = False,
    confirm_soft_limits: Soft = False,
    no_input: NoInput = False,
    reason: Reason = "",
    no_store: NoStore = False,
    as_json: Json = False,
) -> None:
    """Implant or revise a pump: program it, set the flag, prime tubing and catheter."""
    need_yes_for_json(as_json, yes)
    from thecal.therapy.load import load_therapy
    from thecal.workflows import replace as guided
    from thecal.workflows import session

    large, soft = confirm_large_change, confirm_soft_limits
    answers = session.Answers(oral_ng_per_day=taken(oral), yes=yes, large=large, soft=soft)
    prompter, programmed = prompter_of(no_input, as_json), None
    wanted = load_therapy(therapy) if therapy else None
    with open_pump(port) as pump:
        try:
            with only_json(as_json):
                if wanted is not None:
                    interruption.due("the prime")
                    programmed = session.commit(pump.client, prompter, wanted, answers, pump.port)
                    prompter.done = f"{wanted.name} runs, without a prime"
                prime = guided.implant(pump.client, prompter, dry=dry, yes=yes)
        except ThecalError as error:
            if programmed is None:
                raise
            _remember(pump, "implant", no_store, reason, programmed[0])
            error.hint += "; then say `thecal implant` again, without --therapy"
            raise ThecalError(f"{prompter.done}: {error.message}", error.hint) from error
        _remember(pump, "implant", no_store, reason, programmed[0] if programmed else None)
    if as_json:
        print_json({"schema": 1, **_program(programmed), "prime": prime.as_json()})
    else:
        print("The prime runs.")


@command(
    CHANGE,
    'thecal calibrate --volume "100 uL" --duration "20 min"',
    'thecal calibrate --run "40000:99.8 mg" --density "0.9982 g/mL" --mass-uncertainty "0.02 mg"',
)
@rules(
    "calibrate",
    needs("--mass", "--volume", why="a run that was weighed before has its mass in --run."),
    needs("--duration", "--volume", why="without it the pump makes no steps."),
    needs("--port", "--volume", why="runs alone are worked out without a pump."),
)
def calibrate(
    port: Port = "",
    runs: Annotated[
        list[str] | None, typer.Option("--run", metavar="STEPS:MASS", help='A weighed run: "40000:99.8 mg".')
    ] = None,
    volume: Annotated[str, typer.Option(metavar="VOLUME", help="Let the pump give this now.")] = "",
    duration: Annotated[str, typer.Option(metavar="DURATION", help="Over this time.")] = "10 min",
    mass: Annotated[str, typer.Option(metavar="MASS", help="What that weighed.")] = "",
    density: Annotated[str, typer.Option(metavar="DENSITY", help='"0.9982 g/mL".')] = "",
    mass_uncertainty: Annotated[str, typer.Option(metavar="MASS", help="Of a weighing (k = 1).")] = "",
    density_uncertainty: Annotated[
        str, typer.Option(metavar="DENSITY", help="Of it (k = 1).")
    ] = "0.0002 g/mL",
    yes: Yes = False,
    no_input: NoInput = False,
    no_store: NoStore = False,
    as_json: Json = False,
) -> None:
    """Find the volume of a motor step: run counted steps into a balance, enter the mass, get the figure."""
    from thecal.workflows import calibrate as guided

    if not runs and not volume:
        raise typer.BadParameter('give --volume "100 uL" to run steps now, or --run "40000:99.8 mg".')
    prompter = prompter_of(no_input, as_json=False)
    entered = guided.Entered(
        tuple(runs or ()), volume, duration, mass, density, mass_uncertainty, density_uncertainty, yes
    )
    if volume:
        need_yes_for_json(as_json, yes)
        with open_pump(port) as pump:
            found = guided.run(pump.client, prompter, entered)
            remember(pump, "calibrate", no_store)
    else:
        found = guided.run(None, prompter, entered)
    print_json(found.as_json()) if as_json else say(*found.words())
