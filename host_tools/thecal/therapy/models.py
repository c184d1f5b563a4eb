"""The models that a therapy TOML is read into. Format: docs/reference/therapy-files.md.

Amounts are whole numbers of wire units (the unit is in the attribute's name); what is not exactly one is
refused while reading. A model that exists is well formed and every amount is in range; what depends on
several fields is the business of `thecal.therapy.rules`.

A field is declared here and nowhere else on the host: key in the file, example, unit, range, default, wire
name, text. Error messages, the wire, reviews and what is written back into a file come of it (`Section`).
"""

import functools
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field

from thecal.therapy import limits as ranges
from thecal.therapy.fields import (
    CHANGE_EXAMPLE,
    DAYS_EXAMPLE,
    DoseChange,
    Reader,
    amount,
    count,
    read_change,
    read_days,
    read_schema,
    read_start,
    words,
)
from thecal.therapy.limits import PL_PER_ML, US_PER_DAY, US_PER_S, Range
from thecal.units import amounts, quantities
from thecal.units.amounts import ALL_DAYS

_BolusDose = Annotated[int, amount(quantities.MASS, ranges.BOLUS_DOSE, 'dose = "0.1 mg"', is_dose=True)]
_BolusDuration = Annotated[int, amount(quantities.DURATION, ranges.BOLUS_DURATION, 'duration = "5 min"')]
_DOSE_LIMIT = Range("dose limit", 1, 1_000_000_000, amounts.mass_text)


def _dose_per_day(example: str) -> Reader:
    return amount(quantities.DOSE_RATE, ranges.DOSE_PER_DAY, example)


def _as_it_is(value: object) -> object:
    return value


class Number(NamedTuple):
    """A plain number of a section: attribute, key in the file, name on the wire, the rest of its field."""

    name: str
    key: str
    wire: str
    reader: Reader


class Section(BaseModel):
    """A table of the file: unknown fields are refused, values do not change afterwards."""

    # defer_build: made ready when first used, as a part of the whole document and not by itself.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    def on_wire(self) -> dict[str, object]:
        """Its plain numbers, by their names on the wire."""
        return {number.wire: getattr(self, number.name) for number in numbers_of(type(self))}

    @classmethod
    def in_file(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """The plain numbers of a program (`thecal_protocol.therapy.THERAPY`) as they stand in a file."""
        return {
            number.key: number.reader.written(values[number.wire])
            for number in numbers_of(cls)
            if number.reader.written is not None
        }


@functools.cache
def numbers_of(section: type[Section]) -> tuple[Number, ...]:
    """The plain numbers of a section: those that there always are."""
    found: list[Number] = []
    for name, field in section.model_fields.items():
        for reader in field.metadata:
            if isinstance(reader, Reader) and reader.written is not None:
                found.append(Number(name, field.alias or name, reader.wire or name, reader))
    return tuple(found)


class Pump(Section):
    """The pump's reservoir and the volume its motor displaces per step."""

    reservoir_pl: Annotated[
        int,
        amount(
            quantities.VOLUME,
            Range("reservoir volume", PL_PER_ML, 100 * PL_PER_ML, amounts.volume_text),
            'reservoir = "40 mL"',
        ),
    ] = Field(alias="reservoir")
    fill_pl: Annotated[int, amount(quantities.VOLUME, ranges.FILL, 'fill = "40 mL"')] = Field(alias="fill")
    step_volume_pl: Annotated[
        int, amount(quantities.STEP_VOLUME, ranges.STEP_VOLUME, 'step_volume = "2.5 nL"', is_dose=True)
    ] = Field(alias="step_volume")


class Catheter(Section):
    """What lies between reservoir and catheter tip."""

    pump_tubing_pl: Annotated[
        int,
        amount(
            quantities.VOLUME,
            Range("volume of the pump tubing", 0, 2 * PL_PER_ML, amounts.volume_text),
            'pump_tubing = "140 uL"',
        ),
    ] = Field(alias="pump_tubing")
    length_um: Annotated[
        int,
        amount(
            quantities.LENGTH,
            Range("catheter length", 0, 5_000_000, amounts.length_text),
            'length = "89 cm"',
            wire="catheter_length_um",
        ),
    ] = Field(alias="length")
    volume_per_length_pl_per_cm: Annotated[
        int,
        amount(
            quantities.VOLUME_PER_LENGTH,
            Range("catheter volume per length", 0, PL_PER_ML, amounts.volume_per_length_text),
            'volume_per_length = "2.2 uL/cm"',
            wire="catheter_pl_per_cm",
        ),
    ] = Field(alias="volume_per_length")


class Drug(Section):
    """One drug of the filling."""

    name: Annotated[str, words(ranges.MAX_DRUG_NAME_BYTES, 'name = "morphine"')]
    concentration_ng_per_ml: Annotated[
        int, amount(quantities.CONCENTRATION, ranges.CONCENTRATION, 'concentration = "20 mg/mL"')
    ] = Field(alias="concentration")


class BasalStep(Section):
    """One step of a flex schedule: the dose from `start_min` on, on the days of the mask."""

    start_min: Annotated[int, Reader(read_start, 'start = "06:00"')] = Field(alias="start")
    dose_ng_per_day: Annotated[int, _dose_per_day('dose = "0.15 mg/h"')] = Field(alias="dose")
    days: Annotated[int, Reader(read_days, DAYS_EXAMPLE)] = ALL_DAYS


class Basal(Section):
    """What the pump delivers when nothing else is asked for."""

    mode: Annotated[
        Literal["continuous", "flex", "minimum", "stopped"], Reader(_as_it_is, 'mode = "continuous"')
    ]
    dose_ng_per_day: Annotated[int, _dose_per_day('dose = "2.4 mg/day"')] | None = Field(
        default=None, alias="dose"
    )
    steps: list[BasalStep] = Field(default_factory=list[BasalStep], alias="step")


class Start(Section):
    """When infusion begins."""

    delay_s: Annotated[
        int,
        amount(
            quantities.SECONDS,
            Range("start delay", 0, 7 * 86_400, ranges.seconds_text),
            'delay = "2 h"',
            wire="start_delay_s",
        ),
    ] = Field(default=0, alias="delay")


class PlanStep(Section):
    """One step of a plan: the basal dose from `after_us` after the commit on."""

    after_us: Annotated[
        int,
        amount(
            quantities.DURATION,
            Range(
                "time of a plan's dose",
                ranges.PLAN_SPAN.low,
                ranges.MAX_PLAN_STEPS * ranges.PLAN_SPAN.high,
                amounts.duration_text,
            ),
            'after = "1 d"',
        ),
    ] = Field(alias="after")
    dose_ng_per_day: Annotated[int, _dose_per_day('dose = "2.2 mg/day"')] = Field(alias="dose")


class Taper(Section):
    """A plan of equal changes at equal times; `thecal.therapy.taper` works it out into steps."""

    change: Annotated[DoseChange, Reader(read_change, CHANGE_EXAMPLE)]
    every_us: Annotated[int, amount(quantities.DURATION, ranges.PLAN_SPAN, 'every = "1 d"')] = Field(
        alias="every"
    )
    steps: Annotated[int, count(1, ranges.MAX_PLAN_STEPS, "steps = 5")] | None = None
    until_ng_per_day: Annotated[int, _dose_per_day('until = "1.2 mg/day"')] | None = Field(
        default=None, alias="until"
    )


class BridgeRequest(Section):
    """The old filling is to be bridged; None: at the intended dose."""

    dose_ng_per_day: Annotated[int, _dose_per_day('dose = "5 mg/day"')] | None = Field(
        default=None, alias="dose"
    )


class PeriodicBolus(Section):
    """A bolus the pump gives by itself, `first_us` after the commit and every `every_us` from then on."""

    dose_ng: _BolusDose = Field(alias="dose")
    duration_us: _BolusDuration = Field(alias="duration")
    every_us: Annotated[
        int,
        amount(
            quantities.DURATION,
            Range("period of a bolus", 300 * US_PER_S, 366 * US_PER_DAY, amounts.duration_text),
            'every = "6 h"',
        ),
    ] = Field(alias="every")
    first_us: Annotated[
        int,
        amount(
            quantities.DURATION,
            Range("time to the first bolus", US_PER_S, 366 * US_PER_DAY, amounts.duration_text),
            'first = "2 h"',
        ),
    ] = Field(alias="first")


class PatientBolus(Section):
    """What the patient may ask for."""

    dose_ng: _BolusDose = Field(alias="dose")
    duration_us: _BolusDuration = Field(alias="duration")
    lockout_us: Annotated[
        int,
        amount(
            quantities.DURATION,
            Range("lockout", US_PER_S, US_PER_DAY, amounts.duration_text),
            'lockout = "2 h"',
        ),
    ] = Field(alias="lockout")
    max_per_24h: Annotated[int, count(1, 96, "max_per_24h = 6")]


class DrugLimits(Section):
    """Dose limits of one drug over every source; None: no limit of this kind."""

    max_dose_24h_ng: Annotated[int, amount(quantities.MASS, _DOSE_LIMIT, 'max_dose_24h = "6 mg"')] | None = (
        Field(default=None, alias="max_dose_24h")
    )
    max_dose_1h_ng: Annotated[int, amount(quantities.MASS, _DOSE_LIMIT, 'max_dose_1h = "1 mg"')] | None = (
        Field(default=None, alias="max_dose_1h")
    )


class DoseLimits(NamedTuple):
    """What `Therapy.limits_of` answers, in ng; None: no limit of this kind."""

    max_24h_ng: int | None
    max_1h_ng: int | None


class Limits(DrugLimits):
    """Limits of the primary drug, per drug by name, and of the total rate."""

    max_rate_pl_per_day: Annotated[
        int,
        amount(
            quantities.VOLUME_RATE,
            Range("maximum rate", 48_000_000, 24 * PL_PER_ML, amounts.volume_rate_text),
            'max_rate = "24 mL/day"',
            is_dose=True,
        ),
    ] = Field(default=24 * PL_PER_ML, alias="max_rate")
    by_drug: dict[str, DrugLimits] = Field(default_factory=dict[str, DrugLimits], alias="drug")


class Alarms(Section):
    """When the pump draws attention to itself."""

    low_reservoir_pl: Annotated[
        int,
        amount(
            quantities.VOLUME,
            Range("low-reservoir volume", PL_PER_ML // 10, 100 * PL_PER_ML, amounts.volume_text),
            'low_reservoir = "2 mL"',
        ),
    ] = Field(default=2 * PL_PER_ML, alias="low_reservoir")
    low_reservoir_days: Annotated[
        int, count(0, 60, "low_reservoir_days = 3", lambda days: f"{days} d" if days else "off")
    ] = 0
    max_pause_s: Annotated[int, amount(quantities.SECONDS, ranges.MAX_PAUSE, 'max_pause = "30 min"')] = Field(
        default=1800, alias="max_pause"
    )


class Therapy(Section):
    """A whole therapy file."""

    schema_version: Annotated[int, Reader(read_schema, "schema = 1")] = Field(alias="schema")
    name: Annotated[str, words(ranges.MAX_NAME_BYTES, 'name = "constant morphine"')]
    pump: Pump
    catheter: Catheter
    drugs: list[Drug] = Field(alias="drug", min_length=1, max_length=ranges.MAX_DRUGS)
    basal: Basal
    start: Start | None = None
    plan: list[PlanStep] = Field(default_factory=list[PlanStep], max_length=ranges.MAX_PLAN_STEPS)
    taper: Taper | None = None
    bridge: BridgeRequest | None = None
    periodic_boluses: list[PeriodicBolus] = Field(
        default_factory=list[PeriodicBolus], alias="periodic_bolus", max_length=ranges.MAX_PERIODIC_BOLUSES
    )
    patient_bolus: PatientBolus | None = None
    limits: Limits = Field(default_factory=Limits)
    alarms: Alarms = Field(default_factory=Alarms)

    @property
    def beginning(self) -> Start:
        """When infusion begins; a file that does not say it means at once."""
        return self.start or Start()

    @property
    def primary(self) -> Drug:
        """The drug that doses are of."""
        return self.drugs[0]

    def limits_of(self, drug: Drug) -> DoseLimits:
        """The limits that hold for `drug`; the primary's may stand in [limits] itself."""
        named = self.limits.by_drug.get(drug.name)
        day, hour = (named.max_dose_24h_ng, named.max_dose_1h_ng) if named else (None, None)
        if drug is self.primary:
            day = self.limits.max_dose_24h_ng if day is None else day
            hour = self.limits.max_dose_1h_ng if hour is None else hour
        return DoseLimits(day, hour)


def _examples(section: type[Section], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each field of a file by its path, with a line that would be right; entries of a group not numbered."""
    for name, field in section.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        for part in (*field.metadata, *parts_of(field.annotation)):
            if isinstance(part, Reader):
                yield path, part.example
            elif isinstance(part, type) and issubclass(part, Section):
                header = f"[[{path}]]" if get_origin(field.annotation) is list else f"[{path}]"
                if is_by_name(field.annotation):
                    header, named = f"[{path}.NAME]", f"{path}.NAME"
                    yield path, header
                    path = named
                yield path, header
                yield from _examples(part, f"{path}.")


def is_by_name(annotation: Any) -> bool:
    """Whether a field holds sections by names that the file chooses."""
    return get_origin(annotation) is dict


def parts_of(annotation: Any) -> Iterator[Any]:
    """Sections and readers in an annotation: X, X | None, list[X], dict[str, X], Annotated[X, reader]."""
    if get_origin(annotation) is Annotated:
        yield from annotation.__metadata__
    elif get_origin(annotation) in (Union, types.UnionType, list, dict):
        for inner in get_args(annotation):
            yield from parts_of(inner)
    else:
        yield annotation


EXAMPLES = dict(_examples(Therapy))  # what error messages show; also the fields that a file may have
