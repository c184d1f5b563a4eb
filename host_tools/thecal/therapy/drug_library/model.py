"""A drug library as it stands in its file. Format: docs/reference/library.md.

Every figure has a source and says whether it is provisional. Amounts are whole numbers of wire units.
"""

from datetime import date
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from thecal.errors import TherapyError
from thecal.therapy import limits
from thecal.therapy.drug_library import names
from thecal.therapy.fields import amount, count, read_schema, words, wrong
from thecal.therapy.models import Section
from thecal.therapy.toml_file import problems_of
from thecal.units import quantities
from thecal.units.amounts import concentration_text, dose_rate_text

_MAX_SOURCE_BYTES = 200
HAS_ORAL = "morphine"  # the one drug whose oral doses say anything about intrathecal ones
_Concentration = Annotated[int, amount(quantities.CONCENTRATION, limits.CONCENTRATION)]
_DosePerDay = Annotated[int, amount(quantities.DOSE_RATE, limits.DOSE_PER_DAY)]
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
    "drug.oral": "[drug.oral]",
    "drug.stability": "[[drug.stability]]",
    "drug.rule": "[[drug.rule]]",
    "drug.rule.name": 'name = "no_patient_bolus"',
    "drug.supplied.values": 'values = ["10 mg/mL", "25 mg/mL"]',
    "drug.start.low": 'low = "0.1 mg/day"',
    "drug.start.high": 'high = "0.5 mg/day"',
    "drug.step.rise": 'rise = "2.4 mcg/day"',
    "drug.step.percent": "percent = 30",
    "drug.oral.ratio": "ratio = 300",
    "drug.oral.least": "least = 12",
    "drug.stability.up_to": 'up_to = "25 mcg/mL"',
    "drug.stability.days": "days = 40",
    "drug.stability.first_days": "first_days = 14",
    "drug.concentration.soft": 'soft = "20 mg/mL"',
    "drug.concentration.hard": 'hard = "25 mg/mL"',
    "drug.dose.soft": 'soft = "15 mg/day"',
    "drug.dose.hard": 'hard = "20 mg/day"',
    **{
        f"drug.{figure}.{field}": example
        for figure in ("supplied", "concentration", "dose", "start", "step", "oral", "stability", "rule")
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

    @model_validator(mode="after")
    def _once(self) -> "Supplied":
        if len(set(self.values)) < len(self.values):
            raise wrong("a concentration stands twice; name each once")
        return self


class ConcentrationLimits(Figure):
    """Up to where a concentration is usual (soft), and allowed at all (hard)."""

    soft_ng_per_ml: _Concentration | None = Field(default=None, alias="soft")
    hard_ng_per_ml: _Concentration | None = Field(default=None, alias="hard")

    @model_validator(mode="after")
    def _ordered(self) -> "ConcentrationLimits":
        _check_order(self.soft_ng_per_ml, self.hard_ng_per_ml)
        return self


class DoseLimits(Figure):
    """The same for what any 24 h may hold."""

    soft_ng_per_day: _DosePerDay | None = Field(default=None, alias="soft")
    hard_ng_per_day: _DosePerDay | None = Field(default=None, alias="hard")

    @model_validator(mode="after")
    def _ordered(self) -> "DoseLimits":
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

    @model_validator(mode="after")
    def _ordered(self) -> "StartDose":
        if self.low_ng_per_day is not None and self.low_ng_per_day > self.high_ng_per_day:
            raise wrong("its low is above its high; exchange them, or correct the one that is wrong")
        return self


class DoseStep(Figure):
    """The largest usual step of a titration: a rise, or percent either way."""

    rise_ng_per_day: _DosePerDay | None = Field(default=None, alias="rise")
    percent: Annotated[int, count(1, 100, EXAMPLES["drug.step.percent"])] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "DoseStep":
        if self.rise_ng_per_day is None and self.percent is None:
            raise wrong("has neither rise nor percent; write one of them")
        return self


class OralRatio(Figure):
    """So many times as much works by mouth as intrathecally: the ratio that gives the smaller dose, and the
    least that was published. Advice, in this direction alone."""

    ratio: Annotated[int, count(1, 1000, EXAMPLES["drug.oral.ratio"])]
    least: Annotated[int, count(1, 1000, EXAMPLES["drug.oral.least"])]

    @model_validator(mode="after")
    def _ordered(self) -> "OralRatio":
        if self.least > self.ratio:
            raise wrong("its least is above its ratio; exchange them, or correct the one that is wrong")
        return self


class Stability(Figure):
    """How long a filling up to this concentration keeps; the very first one may keep shorter."""

    up_to_ng_per_ml: _Concentration = Field(alias="up_to")
    days: Annotated[int, count(1, 3650, EXAMPLES["drug.stability.days"])]
    first_days: Annotated[int, count(1, 3650, EXAMPLES["drug.stability.first_days"])] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "Stability":
        if self.first_days is not None and self.first_days > self.days:
            raise wrong("the first filling keeps no longer than later ones: first_days is above days")
        return self


class Rule(Figure):
    """What holds for the drug without a number."""

    name: Literal["no_patient_bolus", "withdrawal"]


class DrugEntry(Section):
    """One drug."""

    name: Annotated[str, words(limits.MAX_DRUG_NAME_BYTES)]
    note: _Text | None = None
    supplied: Supplied | None = None
    concentration: ConcentrationLimits | None = None
    dose: DoseLimits | None = None
    start: StartDose | None = None
    step: DoseStep | None = None
    oral: OralRatio | None = None
    stability: list[Stability] = Field(default_factory=list[Stability])
    rules: list[Rule] = Field(default_factory=list[Rule], alias="rule")

    def rule(self, name: str) -> Rule | None:
        """The rule of this name, where the drug has it."""
        return next((rule for rule in self.rules if rule.name == name), None)

    def keeps(self, concentration_ng_per_ml: int) -> Stability | None:
        """The row of `stability` for a filling, where there is one."""
        return next((row for row in self.stability if concentration_ng_per_ml <= row.up_to_ng_per_ml), None)

    @model_validator(mode="after")
    def _named(self) -> "DrugEntry":
        if not names.folded(self.name):
            raise wrong(f'"{self.name}" has neither a letter nor a digit; write the drug\'s name')
        return self

    @model_validator(mode="after")
    def _oral_of_morphine(self) -> "DrugEntry":
        if self.oral is not None and not names.same(self.name, HAS_ORAL):
            raise wrong(
                f"an oral ratio is published for {HAS_ORAL} alone; take [drug.oral] out of {self.name}"
            )
        return self

    @model_validator(mode="after")
    def _rows_in_order(self) -> "DrugEntry":
        """The first row that a concentration lies within is the one that counts."""
        for number, (before, row) in enumerate(pairwise(self.stability), 2):
            if row.up_to_ng_per_ml <= before.up_to_ng_per_ml:
                own, above = (
                    concentration_text(row.up_to_ng_per_ml),
                    concentration_text(before.up_to_ng_per_ml),
                )
                raise wrong(
                    f"stability[{number}] up to {own} does not come after {above}; "
                    "sort the rows by concentration, the lowest first, each once"
                )
        return self

    @model_validator(mode="after")
    def _rules_once(self) -> "DrugEntry":
        given = [rule.name for rule in self.rules]
        doubled = [name for index, name in enumerate(given) if name in given[:index]]
        if doubled:
            raise wrong(f"the rule {doubled[0]} stands twice; write it once")
        return self

    @model_validator(mode="after")
    def _within_its_limits(self) -> "DrugEntry":
        """What is usual is allowed."""
        most = (self.dose.soft_ng_per_day or self.dose.hard_ng_per_day) if self.dose else None
        if most is None:
            return self
        limit = dose_rate_text(most)
        if self.start is not None and self.start.high_ng_per_day > most:
            raise wrong(
                f"its start, {dose_rate_text(self.start.high_ng_per_day)}, is above its dose limit, {limit}"
            )
        rise = self.step.rise_ng_per_day if self.step else None
        if rise is not None and rise > most:
            raise wrong(f"its step, a rise of {dose_rate_text(rise)}, is above its dose limit, {limit}")
        return self


def _read_version(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 0xFFFFFFFF:
        raise wrong(f"{value} is no version; write a whole number from 1 on that only ever grows")
    return value


def _read_date(value: object) -> str:
    """As it is written, which is what is signed; a date it must be."""
    try:
        if isinstance(value, str) and str(date.fromisoformat(value)) == value:
            return value
    except ValueError:
        pass
    raise wrong(f'"{value}" is no date; write year, month and day: {EXAMPLES["issued"]}')


class LibraryFile(Section):
    """A whole library."""

    schema_version: Annotated[int, BeforeValidator(read_schema)] = Field(alias="schema")
    name: _Text
    issuer: _Text
    version: Annotated[int, BeforeValidator(_read_version)]
    issued: Annotated[str, BeforeValidator(_read_date)]
    drugs: list[DrugEntry] = Field(alias="drug", min_length=1, max_length=200)

    @model_validator(mode="after")
    def _names_once(self) -> "LibraryFile":
        for index, drug in enumerate(self.drugs):
            for before in self.drugs[:index]:
                if names.same(drug.name, before.name):
                    raise wrong(f'"{drug.name}" stands twice; name each drug once')
        return self


def read_model(document: dict[str, object]) -> LibraryFile:
    """The library in a document without its signature; TherapyError with every problem found."""
    try:
        return LibraryFile.model_validate(document)
    except ValidationError as error:
        raise TherapyError(problems_of(error, EXAMPLES)) from error
