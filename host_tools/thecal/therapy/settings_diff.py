"""A program on the wire in words, and two of them side by side: what a person reviews before a commit.

A program is the table `thecal_protocol.therapy.THERAPY`, be it our own or the pump's reading of what it
runs. Lines are named like the fields of a therapy file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from thecal.therapy.models import (
    Alarms,
    Catheter,
    Limits,
    PatientBolus,
    PeriodicBolus,
    Pump,
    Section,
    Start,
    numbers_of,
)
from thecal.therapy.program_math import LARGE, mean_basal
from thecal.units import amounts
from thecal.units.amounts import (
    dose_rate_text,
    duration_text,
    mass_text,
    ratio_text,
)
from thecal_protocol.program import BASAL_MODES, NO_PATIENT_BOLUS, UNKNOWN_DRUG, WITHDRAWAL

_US_PER_DAY = amounts.US_PER_DAY
_RULES = (
    (UNKNOWN_DRUG, "unknown: not in the drug library"),
    (NO_PATIENT_BOLUS, "no patient bolus"),
    (WITHDRAWAL, "no sudden end (withdrawal)"),
)
_MODE_NAMES = dict(BASAL_MODES)


@dataclass(frozen=True)
class Setting:
    """One line of a review. `amount`: the number behind the text; `is_dose`: its factor of change matters."""

    field: str
    text: str
    amount: Fraction | None = None
    is_dose: bool = False


@dataclass(frozen=True)
class Change:
    """A setting old and new (None: not there). `ratio`: new / old, where both are amounts above zero."""

    field: str
    old: str | None
    new: str | None
    ratio: Fraction | None
    is_dose: bool

    @property
    def changed(self) -> bool:
        """Whether anything is different."""
        return self.old != self.new

    @property
    def large(self) -> bool:
        """Whether it needs a confirmation of its own (HOST-03)."""
        return self.is_dose and self.ratio is not None and not Fraction(1, LARGE) <= self.ratio <= LARGE


def from_wire(values: Mapping[str, Any]) -> list[Setting]:
    """Every setting of a wire therapy, in the order of the therapy file, by the file's names.

    Every repeated dose is also shown as a dose per day: the 2004 interval error (CLINICAL) shows in that
    line.
    """
    return [
        *_device(values),
        *_drugs(values),
        *_basal(values),
        *_course(values),
        *_boluses(values),
        *_rest(values),
    ]


def compare(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> list[Change]:
    """Every setting of both, side by side; those that only `old` has come last."""
    before = {setting.field: setting for setting in from_wire(old)} if old is not None else {}
    after = {setting.field: setting for setting in from_wire(new)}
    fields = [*after, *(field for field in before if field not in after)]
    return [_change(field, before.get(field), after.get(field)) for field in fields]


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """The settings that differ."""
    return [change for change in compare(old, new) if change.changed]


def _change(field: str, old: Setting | None, new: Setting | None) -> Change:
    ratio = None
    if old and new and old.amount and new.amount:
        ratio = new.amount / old.amount
    is_dose = (old or new or Setting("", "")).is_dose
    return Change(field, old.text if old else None, new.text if new else None, ratio, is_dose)


def _device(values: Mapping[str, Any]) -> Iterator[Setting]:
    yield Setting("name", str(values["name"]))
    yield from _numbers("pump", Pump, values)
    yield from _numbers("catheter", Catheter, values)


def _numbers(prefix: str, section: type[Section], values: Mapping[str, Any]) -> Iterator[Setting]:
    """The plain numbers of a section of the file, as each field says them."""
    for number in numbers_of(section):
        value, reader = values[number.wire], number.reader
        yield Setting(f"{prefix}.{number.key}", reader.text(value), Fraction(value), reader.is_dose)


def _drugs(values: Mapping[str, Any]) -> Iterator[Setting]:
    for index, drug in enumerate(values["drugs"]):
        concentration = drug["concentration_ng_per_ml"]
        yield Setting(f"drug[{index + 1}].name", drug["name"])
        rules = rules_text(values["library"], index)
        if rules:
            yield Setting(f"drug[{index + 1}].rules", rules)
        yield Setting(
            f"drug[{index + 1}].concentration",
            amounts.concentration_text(concentration),
            Fraction(concentration),
        )


def rules_text(libraries: Sequence[Mapping[str, Any]], index: int) -> str:
    """What a program's library section says of a drug without a number; "": nothing."""
    for library in libraries:
        rules = library["drugs"][index]["rules"]
        return ", ".join(text for bit, text in _RULES if rules & bit)
    return "not said: no patient bolus, no sudden end"


def _basal(values: Mapping[str, Any]) -> Iterator[Setting]:
    mode = _MODE_NAMES.get(values["basal_mode"], str(values["basal_mode"]))
    yield Setting("basal.mode", mode)
    dose, steps = values["basal_dose_ng_per_day"], values["basal_steps"]
    if mode == "continuous":
        yield Setting("basal.dose", dose_rate_text(dose), Fraction(dose), is_dose=True)
    if mode != "flex":
        return
    mean = mean_basal(values)
    about = amounts.exact_decimal(mean) is None
    yield Setting(
        "basal.dose",
        f"{'about ' if about else ''}{dose_rate_text(round(mean) if about else mean)} (mean)",
        mean,
        is_dose=True,
    )
    for step in sorted(steps, key=lambda step: (step["start_min"], step["days"])):
        days = "" if step["days"] == amounts.ALL_DAYS else f" {amounts.days_text(step['days'])}"
        start = amounts.time_of_day_text(step["start_min"])
        daily = step["dose_ng_per_day"]
        per_hour = amounts.exact_decimal(Fraction(daily, 24_000_000))
        hourly = f" ({per_hour} mg/h)" if per_hour and len(per_hour) <= 9 else ""
        yield Setting(
            f"basal.step[{start}{days}]", dose_rate_text(daily) + hourly, Fraction(daily), is_dose=True
        )


def _course(values: Mapping[str, Any]) -> Iterator[Setting]:
    """What changes by itself later: start delay, plan, bridge. Nothing of it: no lines."""
    yield from (setting for setting in _numbers("start", Start, values) if setting.amount)
    for number, step in enumerate(values["plan"], 1):
        dose = step["dose_ng_per_day"]
        text = f"{dose_rate_text(dose)} from {duration_text(step['after_us'])} on"
        yield Setting(f"plan[{number}]", text, Fraction(dose), is_dose=True)
    for bridge in values["bridge"]:
        dose, old = bridge["dose_ng_per_day"], bridge["concentration_ng_per_ml"]
        yield Setting("bridge.dose", dose_rate_text(dose), Fraction(dose), is_dose=True)
        yield Setting("bridge.concentration", amounts.concentration_text(old), Fraction(old))


def _boluses(values: Mapping[str, Any]) -> Iterator[Setting]:
    for index, bolus in enumerate(values["periodic_boluses"]):
        field = f"periodic_bolus[{index + 1}]"
        yield from _numbers(field, PeriodicBolus, bolus)
        yield _per_day(field, Fraction(bolus["dose_ng"] * _US_PER_DAY, bolus["every_us"]), "")
    for bolus in values["patient_bolus"]:
        field, most = "patient_bolus", bolus["max_per_24h"]
        yield from _numbers(field, PatientBolus, bolus)
        allowed = min(most, -(-_US_PER_DAY // bolus["lockout_us"]))
        yield _per_day(field, Fraction(bolus["dose_ng"] * allowed), " at most")


def _per_day(field: str, ng_per_day: Fraction, note: str) -> Setting:
    about = amounts.exact_decimal(ng_per_day) is None
    text = f"{'about ' if about else ''}{dose_rate_text(round(ng_per_day) if about else ng_per_day)}{note}"
    return Setting(f"{field}.per_day", text, ng_per_day, is_dose=True)


def _rest(values: Mapping[str, Any]) -> Iterator[Setting]:
    for index, drug in enumerate(values["drugs"]):
        prefix = "limits" if index == 0 else f"limits.drug.{drug['name']}"
        for field in ("max_dose_24h", "max_dose_1h"):
            limit = drug[f"{field}_ng"]
            text = mass_text(limit) if limit else "none"
            yield Setting(f"{prefix}.{field}", text, Fraction(limit), is_dose=True)
    yield from _numbers("limits", Limits, values)
    yield from _numbers("alarms", Alarms, values)
    for library in values["library"]:
        yield Setting("library", f"version {library['version']} ({library['digest'].hex()})")


def change_words(change: Change) -> str:
    """ "x 1.5", "new", "removed", "changed", or nothing."""
    if not change.changed:
        return ""
    if change.old is None:
        return "new"
    if change.new is None:
        return "removed"
    if change.ratio is None or change.ratio == 1:
        return "changed"
    return f"x {ratio_text(change.ratio)}" + (" (!)" if change.large else "")
