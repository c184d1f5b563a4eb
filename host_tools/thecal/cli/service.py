"""The commands around reservoir, catheter and plan: refill, prime, cancel-plan, skip-bridge."""

from typing import Annotated

import typer

from thecal.cli.common import (
    Json,
    Port,
    Yes,
    ask_or_withdraw,
    need_yes_for_json,
    open_pump,
    print_json,
    quantity,
)
from thecal.cli.store import NoStore, remember


def refill(
    volume: Annotated[str, typer.Option(metavar="VOLUME", help='Filled in: "40 mL".')],
    residual: Annotated[str, typer.Option(metavar="VOLUME", help='Came out before: "3.1 mL".')],
    port: Port = "",
    yes: Yes = False,
    no_store: NoStore = False,
    as_json: Json = False,
) -> None:
    """Record a refill: what came out against what the pump counted, a question, the record."""
    need_yes_for_json(as_json, yes)
    from thecal.quantities import VOLUME

    quantity("--volume", volume, VOLUME)
    quantity("--residual", residual, VOLUME)
    with open_pump(port) as pump:
        refilling = pump.propose_refill(volume, residual=residual)
        if not as_json:
            print("\n".join(refilling.words()))
        ask_or_withdraw(pump, "Record this refill?", yes)
        refilling.commit()
        print_json(refilling.as_json()) if as_json else print("The refill is on record.")
        amounts = (refilling.volume_pl, refilling.residual_pl, refilling.counted_pl)
        remember(pump, "refill", no_store, refill=amounts)


def prime(
    port: Port = "",
    dry: Annotated[
        bool, typer.Option("--dry", help="The whole dead volume: the pump was never primed.")
    ] = False,
    implant: Annotated[
        bool, typer.Option("--implant", help="Say that this is an implant or revision: required.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Prime the catheter, at an implant or a revision only. It is no dose, and it is on record."""
    need_yes_for_json(as_json, yes)
    with open_pump(port) as pump:
        priming = pump.propose_prime(dry=dry, implant=implant)
        if not as_json:
            print("\n".join(priming.words()))
        ask_or_withdraw(pump, "Prime now?", yes)
        priming.commit()
    print_json(priming.as_json()) if as_json else print("The prime runs.")


def cancel_plan(port: Port = "", yes: Yes = False, as_json: Json = False) -> None:
    """End a taper or titration where it stands: its present dose stays."""
    _at_once(port, yes, as_json, "cancel_plan", "End the plan at its present dose?")


def skip_bridge(port: Port = "", yes: Yes = False, as_json: Json = False) -> None:
    """Leave a bridge before its volume is through: the program's own rate begins."""
    _at_once(port, yes, as_json, "skip_bridge", "Leave the bridge now?")


def _at_once(port: str, yes: bool, as_json: bool, what: str, question: str) -> None:
    need_yes_for_json(as_json, yes)
    from thecal import service_command

    with open_pump(port) as pump:
        ask_or_withdraw(pump, question, yes)
        done = service_command.at_once(pump.client, what)
    print_json(done) if as_json else print(done["text"])
