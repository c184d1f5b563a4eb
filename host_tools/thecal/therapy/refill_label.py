"""What a syringe's label says, against the program that gives its drug and the reservoir that it goes into.

Pure but for the drug library, by whose names drugs are known. What a label says binds (RES-08): where drug or
concentration differ no yes helps, for every dose would be wrong by that; refill and program go together then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from thecal.errors import ThecalError
from thecal.therapy.drug_library import names
from thecal.therapy.drug_library.rules import rule_for, same_drug
from thecal.units.amounts import concentration_text, volume_text
from thecal.units.quantities import CONCENTRATION, VOLUME, parse_whole

EXAMPLE = "morphine 20 mg/mL"
_HINT = f'write each drug with its concentration, like "{EXAMPLE}"; a mixture with + between'
_ONE = re.compile(r"(?P<name>.*\S)[\s:]+(?P<amount>[-+.]?[0-9].*)", re.DOTALL)
_TOGETHER = "nothing was changed; refill and program go together: thecal refill --program THERAPY.toml"
_WRONG_FILE = "nothing was changed; take the therapy file of what is in the syringe"


@dataclass(frozen=True)
class LabelDrug:
    """One drug as the label names it."""

    name: str
    concentration_ng_per_ml: int

    def words(self) -> str:
        """ "morphine 20 mg/mL"."""
        return f"{self.name} {concentration_text(self.concentration_ng_per_ml)}"


@dataclass(frozen=True)
class Label:
    """What was read. Lot and expiry stand with the refill itself, because the pump keeps them."""

    drugs: tuple[LabelDrug, ...]
    volume_pl: int | None = None  # None: not said

    def words(self) -> str:
        """The label in a line."""
        drugs = " + ".join(drug.words() for drug in self.drugs)
        return drugs if self.volume_pl is None else f"{drugs}, {volume_text(self.volume_pl)}"


def read_label(drugs: str, volume: str) -> Label | None:
    """From texts, "": not read. ThecalError: they say no label."""
    if not drugs:
        if volume:
            raise ThecalError("a label's volume is said without its drug", "say what else is on the label")
        return None
    return Label(parse_drugs(drugs), parse_whole(volume, VOLUME) if volume else None)


def parse_drugs(text: str) -> tuple[LabelDrug, ...]:
    """ "morphine 20 mg/mL + bupivacaine 5 mg/mL". ThecalError: that is not what a label is read as."""
    return tuple(_parse_one(part.strip()) for part in text.split("+"))


def _parse_one(text: str) -> LabelDrug:
    found = _ONE.fullmatch(text)
    if found is None or not names.folded(found["name"]):
        lacks = "names no drug" if re.match(r"[-+.]?[0-9]", text) else "says no concentration"
        raise ThecalError(f'"{text}" {lacks}' if text else "a label says drug and concentration", _HINT)
    return LabelDrug(found["name"].rstrip(": "), parse_whole(found["amount"], CONCENTRATION))


def check(
    label: Label, drugs: Sequence[Mapping[str, Any]], *, reservoir_pl: int, filled_pl: int, with_program: bool
) -> None:
    """ThecalError with all that differs. `drugs`: of the program that gives what is filled in;
    `with_program`: it comes with the refill."""
    other = list(_other_drugs(label, drugs))
    volume = list(_volume_problems(label, reservoir_pl, filled_pl))
    if other:
        raise ThecalError("; ".join([*other, *volume]), _WRONG_FILE if with_program else _TOGETHER)
    if volume:
        raise ThecalError("; ".join(volume), "nothing was changed; correct it and say it again")


def _other_drugs(label: Label, drugs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    wanted = [LabelDrug(drug["name"], drug["concentration_ng_per_ml"]) for drug in drugs]
    lacks = [drug for drug in wanted if not any(_is_same(one.name, drug.name) for one in label.drugs)]
    more = [one for one in label.drugs if not any(_is_same(one.name, drug.name) for drug in wanted)]
    for drug in wanted:
        for one in label.drugs:
            differs = one.concentration_ng_per_ml != drug.concentration_ng_per_ml
            if differs and _is_same(one.name, drug.name):
                yield f"the label says {one.words()}, the program {drug.words()}"
    if more and lacks:
        yield f"the label says {_all(more)}, the program {_all(lacks)}"
    elif more:
        yield f"the label says {_all(more)}, which the program does not have"
    elif lacks:
        yield f"the label says nothing of {_all(lacks)}, which the program has"


def _all(drugs: Sequence[LabelDrug]) -> str:
    return " + ".join(drug.words() for drug in drugs)


def _is_same(one: str, other: str) -> bool:
    """Stricter than where limits are looked up: "morphine sulfate" is morphine, "diamorphine" is another
    drug, although the limits of morphine hold for it."""
    if names.same(one, other):
        return True
    ours, theirs = set(names.folded(one).split()), set(names.folded(other).split())
    return (ours <= theirs or theirs <= ours) and rule_for(one) is not None and same_drug(one, other)


def _volume_problems(label: Label, reservoir_pl: int, filled_pl: int) -> Iterator[str]:
    if label.volume_pl is None:
        return
    said = f"the label says {volume_text(label.volume_pl)}"
    if label.volume_pl > reservoir_pl:
        yield f"{said}, and the reservoir holds {volume_text(reservoir_pl)}"
    if filled_pl > label.volume_pl:
        filled = f"{volume_text(filled_pl)} was filled in"
        yield f"{said}, and {filled}: of several syringes say what they hold together"
