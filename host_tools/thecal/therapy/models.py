"""The models that a therapy TOML is read into. Format: docs/reference/therapy-files.md.

Amounts are whole numbers of wire units (the unit is in the attribute's name); what is not exactly one is
refused while reading. A model that exists is well formed and every amount is in range; what depends on
several fields is the business of `thecal.therapy.rules.whole`.
"""

from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from thecal.therapy import limits as ranges
from thecal.therapy.fields import (
    EXAMPLES,
    DoseChange,
    amount,
    count,
    read_change,
    read_days,
    read_schema,
    read_start,
    words,
)
from thecal.units import quantities
from thecal.units.amounts import ALL_DAYS

_StepVolume = Annotated[int, amount(quantities.STEP_VOLUME, ranges.STEP_VOLUME)]
_Reservoir = Annotated[int, amount(quantities.VOLUME, ranges.RESERVOIR)]
_BolusDose = Annotated[int, amount(quantities.MASS, ranges.BOLUS_DOSE)]
_BolusDuration = Annotated[int, amount(quantities.DURATION, ranges.BOLUS_DURATION)]
_DosePerDay = Annotated[int, amount(quantities.DOSE_RATE, ranges.DOSE_PER_DAY)]
_DoseLimit = Annotated[int, amount(quantities.MASS, ranges.DOSE_LIMIT)]


class Section(BaseModel):
    """A table of the file: unknown fields are refused, values do not change afterwards."""

    # defer_build: made ready when first used, as a part of the whole document and not by itself.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Pump(Section):
    """The pump's reservoir and the volume its motor displaces per step."""

    reservoir_pl: _Reservoir = Field(alias="reservoir")
    fill_pl: Annotated[int, amount(quantities.VOLUME, ranges.FILL)] = Field(alias="fill")
    step_volume_pl: _StepVolume = Field(alias="step_volume")


class Catheter(Section):
    """What lies between reservoir and catheter tip."""

    pump_tubing_pl: Annotated[int, amount(quantities.VOLUME, ranges.TUBING)] = Field(alias="pump_tubing")
    length_um: Annotated[int, amount(quantities.LENGTH, ranges.LENGTH)] = Field(alias="length")
    volume_per_length_pl_per_cm: Annotated[
        int, amount(quantities.VOLUME_PER_LENGTH, ranges.VOLUME_PER_LENGTH)
    ] = Field(alias="volume_per_length")


class Drug(Section):
    """One drug of the filling."""

    name: Annotated[str, words(ranges.MAX_DRUG_NAME_BYTES)]
    concentration_ng_per_ml: Annotated[int, amount(quantities.CONCENTRATION, ranges.CONCENTRATION)] = Field(
        alias="concentration"
    )


class BasalStep(Section):
    """One step of a flex schedule: the dose from `start_min` on, on the days of the mask."""

    start_min: Annotated[int, BeforeValidator(read_start)] = Field(alias="start")
    dose_ng_per_day: _DosePerDay = Field(alias="dose")
    days: Annotated[int, BeforeValidator(read_days)] = ALL_DAYS


class Basal(Section):
    """What the pump delivers when nothing else is asked for."""

    mode: Literal["continuous", "flex", "minimum", "stopped"]
    dose_ng_per_day: _DosePerDay | None = Field(default=None, alias="dose")
    steps: list[BasalStep] = Field(default_factory=list[BasalStep], alias="step")


class Start(Section):
    """When infusion begins."""

    delay_s: Annotated[int, amount(quantities.SECONDS, ranges.START_DELAY)] = Field(default=0, alias="delay")


class PlanStep(Section):
    """One step of a plan: the basal dose from `after_us` after the commit on."""

    after_us: Annotated[int, amount(quantities.DURATION, ranges.PLAN_AFTER)] = Field(alias="after")
    dose_ng_per_day: _DosePerDay = Field(alias="dose")


class Taper(Section):
    """A plan of equal changes at equal times; `thecal.therapy.taper` works it out into steps."""

    change: Annotated[DoseChange, BeforeValidator(read_change)]
    every_us: Annotated[int, amount(quantities.DURATION, ranges.PLAN_SPAN)] = Field(alias="every")
    steps: Annotated[int, count(1, ranges.MAX_PLAN_STEPS, EXAMPLES["taper.steps"])] | None = None
    until_ng_per_day: _DosePerDay | None = Field(default=None, alias="until")


class BridgeRequest(Section):
    """The old filling is to be bridged; None: at the intended dose."""

    dose_ng_per_day: _DosePerDay | None = Field(default=None, alias="dose")


class PeriodicBolus(Section):
    """A bolus the pump gives by itself, `first_us` after the commit and every `every_us` from then on."""

    dose_ng: _BolusDose = Field(alias="dose")
    duration_us: _BolusDuration = Field(alias="duration")
    every_us: Annotated[int, amount(quantities.DURATION, ranges.PERIOD)] = Field(alias="every")
    first_us: Annotated[int, amount(quantities.DURATION, ranges.FIRST)] = Field(alias="first")


class PatientBolus(Section):
    """What the patient may ask for."""

    dose_ng: _BolusDose = Field(alias="dose")
    duration_us: _BolusDuration = Field(alias="duration")
    lockout_us: Annotated[int, amount(quantities.DURATION, ranges.LOCKOUT)] = Field(alias="lockout")
    max_per_24h: Annotated[int, count(1, ranges.MAX_BOLUSES_PER_24H, EXAMPLES["patient_bolus.max_per_24h"])]


class DrugLimits(Section):
    """Dose limits of one drug over every source; None: no limit of this kind."""

    max_dose_24h_ng: _DoseLimit | None = Field(default=None, alias="max_dose_24h")
    max_dose_1h_ng: _DoseLimit | None = Field(default=None, alias="max_dose_1h")


class DoseLimits(NamedTuple):
    """What `Therapy.limits_of` answers, in ng; None: no limit of this kind."""

    max_24h_ng: int | None
    max_1h_ng: int | None


class Limits(DrugLimits):
    """Limits of the primary drug, per drug by name, and of the total rate."""

    max_rate_pl_per_day: Annotated[int, amount(quantities.VOLUME_RATE, ranges.MAX_RATE)] = Field(
        default=ranges.DEFAULT_MAX_RATE, alias="max_rate"
    )
    by_drug: dict[str, DrugLimits] = Field(default_factory=dict[str, DrugLimits], alias="drug")


class Alarms(Section):
    """When the pump draws attention to itself."""

    low_reservoir_pl: Annotated[int, amount(quantities.VOLUME, ranges.LOW_RESERVOIR)] = Field(
        default=ranges.DEFAULT_LOW_RESERVOIR, alias="low_reservoir"
    )
    low_reservoir_days: Annotated[
        int, count(0, ranges.MAX_LOW_RESERVOIR_DAYS, EXAMPLES["alarms.low_reservoir_days"])
    ] = 0
    max_pause_s: Annotated[int, amount(quantities.SECONDS, ranges.MAX_PAUSE)] = Field(
        default=ranges.DEFAULT_MAX_PAUSE_S, alias="max_pause"
    )


class Therapy(Section):
    """A whole therapy file."""

    schema_version: Annotated[int, BeforeValidator(read_schema)] = Field(alias="schema")
    name: Annotated[str, words(ranges.MAX_NAME_BYTES)]
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
