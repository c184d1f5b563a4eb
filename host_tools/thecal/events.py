"""The models of an events file, one per kind of event. Format: docs/therapy-files.md, Events.

An event either does something that a person at the tools could do (`do`) or injects a fault or a condition
of the bench (`inject`). Times are whole microseconds after time zero. `thecal.events_file` reads them.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo

from thecal import quantities, ranges
from thecal.errors import TherapyError
from thecal.ranges import Range
from thecal.therapy import load_therapy
from thecal.therapy_fields import amount, count
from thecal.therapy_models import Section, Therapy
from thecal.toml_file import wrong

_LONGEST = Range(
    "time of an event", 0, 200 * 366 * ranges.US_PER_DAY, lambda us: f"{us // ranges.US_PER_DAY} d"
)

MEASURED = "measured"
EXAMPLES = {
    "at": 'at = "2h"',
    "do": 'do = "patient_bolus"',
    "inject": 'inject = "motor_stall"',
    "dose": 'dose = "0.2 mg"',
    "duration": 'duration = "10 min"',
    "extended": "extended = true",
    "file": 'file = "next.toml"',
    "volume": 'volume = "40 mL"',
    "residual": 'residual = "3.1 mL"',
    "offset": 'offset = "+1h"',
    "for": 'for = "10min"',
    "dry": "dry = true",
    "factor": 'factor = "1.2"',
    "percent": "percent = 5",
    "celsius": "celsius = 43",
    "bit_error_rate": 'bit_error_rate = "1e-4"',
}


def _number(example: str, low: Fraction, high: Fraction) -> BeforeValidator:
    def read(value: object) -> Fraction:
        try:
            number = quantities.parse_number(value, example)
        except quantities.QuantityError as error:
            raise wrong(str(error)) from error
        if not low <= number <= high:
            raise wrong(f'"{value}" is not within {low} to {high}')
        return number

    return BeforeValidator(read)


def _read_offset(value: object) -> int:
    try:
        return quantities.parse_whole(value, quantities.DURATION, negative=True)
    except quantities.QuantityError as error:
        raise wrong(str(error)) from error


def _read_program(value: object, info: ValidationInfo) -> Therapy:
    """The therapy in the file named, relative to the folder in the validation's context."""
    if not isinstance(value, str) or not value:
        raise wrong(f"{value} is not the name of a therapy file; write for example: {EXAMPLES['file']}")
    context: dict[str, Path] = info.context or {}
    try:
        return load_therapy(context.get("folder", Path()) / value)
    except TherapyError as error:
        where = "" if error.problems[0][0] == "" else f"{value}: "
        raise wrong(f"{where}{error}") from error


def _read_residual(value: object) -> int | None:
    """A volume, or "measured": what the bench finds in the reservoir."""
    if value == MEASURED:
        return None
    try:
        residual_pl = quantities.parse_whole(value, quantities.VOLUME, zero=True)
    except quantities.QuantityError as error:
        raise wrong(f'{error}, or "{MEASURED}"') from error
    complaint = ranges.FILL.complaint(residual_pl)
    if complaint is not None:
        raise wrong(complaint)
    return residual_pl


_BolusDose = Annotated[int, amount(quantities.MASS, ranges.BOLUS_DOSE)]
_BolusDuration = Annotated[int, amount(quantities.DURATION, ranges.BOLUS_DURATION)]
_Volume = Annotated[int, amount(quantities.VOLUME, ranges.FILL)]
_Span = Annotated[int, amount(quantities.DURATION, _LONGEST)]


class _Event(Section):
    """What every event has."""

    at_us: Annotated[int, amount(quantities.DURATION, _LONGEST)] = Field(alias="at")


class _Lasting(_Event):
    """An injected condition that lasts; None: until the end."""

    for_us: _Span | None = Field(default=None, alias="for")


class PatientBolusEvent(_Event):
    """The patient presses the button."""

    what: Literal["patient_bolus"] = Field(alias="do")


class ClinicianBolusEvent(_Event):
    """A bolus by the clinician; `extended`: one that a patient bolus suspends."""

    what: Literal["clinician_bolus"] = Field(alias="do")
    dose_ng: _BolusDose = Field(alias="dose")
    duration_us: _BolusDuration = Field(alias="duration")
    extended: bool = False


class StopEvent(_Event):
    """Delivery is stopped; it resumes by itself after `resume_after_s` (0: it does not)."""

    what: Literal["stop"] = Field(alias="do")
    resume_after_s: Annotated[int, amount(quantities.SECONDS, ranges.MAX_PAUSE)] = Field(
        default=0, alias="for"
    )


class ResumeEvent(_Event):
    """Delivery is resumed."""

    what: Literal["resume"] = Field(alias="do")


class ProgramEvent(_Event):
    """Another therapy is committed. It has been read and checked."""

    what: Literal["program"] = Field(alias="do")
    therapy: Annotated[Therapy, BeforeValidator(_read_program)] = Field(alias="file")


class RefillEvent(_Event):
    """The reservoir is emptied (`residual_pl` came out; None: what is really in it) and filled."""

    what: Literal["refill"] = Field(alias="do")
    volume_pl: _Volume = Field(alias="volume")
    residual_pl: Annotated[int | None, BeforeValidator(_read_residual)] = Field(alias="residual")


class SetClockEvent(_Event):
    """Local time moves by so many microseconds, either way."""

    what: Literal["set_clock"] = Field(alias="do")
    offset_us: Annotated[int, BeforeValidator(_read_offset)] = Field(alias="offset")


class ImplantEvent(_Event):
    """The flag for implant or revision is set: for an hour a prime may be given."""

    what: Literal["implant"] = Field(alias="do")


class PrimeEvent(_Event):
    """The catheter is primed; `dry`: the whole dead volume, of a pump that was never primed."""

    what: Literal["prime"] = Field(alias="do")
    dry: bool = False


class CancelPlanEvent(_Event):
    """The plan ends where it stands."""

    what: Literal["cancel_plan"] = Field(alias="do")


class SkipBridgeEvent(_Event):
    """The bridge is left before its volume is through."""

    what: Literal["skip_bridge"] = Field(alias="do")


class MotorStallEvent(_Lasting):
    """The motor does not turn."""

    what: Literal["motor_stall"] = Field(alias="inject")


class PowerCutEvent(_Lasting):
    """The supply is gone."""

    what: Literal["power_cut"] = Field(alias="inject")


class OverDeliveryEvent(_Lasting):
    """Every step displaces `factor` times its volume."""

    what: Literal["over_delivery"] = Field(alias="inject")
    factor: Annotated[Fraction, _number("1.2", Fraction(0), Fraction(10))]


class BatteryLevelEvent(_Event):
    """The battery shows this charge."""

    what: Literal["battery_level"] = Field(alias="inject")
    percent: Annotated[int, count(0, 100, "percent = 5")]


class TemperatureEvent(_Event):
    """The pump is this warm."""

    what: Literal["temperature"] = Field(alias="inject")
    celsius: Annotated[int, count(-40, 125, "celsius = 43")]


class LinkNoiseEvent(_Lasting):
    """Bits on the serial line flip at this rate."""

    what: Literal["link_noise"] = Field(alias="inject")
    bit_error_rate: Annotated[Fraction, _number("1e-4", Fraction(0), Fraction(1))]


class LinkFloodEvent(_Lasting):
    """The serial line is flooded."""

    what: Literal["link_flood"] = Field(alias="inject")


class FlashBitFlipEvent(_Event):
    """One bit of the flash flips."""

    what: Literal["flash_bit_flip"] = Field(alias="inject")


class PlannerFaultEvent(_Lasting):
    """The planner misbehaves."""

    what: Literal["planner_fault"] = Field(alias="inject")


class SensorStuckEvent(_Lasting):
    """A sensor shows the same for ever."""

    what: Literal["sensor_stuck"] = Field(alias="inject")


Event = (
    PatientBolusEvent
    | ClinicianBolusEvent
    | StopEvent
    | ResumeEvent
    | ProgramEvent
    | RefillEvent
    | SetClockEvent
    | ImplantEvent
    | PrimeEvent
    | CancelPlanEvent
    | SkipBridgeEvent
    | MotorStallEvent
    | PowerCutEvent
    | OverDeliveryEvent
    | BatteryLevelEvent
    | TemperatureEvent
    | LinkNoiseEvent
    | LinkFloodEvent
    | FlashBitFlipEvent
    | PlannerFaultEvent
    | SensorStuckEvent
)
DO: dict[str, type[Event]] = {
    "patient_bolus": PatientBolusEvent,
    "clinician_bolus": ClinicianBolusEvent,
    "stop": StopEvent,
    "resume": ResumeEvent,
    "program": ProgramEvent,
    "refill": RefillEvent,
    "set_clock": SetClockEvent,
    "implant": ImplantEvent,
    "prime": PrimeEvent,
    "cancel_plan": CancelPlanEvent,
    "skip_bridge": SkipBridgeEvent,
}
INJECT: dict[str, type[Event]] = {
    "motor_stall": MotorStallEvent,
    "power_cut": PowerCutEvent,
    "over_delivery": OverDeliveryEvent,
    "battery_level": BatteryLevelEvent,
    "temperature": TemperatureEvent,
    "link_noise": LinkNoiseEvent,
    "link_flood": LinkFloodEvent,
    "flash_bit_flip": FlashBitFlipEvent,
    "planner_fault": PlannerFaultEvent,
    "sensor_stuck": SensorStuckEvent,
}
