"""The guided workflows: session, replace, implant, calibrate."""

import os
from pathlib import Path
from typing import Annotated

import typer

from thecal.cli.common import Json, Port, Yes, connect, print_json, quantity

NoInput = Annotated[bool, typer.Option("--no-input", help="Ask nobody: what is missing is an error.")]
Large = Annotated[
    bool, typer.Option("--confirm-large-change", help="Agree to a dose that changes more than twofold.")
]
Soft = Annotated[
    bool, typer.Option("--confirm-soft-limits", help="Agree to what passes a soft limit: it is logged.")
]
Therapy = Annotated[Path, typer.Argument(metavar="THERAPY.toml", help="The therapy of the new filling.")]


def may_ask(no_input: bool) -> bool:
    """Whether a person may be asked: --no-input of this command, or of every command."""
    return not no_input and not os.environ.get("THECAL_NO_INPUT")


def session(
    port: Port = "",
    dose: Annotated[str, typer.Option(metavar="DOSE", help='New basal dose: "2.6 mg/day".')] = "",
    change: Annotated[str, typer.Option(metavar="PERCENT", help='Every basal dose by: "+10 %".')] = "",
    bolus_dose: Annotated[str, typer.Option(metavar="MASS", help="Of the patient's bolus.")] = "",
    lockout: Annotated[str, typer.Option(metavar="DURATION", help="Of the patient's bolus.")] = "",
    limit_24h: Annotated[str, typer.Option(metavar="MASS", help="Dose limit of 24 h.")] = "",
    low_reservoir: Annotated[str, typer.Option(metavar="VOLUME", help="Of the low-reservoir alarm.")] = "",
    therapy: Annotated[Path | None, typer.Option(metavar="THERAPY.toml", help="A whole therapy.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Where the report goes.")] = None,
    yes: Yes = False,
    confirm_large_change: Large = False,
    confirm_soft_limits: Soft = False,
    no_input: NoInput = False,
) -> None:
    """See what the pump does, change it with a review of old, new and change, and write a report."""
    client, _ = connect(port)
    from thecal.guided import session as guided
    from thecal.guided.prompts import Prompter

    amounts = (dose, change, bolus_dose, lockout, limit_24h, low_reservoir)
    answers = guided.Answers(*amounts, therapy, yes, confirm_large_change, confirm_soft_limits)
    prompter = Prompter(may_ask(no_input))
    with client:
        review = guided.run(client, prompter, answers, port)
        print("Nothing was changed." if review is None else f"{review.proposal.reading['name']} runs.")
        _report(client, prompter, port, report)


def _report(client: object, prompter: object, port: str, path: Path | None) -> None:
    from datetime import datetime

    from thecal.client import Client
    from thecal.guided.prompts import Prompter
    from thecal.report import command

    assert isinstance(client, Client)
    assert isinstance(prompter, Prompter)
    if path is None:
        if not prompter.allowed:
            return
        name = prompter.line("Report to which file (empty: none)?", "--report")
        if not name:
            return
        path = Path(name)
    record, key = command.from_pump(client, port)
    made = command.write(record, key, command.Wanted(path), datetime.now())
    print(f"{path}: log {made.chain.standing}, {made.chain.words}")


def replace(
    therapy: Therapy,
    port: Port = "",
    volume: Annotated[str, typer.Option(metavar="VOLUME", help='Filled in: "40 mL".')] = "",
    residual: Annotated[str, typer.Option(metavar="VOLUME", help='Came out before: "3.1 mL".')] = "",
    bridge: Annotated[
        bool | None, typer.Option("--bridge/--no-bridge", help="Bridge the old filling in the catheter.")
    ] = None,
    yes: Yes = False,
    confirm_large_change: Large = False,
    confirm_soft_limits: Soft = False,
    no_input: NoInput = False,
) -> None:
    """Fill in another concentration: review, bridge, refill and program, in one step after the last yes."""
    from thecal.guided import replace as guided
    from thecal.guided.prompts import Prompter
    from thecal.guided.session import Answers
    from thecal.quantities import VOLUME
    from thecal.therapy import load_therapy

    for option, text in (("--volume", volume), ("--residual", residual)):
        if text:
            quantity(option, text, VOLUME)
    wanted, prompter = load_therapy(therapy), Prompter(may_ask(no_input))
    volume_pl = prompter.quantity("How much was filled in", VOLUME, "--volume", volume)
    residual_pl = prompter.quantity("How much came out before", VOLUME, "--residual", residual, zero=True)
    answers = Answers(yes=yes, large=confirm_large_change, soft=confirm_soft_limits)
    amounts = {"volume_pl": volume_pl, "residual_pl": residual_pl}
    client, _ = connect(port)
    with client:
        review = guided.replace(client, prompter, wanted, answers, **amounts, bridge=bridge)
    print(f"The refill is on record; {review.proposal.reading['name']} runs.")


def implant(
    port: Port = "",
    therapy: Annotated[Path | None, typer.Option(metavar="THERAPY.toml", help="Program this first.")] = None,
    dry: Annotated[
        bool | None, typer.Option("--dry/--primed", help="Was the pump never primed, or primed before?")
    ] = None,
    yes: Yes = False,
    confirm_large_change: Large = False,
    confirm_soft_limits: Soft = False,
    no_input: NoInput = False,
) -> None:
    """Implant or revise a pump: program it, set the flag, prime tubing and catheter."""
    from thecal.guided import replace as guided
    from thecal.guided import session
    from thecal.guided.prompts import Prompter
    from thecal.therapy import load_therapy

    prompter = Prompter(may_ask(no_input))
    wanted = load_therapy(therapy) if therapy else None
    client, _ = connect(port)
    with client:
        if wanted is not None:
            answers = session.Answers(yes=yes, large=confirm_large_change, soft=confirm_soft_limits)
            session.commit(client, prompter, wanted, answers, port)
        guided.implant(client, prompter, dry=dry, yes=yes)
    print("The prime runs.")


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
    no_input: NoInput = False,
    as_json: Json = False,
) -> None:
    """Find the volume of a motor step: run counted steps into a balance, enter the mass, get the figure."""
    from thecal.guided import calibrate_command as guided
    from thecal.guided.prompts import Prompter

    if not runs and not volume:
        raise typer.BadParameter('give --volume "100 uL" to run steps now, or --run "40000:99.8 mg".')
    prompter = Prompter(may_ask(no_input))
    entered = guided.Entered(
        tuple(runs or ()), volume, duration, mass, density, mass_uncertainty, density_uncertainty
    )
    if volume:
        client, _ = connect(port)
        with client:
            found = guided.run(client, prompter, entered)
    else:
        found = guided.run(None, prompter, entered)
    print_json(found.as_json()) if as_json else print("\n".join(found.words()))
