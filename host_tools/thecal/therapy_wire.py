"""A therapy on the wire, and a wire therapy in words: what is sent, and what a person reviews before it is.

`to_wire` fills the table `wire.therapy.THERAPY`; `wire.codec` makes bytes of it. `settings` puts such a
table, be it our own or the pump's reading of its program, into readable lines named like the fields of a
therapy file, and `compare` lays two of them side by side. No pydantic, no pint here: `thecal status` may
import it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from thecal import amounts
from thecal.amounts import (
    dose_rate_text,
    duration_text,
    mass_text,
    ratio_text,
    volume_rate_text,
    volume_text,
)
from thecal.errors import TherapyError
from thecal.ranges import MINIMUM_RATE_PL_PER_DAY
from thecal.taper import plan_of
from thecal.windows import Week
from wire.therapy import BASAL_MODES, NO_PATIENT_BOLUS, SCHEMA_VERSION, UNKNOWN_DRUG, WITHDRAWAL

if TYPE_CHECKING:
    from thecal.therapy_models import Therapy

LARGE = 2  # a change of a dose by more than this factor, either way, needs its own confirmation (HOST-03)
NO_OLD_PROGRAM = "asks to bridge an old filling, and no program runs that would say which; remove [bridge]"
_US_PER_DAY = amounts.US_PER_DAY
_RULES = (
    (UNKNOWN_DRUG, "unknown: not in the drug library"),
    (NO_PATIENT_BOLUS, "no patient bolus"),
    (WITHDRAWAL, "no sudden end (withdrawal)"),
)
_MODE_NUMBERS = {name: number for number, name in BASAL_MODES}
_MODE_NAMES = dict(BASAL_MODES)


def to_wire(therapy: Therapy, running: Mapping[str, Any] | None = None) -> dict[str, object]:
    """The table `wire.therapy.THERAPY` of a therapy.

    `running`: the program it replaces, as such a table. A bridge takes the old concentration from there, so
    TherapyError when one is asked for and no program runs: it is never left out in silence.
    """
    pump, catheter, basal = therapy.pump, therapy.catheter, therapy.basal
    values: dict[str, object] = {
        "schema": SCHEMA_VERSION,
        "name": therapy.name,
        "reservoir_pl": pump.reservoir_pl,
        "fill_pl": pump.fill_pl,
        "step_volume_pl": pump.step_volume_pl,
        "pump_tubing_pl": catheter.pump_tubing_pl,
        "catheter_length_um": catheter.length_um,
        "catheter_pl_per_cm": catheter.volume_per_length_pl_per_cm,
        "drugs": _wire_drugs(therapy),
        "basal_mode": _MODE_NUMBERS[basal.mode],
        "basal_dose_ng_per_day": basal.dose_ng_per_day or 0,
        "basal_steps": _entries(basal.steps, "start_min", "days", "dose_ng_per_day"),
        "periodic_boluses": _entries(
            therapy.periodic_boluses, "dose_ng", "duration_us", "every_us", "first_us"
        ),
        "patient_bolus": _entries(
            [therapy.patient_bolus] if therapy.patient_bolus else [],
            *("dose_ng", "duration_us", "lockout_us", "max_per_24h"),
        ),
        "max_rate_pl_per_day": therapy.limits.max_rate_pl_per_day,
        "low_reservoir_pl": therapy.alarms.low_reservoir_pl,
        "low_reservoir_days": therapy.alarms.low_reservoir_days,
        "max_pause_s": therapy.alarms.max_pause_s,
        "start_delay_s": therapy.start.delay_s if therapy.start else 0,
        "plan": [step._asdict() for step in plan_of(therapy)],
        "bridge": [],
        "library": [],
    }
    from thecal.library.section import library_section  # heavy, and only programs need it

    values["library"] = library_section(therapy, running)
    if therapy.bridge is not None:
        if running is None:
            raise TherapyError([("bridge", NO_OLD_PROGRAM)])
        dose = therapy.bridge.dose_ng_per_day or bridge_dose(values, running)
        concentration = running["drugs"][0]["concentration_ng_per_ml"]
        values["bridge"] = [{"dose_ng_per_day": dose, "concentration_ng_per_ml": concentration}]
    return values


def intended_dose(values: Mapping[str, Any]) -> Fraction:
    """The daily mean of the basal dose, also of mode "minimum", ng."""
    if _MODE_NAMES.get(values["basal_mode"]) == "minimum":
        concentration = values["drugs"][0]["concentration_ng_per_ml"]
        return Fraction(MINIMUM_RATE_PL_PER_DAY * concentration, amounts.PL_PER_ML)
    return mean_basal(values)


def bridge_dose(values: Mapping[str, Any], running: Mapping[str, Any]) -> int:
    """The dose at which the old filling is bridged unless a therapy names another, down to a whole ng/day.

    The new program's; for another primary drug, of which no dose is "the intended", the old program's.
    """
    same_drug = running["drugs"][0]["name"] == values["drugs"][0]["name"]
    dose = intended_dose(values if same_drug else running)
    return dose.numerator // dose.denominator


def _wire_drugs(therapy: Therapy) -> list[dict[str, object]]:
    """Drugs with their limits; 0: no limit of this kind."""
    from thecal.library.rules import limits_of  # heavy, and only programs need it

    drugs: list[dict[str, object]] = []
    for drug in therapy.drugs:
        limits = limits_of(therapy, drug)
        drugs.append(
            {
                "name": drug.name,
                "concentration_ng_per_ml": drug.concentration_ng_per_ml,
                "max_dose_24h_ng": limits.max_24h_ng or 0,
                "max_dose_1h_ng": limits.max_1h_ng or 0,
            }
        )
    return drugs


def _entries(models: Sequence[object], *names: str) -> list[dict[str, object]]:
    """A repeated group: the wire's names are the models' own."""
    return [{name: getattr(model, name) for name in names} for model in models]


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
    for field, key in (("pump.reservoir", "reservoir_pl"), ("pump.fill", "fill_pl")):
        yield _volume(field, values[key])
    step = values["step_volume_pl"]
    yield Setting("pump.step_volume", volume_text(step), Fraction(step), is_dose=True)
    yield _volume("catheter.pump_tubing", values["pump_tubing_pl"])
    length, per_cm = values["catheter_length_um"], values["catheter_pl_per_cm"]
    yield Setting("catheter.length", amounts.length_text(length), Fraction(length))
    yield Setting("catheter.volume_per_length", amounts.volume_per_length_text(per_cm), Fraction(per_cm))


def _volume(field: str, pl: int) -> Setting:
    return Setting(field, volume_text(pl), Fraction(pl))


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
    delay = values["start_delay_s"]
    if delay:
        yield Setting("start.delay", duration_text(delay * amounts.US_PER_S), Fraction(delay))
    for number, step in enumerate(values["plan"], 1):
        dose = step["dose_ng_per_day"]
        text = f"{dose_rate_text(dose)} from {duration_text(step['after_us'])} on"
        yield Setting(f"plan[{number}]", text, Fraction(dose), is_dose=True)
    for bridge in values["bridge"]:
        dose, old = bridge["dose_ng_per_day"], bridge["concentration_ng_per_ml"]
        yield Setting("bridge.dose", dose_rate_text(dose), Fraction(dose), is_dose=True)
        yield Setting("bridge.concentration", amounts.concentration_text(old), Fraction(old))


def mean_basal(values: Mapping[str, Any]) -> Fraction:
    """The daily mean of the basal dose, ng; 0 when stopped or at the minimum rate, which is no dose."""
    if _MODE_NAMES.get(values["basal_mode"]) != "flex":
        return Fraction(values["basal_dose_ng_per_day"])
    steps = values["basal_steps"]
    return Week.of_steps((x["start_min"], x["days"], x["dose_ng_per_day"]) for x in steps).total() / 7


def _boluses(values: Mapping[str, Any]) -> Iterator[Setting]:
    for index, bolus in enumerate(values["periodic_boluses"]):
        field = f"periodic_bolus[{index + 1}]"
        yield from _dose(field, bolus)
        yield Setting(f"{field}.every", duration_text(bolus["every_us"]), Fraction(bolus["every_us"]))
        yield Setting(f"{field}.first", duration_text(bolus["first_us"]), Fraction(bolus["first_us"]))
        yield _per_day(field, Fraction(bolus["dose_ng"] * _US_PER_DAY, bolus["every_us"]), "")
    for bolus in values["patient_bolus"]:
        field, most = "patient_bolus", bolus["max_per_24h"]
        yield from _dose(field, bolus)
        yield Setting(f"{field}.lockout", duration_text(bolus["lockout_us"]), Fraction(bolus["lockout_us"]))
        yield Setting(f"{field}.max_per_24h", str(most), Fraction(most))
        allowed = min(most, -(-_US_PER_DAY // bolus["lockout_us"]))
        yield _per_day(field, Fraction(bolus["dose_ng"] * allowed), " at most")


def _dose(field: str, bolus: Mapping[str, int]) -> Iterator[Setting]:
    dose, duration = bolus["dose_ng"], bolus["duration_us"]
    yield Setting(f"{field}.dose", mass_text(dose), Fraction(dose), is_dose=True)
    yield Setting(f"{field}.duration", duration_text(duration), Fraction(duration))


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
    max_rate, pause = values["max_rate_pl_per_day"], values["max_pause_s"]
    yield Setting("limits.max_rate", volume_rate_text(max_rate), Fraction(max_rate), is_dose=True)
    yield _volume("alarms.low_reservoir", values["low_reservoir_pl"])
    days = values["low_reservoir_days"]
    yield Setting("alarms.low_reservoir_days", f"{days} d" if days else "off", Fraction(days))
    yield Setting("alarms.max_pause", duration_text(pause * amounts.US_PER_S), Fraction(pause))
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
