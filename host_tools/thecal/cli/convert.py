"""`thecal convert`: an oral dose of morphine as an intrathecal one, as advice; the same beside a review."""

from typing import TYPE_CHECKING, Annotated

import typer

from thecal._io.wrapped import say
from thecal.cli.common import Json, print_json
from thecal.cli.declare import OFFLINE, command

if TYPE_CHECKING:
    from thecal.therapy.oral_dose import OralAdvice

Oral = Annotated[
    str,
    typer.Option(
        "--oral", metavar="DOSE", help='Advice beside the review: what "90 mg/day" of oral morphine would be.'
    ),
]


def oral_dose(option: str, text: str) -> int:
    """An oral dose per day, ng. A wrong one is wrong usage, found before any port is opened."""
    from thecal.therapy.oral_dose import parse_oral
    from thecal.units.quantities import QuantityError

    try:
        return parse_oral(text)
    except QuantityError as error:
        raise typer.BadParameter(f"{error}.", param_hint=option) from error


def taken(text: str) -> int:
    """What --oral says; 0: nothing."""
    return oral_dose("--oral", text) if text else 0


def oral_advice(text: str, drug: str) -> "OralAdvice | None":
    """What --oral asks for; None: it was not said."""
    if not text:
        return None
    from thecal.therapy.oral_dose import advise

    return advise(oral_dose("--oral", text), drug)


@command(
    OFFLINE,
    'thecal convert "90 mg/day" --drug morphine --from oral',
    'thecal convert "90 mg/day" --drug morphine --from oral --json',
)
def convert(
    dose: Annotated[str, typer.Argument(metavar="DOSE", help='Of a whole day, by mouth: "90 mg/day".')],
    drug: Annotated[str, typer.Option(metavar="DRUG", help="Morphine: of no other drug is a ratio known.")],
    source: Annotated[str, typer.Option("--from", metavar="oral", help="Oral: the way back has no figure.")],
    as_json: Json = False,
) -> None:
    """Show what an oral dose of morphine would be intrathecally, beside its start dose: advice only."""
    from thecal.therapy.oral_dose import advise

    found = advise(oral_dose("DOSE", dose), drug, source)
    print_json(found.as_json()) if as_json else say(*found.words())
