"""The commands around reservoir, catheter and plan: refill, prime, cancel-plan, skip-bridge."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thecal._io.wrapped import say
from thecal.cli.common import (
    CameOut,
    FilledIn,
    Json,
    Large,
    Port,
    Soft,
    WrongUsage,
    Yes,
    agreed_or_withdraw,
    ask_or_withdraw,
    need_yes_for_json,
    open_pump,
    print_json,
    quantity,
)
from thecal.cli.declare import CHANGE, CHANGES, READS, command
from thecal.cli.option_rules import apart, needs, rules
from thecal.cli.store import NoStore, Reason, remember
from thecal.cli.syringe import Expiry, LabelText, LabelVolume, Lot, Syringe

if TYPE_CHECKING:
    from thecal.commands.refill import Refill, Wanted
    from thecal.pump import Pump
    from thecal.therapy.checked import CheckedTherapy


@command(
    CHANGE,
    'thecal refill --volume "40 mL" --residual "3.1 mL"',
    'thecal refill --volume "40 mL" --residual "3.1 mL" --label "morphine 20 mg/mL" --lot A-17 --yes',
)
@rules(
    "refill",
    apart(
        "--show",
        "--volume",
        "--residual",
        "--label",
        "--label-volume",
        "--lot",
        "--expiry",
        "--stable",
        "--measured",
        "--program",
        why="it records nothing; leave it out to record.",
    ),
    needs("--label-volume", "--label"),
)
def refill(
    volume: FilledIn = "",
    residual: CameOut = "",
    label: LabelText = "",
    label_volume: LabelVolume = "",
    lot: Lot = "",
    expiry: Expiry = "",
    stable: Annotated[
        str, typer.Option(metavar="DURATION", help='How long it keeps in the pump: "40 d".')
    ] = "",
    measured: Annotated[
        str, typer.Option(metavar="VOLUME", help="Found in the reservoir after filling: against pocket fill.")
    ] = "",
    program: Annotated[
        Path | None,
        typer.Option(metavar="THERAPY.toml", help="Of what was filled in: takes effect with the refill."),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Only show what is expected, and the trend.")] = False,
    port: Port = "",
    yes: Yes = False,
    confirm_large_change: Large = False,
    confirm_soft_limits: Soft = False,
    reason: Reason = "",
    no_store: NoStore = False,
    as_json: Json = False,
) -> None:
    """Record a refill: the syringe's label against the program, what came out against what was counted, the
    trend, a question, the record. With --program the therapy of what was filled in takes effect at the same
    instant."""
    need_yes_for_json(as_json and not show, yes)
    from thecal.commands import refill as refill_command

    given = _Given(volume, residual, Syringe(label, label_volume, lot, expiry), stable, measured).checked()
    therapy = _therapy_of(program)
    with open_pump(port, READS if show else CHANGES) as pump:
        before = refill_command.Before.ask(pump.client)
        if show:
            print_json(refill_command.show_json(before)) if as_json else say(*before.words())
            return
        if not as_json:
            say(*before.words())
        refilling = before.propose(given.completed(yes).wanted(), therapy)
        _agree(pump, refilling, as_json, yes, large=confirm_large_change, soft=confirm_soft_limits)
        _record(pump, refilling, as_json, no_store, reason)


def _agree(pump: "Pump", refilling: "Refill", as_json: bool, yes: bool, *, large: bool, soft: bool) -> None:
    """Show it, and its program if one comes with it; go on only after a yes."""
    review = refilling.review
    if review and not as_json:
        review.print_tables()
    if not as_json:
        say(*refilling.words())
    if review:
        agreed_or_withdraw(pump, review, large=large, soft=soft)
    ends = ", which ends the stop" if review and review.prepared.starts else ""
    ask_or_withdraw(pump, f"Record this refill{f' and program it{ends}' if review else ''}?", yes)


def _record(pump: "Pump", refilling: "Refill", as_json: bool, no_store: bool, reason: str) -> None:
    committed, review = refilling.commit(), refilling.review
    if as_json:
        print_json(refilling.as_json() | ({"program": review.as_json(committed)} if review else {}))
    else:
        runs = f"; {review.proposal.reading['name']} runs" if review else ""
        print(f"The refill is on record{runs}.")
    at_us = committed.at.total_us if review and committed else None
    amounts = refilling.amounts
    remember(pump, "refill", no_store, reason=reason, committed_us=at_us, refill=amounts)


def _therapy_of(program: Path | None) -> "CheckedTherapy | None":
    from thecal.therapy.load import load_therapy

    return load_therapy(program) if program else None


@dataclass(frozen=True)
class _Given:
    """What was said of a refill, as text with units."""

    volume: str
    residual: str
    syringe: Syringe
    stable: str
    measured: str

    def checked(self) -> "_Given":
        """Wrong usage is found before any port is opened."""
        self.wanted(partly=True)
        return self

    def completed(self, yes: bool) -> "_Given":
        """With what is missing asked for; a script that says --yes is asked nothing."""
        if self.volume and self.residual:
            return self
        for option, text in (("--residual", self.residual), ("--volume", self.volume)):
            if yes and not text:
                raise WrongUsage(f"{option} is missing: nothing was changed.")
        from thecal.units.amounts import volume_text
        from thecal.units.quantities import RESIDUAL, VOLUME
        from thecal.workflows.prompts import Prompter

        prompter = Prompter(not os.environ.get("THECAL_NO_INPUT"))
        residual = self.residual or volume_text(
            prompter.quantity("What came out", RESIDUAL, "--residual", zero=True)
        )
        volume = self.volume or volume_text(prompter.quantity("What was filled in", VOLUME, "--volume"))
        return replace(self, residual=residual, volume=volume, syringe=self.syringe.asked(prompter))

    def wanted(self, *, partly: bool = False) -> "Wanted":
        """In wire units."""
        from thecal.commands.refill import Wanted
        from thecal.units.quantities import RESIDUAL, STABLE, VOLUME

        def amount(option: str, text: str) -> int:
            kind = RESIDUAL if option == "--residual" else VOLUME
            return 0 if partly and not text else quantity(option, text, kind, zero=option != "--volume")

        return Wanted(
            volume_pl=amount("--volume", self.volume),
            residual_pl=amount("--residual", self.residual),
            lot=self.syringe.lot,
            expiry=self.syringe.good_until(),
            stable_days=quantity("--stable", self.stable, STABLE) // 86_400 if self.stable else None,
            measured_pl=amount("--measured", self.measured) if self.measured else None,
            label=self.syringe.read(),
        )


@command(CHANGE, "thecal prime --implant --dry")
def prime(
    port: Port = "",
    dry: Annotated[
        bool, typer.Option("--dry", help="The whole dead volume: the pump was never primed.")
    ] = False,
    implant: Annotated[
        bool, typer.Option("--implant", help="Say that this is an implant or revision: required.")
    ] = False,
    yes: Yes = False,
    reason: Reason = "",
    no_store: NoStore = False,
    as_json: Json = False,
) -> None:
    """Prime the catheter, at an implant or a revision only. It is no dose, and it is on record."""
    need_yes_for_json(as_json, yes)
    with open_pump(port) as pump:
        priming = pump.propose_prime(dry=dry, implant=implant)
        if not as_json:
            say(*priming.words())
        ask_or_withdraw(pump, "Prime now?", yes)
        priming.commit()
        remember(pump, "prime", no_store, reason=reason)
    print_json(priming.as_json()) if as_json else print("The prime runs.")


@command(CHANGE, "thecal cancel-plan --yes")
def cancel_plan(
    port: Port = "",
    yes: Yes = False,
    reason: Reason = "",
    no_store: NoStore = False,
    as_json: Json = False,
) -> None:
    """End a taper or titration where it stands: its present dose stays."""
    need_yes_for_json(as_json, yes)
    with open_pump(port) as pump:
        ask_or_withdraw(pump, "End the plan at its present dose?", yes)
        pump.cancel_plan()
        _tell(pump, "cancel-plan", "The plan has ended; its present dose stays.", no_store, as_json, reason)


@command(CHANGE, "thecal skip-bridge --yes")
def skip_bridge(
    port: Port = "",
    yes: Yes = False,
    reason: Reason = "",
    no_store: NoStore = False,
    as_json: Json = False,
) -> None:
    """Leave a bridge before its volume is through: the program's own rate begins."""
    need_yes_for_json(as_json, yes)
    with open_pump(port) as pump:
        ask_or_withdraw(pump, "Leave the bridge now? The program's own rate begins at once.", yes)
        pump.skip_bridge()
        _tell(
            pump,
            "skip-bridge",
            "The bridge has ended; the program's own rate runs.",
            no_store,
            as_json,
            reason,
        )


def _tell(pump: "Pump", what: str, text: str, no_store: bool, as_json: bool, reason: str) -> None:
    """It is done: for whoever asked, and for the store."""
    from thecal.units.json_numbers import SCHEMA

    done = {"schema": SCHEMA, "state": pump.state, "text": text}
    remember(pump, what, no_store, reason=reason)
    print_json(done) if as_json else print(text)
