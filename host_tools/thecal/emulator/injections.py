"""The models of what an events file injects: faults and conditions of the bench
(docs/reference/therapy-files.md).

Each says what the bench is told of it. `thecal.simulation.run` begins and ends them.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator
from pydantic.fields import FieldInfo

from thecal.emulator.event_fields import EXAMPLES, Condition, Lasting, number, one_of
from thecal.therapy.fields import Reader, count, words, wrong
from thecal_protocol import sensors
from thecal_protocol.bench import PLANNER_FAULTS

SENSORS = tuple(row[1] for row in sensors.SENSORS if row[2])
_WITH_FACTOR = ("rate", "planner_rate")

_Sensor = Annotated[str, one_of("sensor", SENSORS)]
_Factor = Annotated[Fraction, number("1.2", 0, 10)]


class MotorStallEvent(Lasting):
    """The motor does not turn."""

    what: Literal["motor_stall"] = Field(alias="inject")


class PowerCutEvent(Lasting):
    """The supply is gone."""

    what: Literal["power_cut"] = Field(alias="inject")


class OverDeliveryEvent(Lasting):
    """Every step displaces `factor` times its volume."""

    what: Literal["over_delivery"] = Field(alias="inject")
    factor: _Factor

    def bench_values(self) -> dict[str, int | str]:
        return {"num": self.factor.numerator, "den": self.factor.denominator}


class OcclusionEvent(Lasting):
    """The catheter or the inlet is blocked."""

    what: Literal["occlusion"] = Field(alias="inject")
    where: Annotated[str, one_of("where", ("downstream", "upstream"))] = "downstream"

    @property
    def place(self) -> tuple[str, ...]:
        return (*super().place, self.where)

    def bench_values(self) -> dict[str, int | str]:
        return {"where": self.where}


class BatteryLevelEvent(Condition):
    """The battery has this charge left, and is drawn down from there."""

    what: Literal["battery_level"] = Field(alias="inject")
    percent: Annotated[int, count(0, 100, EXAMPLES["percent"], "{} %".format)]

    def bench_values(self) -> dict[str, int | str]:
        return {"percent": self.percent}


class TemperatureEvent(Lasting):
    """The pump is this warm."""

    what: Literal["temperature"] = Field(alias="inject")
    celsius: Annotated[int, count(-40, 125, EXAMPLES["celsius"], "{} °C".format)]

    def bench_values(self) -> dict[str, int | str]:
        return {"millicelsius": self.celsius * 1000}


class _OfSensor(Lasting):
    """Something happens to one sensor."""

    sensor: _Sensor = "temperature"

    @property
    def place(self) -> tuple[str, ...]:
        return (*super().place, self.sensor)

    def bench_values(self) -> dict[str, int | str]:
        return {"which": self.sensor}


class SensorStuckEvent(_OfSensor):
    """A sensor shows for ever what it shows now."""

    what: Literal["sensor_stuck"] = Field(alias="inject")


class SensorMissingEvent(_OfSensor):
    """A sensor does not answer."""

    what: Literal["sensor_missing"] = Field(alias="inject")


class SensorNoiseEvent(_OfSensor):
    """A sensor makes ten times its normal noise."""

    what: Literal["sensor_noise"] = Field(alias="inject")


class LinkNoiseEvent(Lasting):
    """Bits on the serial line flip at this rate."""

    what: Literal["link_noise"] = Field(alias="inject")
    bit_error_rate: Annotated[Fraction, number("1e-4", 0, 1)]

    def bench_values(self) -> dict[str, int | str]:
        return {"one_in": self.one_in}

    @property
    def one_in(self) -> int:
        """One bit in so many flips; 0: none."""
        return round(1 / self.bit_error_rate) if self.bit_error_rate else 0


class LinkFloodEvent(Lasting):
    """The serial line is flooded."""

    what: Literal["link_flood"] = Field(alias="inject")
    bytes_per_s: Annotated[int, count(1, 100_000, EXAMPLES["bytes_per_s"], "{} B/s".format)] = 1000

    def bench_values(self) -> dict[str, int | str]:
        return {"bytes_per_s": self.bytes_per_s}


class FlashBitFlipEvent(Condition):
    """One bit of a file on the pump's flash turns over."""

    what: Literal["flash_bit_flip"] = Field(alias="inject")


class PlannerFaultEvent(Lasting):
    """The planner misbehaves. `factor`: of the rate, for the kinds that are about it."""

    what: Literal["planner_fault"] = Field(alias="inject")
    kind: Annotated[str, one_of("kind", PLANNER_FAULTS)] = "runaway"
    factor: _Factor | None = None

    @model_validator(mode="after")
    def _factor_fits(self) -> PlannerFaultEvent:
        if self.factor is not None and self.kind not in _WITH_FACTOR:
            raise wrong(f"factor goes with kind = {' and '.join(_WITH_FACTOR)} only; leave it out")
        return self

    def bench_values(self) -> dict[str, int | str]:
        factor = Fraction(2) if self.factor is None else self.factor
        return {"kind": self.kind, "num": factor.numerator, "den": factor.denominator}


class MemoryFlipEvent(Condition):
    """One bit of a value in the pump's memory turns over; `name`: its path from the pump on."""

    what: Literal["memory_flip"] = Field(alias="inject")
    name: Annotated[str, words(100)]
    bit: Annotated[int, count(0, 61, EXAMPLES["bit"])] = 0

    def bench_values(self) -> dict[str, int | str]:
        return {"name": self.name, "bit": self.bit}


class HangEvent(Condition):
    """The pump's main loop never comes back: its watchdog resets it."""

    what: Literal["hang"] = Field(alias="inject")


class WatchdogBiteEvent(Condition):
    """The watchdog bites for no reason."""

    what: Literal["watchdog_bite"] = Field(alias="inject")


class CodeDamageEvent(Lasting):
    """The firmware's files are not those of the build any more."""

    what: Literal["code_damage"] = Field(alias="inject")


class BuzzerBrokenEvent(Lasting):
    """The buzzer makes no sound."""

    what: Literal["buzzer_broken"] = Field(alias="inject")


class PressButtonEvent(Condition):
    """Somebody presses the pump's button."""

    what: Literal["press_button"] = Field(alias="inject")


Injection = (
    MotorStallEvent
    | PowerCutEvent
    | OverDeliveryEvent
    | OcclusionEvent
    | BatteryLevelEvent
    | TemperatureEvent
    | SensorStuckEvent
    | SensorMissingEvent
    | SensorNoiseEvent
    | LinkNoiseEvent
    | LinkFloodEvent
    | FlashBitFlipEvent
    | PlannerFaultEvent
    | MemoryFlipEvent
    | HangEvent
    | WatchdogBiteEvent
    | CodeDamageEvent
    | BuzzerBrokenEvent
    | PressButtonEvent
)
INJECT: dict[str, type[Injection]] = {
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
    "sensor_missing": SensorMissingEvent,
    "sensor_noise": SensorNoiseEvent,
    "occlusion": OcclusionEvent,
    "hang": HangEvent,
    "watchdog_bite": WatchdogBiteEvent,
    "memory_flip": MemoryFlipEvent,
    "code_damage": CodeDamageEvent,
    "buzzer_broken": BuzzerBrokenEvent,
    "press_button": PressButtonEvent,
}


def listing() -> list[dict[str, Any]]:
    """Every injection for people who look for one: what it does, whether it lasts, and of each value an
    example, its bounds with units, or the words there are."""
    return [
        {
            "name": name,
            "does": " ".join((model.__doc__ or "").split()),
            "lasting": issubclass(model, Lasting),
            "values": [
                {"name": field.alias or key, **_said_of(key, field)}
                for key, field in model.model_fields.items()
                if key not in ("at_us", "what", "for_us")
            ],
        }
        for name, model in INJECT.items()
    ]


def _said_of(key: str, field: FieldInfo) -> dict[str, Any]:
    reader = next(x for x in (*field.metadata, *_inside(field)) if isinstance(x, Reader))
    allowed = reader.allowed
    bounds = f"{reader.text(allowed.low)} to {reader.text(allowed.high)}" if allowed else ""
    default = None if field.is_required() else field.default
    known = list(reader.known)
    return {"example": EXAMPLES[key], "bounds": bounds, "known": known, "default": default}


def _inside(field: FieldInfo) -> tuple[object, ...]:
    """What stands at a type that may also be None."""
    return tuple(note for part in get_args(field.annotation) for note in get_args(part)[1:])
