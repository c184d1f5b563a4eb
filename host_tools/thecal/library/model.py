"""A drug library as it stands in its file. Format: docs/library.md.

Every figure has a source and says whether it is provisional. Amounts are whole numbers of wire units.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from thecal import quantities, ranges
from thecal.errors import TherapyError
from thecal.therapy_fields import amount, count, read_schema, words
from thecal.therapy_models import Section
from thecal.toml_file import problems_of, wrong

_MAX_SOURCE_BYTES = 200
_Concentration = Annotated[int, amount(quantities.CONCENTRATION, ranges.CONCENTRATION)]
_DosePerDay = Annotated[int, amount(quantities.DOSE_RATE, ranges.DOSE_PER_DAY)]
_Text = Annotated[str, words(_MAX_SOURCE_BYTES)]

EXAMPLES = {
    "schema": "schema = 1",
    "name": 'name = "St. Mary, intrathecal"',
    "issuer": 'issuer = "St. Mary, pharmacy"',
    "version": "version = 2",
    "issued": 'issued = "2026-11-22"',
    "drug": "[[drug]]",
    "drug.name": 'name = "morphine"',
    "drug.note": 'note = "supplied at 10 and 25 mg/mL"',
    "drug.supplied": "[drug.supplied]",
    "drug.concentration": "[drug.concentration]",
    "drug.dose": "[drug.dose]",
    "drug.start": "[drug.start]",
    "drug.step": "[drug.step]",
    "drug.stability": "[[drug.stability]]",
    "drug.rule": "[[drug.rule]]",
    "drug.rule.name": 'name = "no_patient_bolus"',
    "drug.supplied.values": 'values = ["10 mg/mL", "25 mg/mL"]',
    "drug.start.low": 'low = "0.1 mg/day"',
    "drug.start.high": 'high = "0.5 mg/day"',
    "drug.step.rise": 'rise = "2.4 mcg/day"',
    "drug.step.percent": "percent = 30",
    "drug.stability.up_to": 'up_to = "25 mcg/mL"',
    "drug.stability.days": "days = 40",
    "drug.stability.first_days": "first_days = 14",
    "drug.concentration.soft": 'soft = "20 mg/mL"',
    "drug.concentration.hard": 'hard = "25 mg/mL"',
    "drug.dose.soft": 'soft = "15 mg/day"',
    "drug.dose.hard": 'hard = "20 mg/day"',
    **{
        f"drug.{figure}.{field}": example
        for figure in ("supplied", "concentration", "dose", "start", "step", "stability", "rule")
        for field, example in (("source", 'source = "label, 2023"'), ("provisional", "provisional = true"))
    },
}


class Figure(Section):
    """What every figure carries."""

    source: _Text
    provisional: bool

    @property
    def cited(self) -> str:
        """The source in words, with its mark."""
        return f"{self.source} (provisional)" if self.provisional else self.source


class Supplied(Figure):
    """Concentrations that are sold."""

    values: list[_Concentration] = Field(min_length=1)


class ConcentrationLimits(Figure):
    """Up to where a concentration is usual (soft), and allowed at all (hard)."""

    soft_ng_per_ml: _Concentration | None = Field(default=None, alias="soft")
    hard_ng_per_ml: _Concentration | None = Field(default=None, alias="hard")

    @model_validator(mode="after")
    def _ordered(self) -> ConcentrationLimits:
        _check_order(self.soft_ng_per_ml, self.hard_ng_per_ml)
        return self


class DoseLimits(Figure):
    """The same for what any 24 h may hold."""

    soft_ng_per_day: _DosePerDay | None = Field(default=None, alias="soft")
    hard_ng_per_day: _DosePerDay | None = Field(default=None, alias="hard")

    @model_validator(mode="after")
    def _ordered(self) -> DoseLimits:
        _check_order(self.soft_ng_per_day, self.hard_ng_per_day)
        return self


def _check_order(soft: int | None, hard: int | None) -> None:
    if soft is None and hard is None:
        raise wrong("has neither a soft nor a hard limit; write one of them")
    if soft is not None and hard is not None and soft > hard:
        raise wrong("its soft limit is above its hard limit")


class StartDose(Figure):
    """Where therapy usually begins."""

    low_ng_per_day: _DosePerDay | None = Field(default=None, alias="low")
    high_ng_per_day: _DosePerDay = Field(alias="high")


class DoseStep(Figure):
    """The largest usual step of a titration: a rise, or percent either way."""

    rise_ng_per_day: _DosePerDay | None = Field(default=None, alias="rise")
    percent: Annotated[int, count(1, 100, EXAMPLES["drug.step.percent"])] | None = None


class Stability(Figure):
    """How long a filling up to this concentration keeps; the very first one may keep shorter."""

    up_to_ng_per_ml: _Concentration = Field(alias="up_to")
    days: Annotated[int, count(1, 3650, EXAMPLES["drug.stability.days"])]
    first_days: Annotated[int, count(1, 3650, EXAMPLES["drug.stability.first_days"])] | None = None


class Rule(Figure):
    """What holds for the drug without a number."""

    name: Literal["no_patient_bolus", "withdrawal"]


class DrugEntry(Section):
    """One drug."""

    name: Annotated[str, words(ranges.MAX_DRUG_NAME_BYTES)]
    note: _Text | None = None
    supplied: Supplied | None = None
    concentration: ConcentrationLimits | None = None
    dose: DoseLimits | None = None
    start: StartDose | None = None
    step: DoseStep | None = None
    stability: list[Stability] = Field(default_factory=list[Stability])
    rules: list[Rule] = Field(default_factory=list[Rule], alias="rule")

    def rule(self, name: str) -> Rule | None:
        """The rule of this name, where the drug has it."""
        return next((rule for rule in self.rules if rule.name == name), None)


def _read_version(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 0xFFFFFFFF:
        raise wrong(f"{value} is no version; write a whole number from 1 on that only ever grows")
    return value


class LibraryFile(Section):
    """A whole library."""

    schema_version: Annotated[int, BeforeValidator(read_schema)] = Field(alias="schema")
    name: _Text
    issuer: _Text
    version: Annotated[int, BeforeValidator(_read_version)]
    issued: _Text
    drugs: list[DrugEntry] = Field(alias="drug", min_length=1, max_length=200)

    @model_validator(mode="after")
    def _names_once(self) -> LibraryFile:
        names = [drug.name.casefold() for drug in self.drugs]
        doubled = [name for index, name in enumerate(names) if name in names[:index]]
        if doubled:
            raise wrong(f'"{doubled[0]}" stands twice; name each drug once')
        return self


def read_model(document: dict[str, object]) -> LibraryFile:
    """The library in a document without its signature; TherapyError with every problem found."""
    try:
        return LibraryFile.model_validate(document)
    except ValidationError as error:
        raise TherapyError(problems_of(error, EXAMPLES)) from error
