"""What a syringe's label says, for `refill` and `replace`: options of scripts, questions to a person."""

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from thecal.cli.common import note, quantity
from thecal.errors import ThecalError
from thecal.units import local_time

if TYPE_CHECKING:
    from thecal.therapy.refill_label import Label
    from thecal.workflows.prompts import Prompter

LabelText = Annotated[
    str,
    typer.Option(
        "--label",
        metavar="DRUG-CONCENTRATION",
        help='As the syringe says, held against the program: "morphine 20 mg/mL"; a mixture with +.',
    ),
]
LabelVolume = Annotated[
    str,
    typer.Option("--label-volume", metavar="VOLUME", help="As the syringe says, of all of them together."),
]
Lot = Annotated[str, typer.Option("--lot", metavar="TEXT", help="The drug's lot.")]
Expiry = Annotated[
    str, typer.Option("--expiry", metavar="DATE", help="Of the drug, by its label: 2026-09-30.")
]


@dataclass(frozen=True)
class Syringe:
    """What was said of a syringe, as text; empty: not said."""

    label: str = ""
    volume: str = ""
    lot: str = ""
    expiry: str = ""

    def checked(self) -> "Syringe":
        """Wrong usage is found before any port is opened."""
        self.read()
        self.good_until()
        return self

    def asked(self, prompter: "Prompter") -> "Syringe":
        """With what was not said asked for; the label may be left out, which is said then."""
        from thecal.units.amounts import volume_text
        from thecal.units.quantities import VOLUME

        label, volume = self.label, self.volume
        if not label:
            question = "The syringe's label: drug and concentration"
            label = prompter.answer(
                f"{question} (for example morphine 20 mg/mL; empty: not read)?", "--label", _label
            )
        if not label:
            note("  not read: what was filled in is not held against the program")
        elif not volume:
            volume = volume_text(prompter.quantity("Volume on the label", VOLUME, "--label-volume"))
        lot = self.lot or prompter.answer("The drug's lot (empty: none)?", "--lot", _lot)
        expiry = self.expiry or prompter.answer(
            "Its expiry date (for example 2026-09-30; empty: none)?", "--expiry", _date
        )
        return replace(self, label=label, volume=volume, lot=lot, expiry=expiry)

    def read(self) -> "Label | None":
        """The label in wire units."""
        from thecal.therapy.refill_label import parse_drugs, read_label
        from thecal.units.quantities import VOLUME

        if self.volume:
            quantity("--label-volume", self.volume, VOLUME)
        try:
            if self.label:
                parse_drugs(self.label)
        except ThecalError as error:
            raise typer.BadParameter(f"{error}.", param_hint="--label") from error
        return read_label(self.label, self.volume)

    def good_until(self) -> date | None:
        """The date of the label."""
        try:
            return date.fromisoformat(_date(self.expiry)) if self.expiry else None
        except ThecalError as error:
            raise typer.BadParameter(f"{error}.", param_hint="--expiry") from error


def _label(text: str) -> str:
    """As it was typed. ThecalError: it is none."""
    if text:
        from thecal.therapy.refill_label import parse_drugs

        parse_drugs(text)
    return text


def _date(text: str) -> str:
    """A date as it was typed, or nothing. ThecalError: it is none."""
    if text:
        try:
            date.fromisoformat(text)
        except ValueError:
            raise ThecalError(f'"{text}" is not a date', 'write it like "2026-09-30"') from None
        local_time.parse_start(text)  # one that the pump can hold
    return text


def _lot(text: str) -> str:
    """A lot's name. ThecalError: the pump does not take it."""
    from thecal.therapy.rules.commands import lot_problems, refuse

    refuse("the lot", lot_problems(text))
    return text
