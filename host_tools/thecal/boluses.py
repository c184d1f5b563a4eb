"""A bolus that a clinician asks for, read from two texts and checked against the therapy that runs.

    values = read_bolus("0.2 mg", "10 min", running=client.running_program())

The pump checks the same again, and what depends on the moment (lockout, what was given before) it alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from thecal import quantities, ranges
from thecal.amounts import days_text, time_of_day_text
from thecal.errors import TherapyError
from thecal.quantities import Kind, QuantityError
from thecal.ranges import Range
from thecal.therapy_models import Therapy
from thecal.therapy_rules import bolus_errors
from thecal.toml_file import Problem
from wire.therapy import BASAL_MODES


def read_bolus(
    dose: object, duration: object, *, extended: bool = False, running: Mapping[str, Any] | None = None
) -> dict[str, object]:
    """The table `wire.therapy.BOLUS`; TherapyError names everything that is wrong with it.

    `running`: the pump's program as `wire.therapy.THERAPY`; None leaves its limits to the pump.
    """
    problems: list[Problem] = []
    dose_ng = _read("bolus.dose", dose, quantities.MASS, ranges.BOLUS_DOSE, problems)
    duration_us = _read("bolus.duration", duration, quantities.DURATION, ranges.BOLUS_DURATION, problems)
    if running is not None and not problems:
        problems += bolus_errors(to_therapy(running), dose_ng, duration_us, "bolus")
    if problems:
        raise TherapyError(problems)
    return {"dose_ng": dose_ng, "duration_us": duration_us, "extended": int(extended)}


def _read(field: str, value: object, kind: Kind, allowed: Range, problems: list[Problem]) -> int:
    try:
        number = quantities.parse_whole(value, kind)
    except QuantityError as error:
        problems.append(Problem(field, str(error)))
        return 0
    complaint = allowed.complaint(number)
    if complaint is not None:
        problems.append(Problem(field, complaint))
    return number


def to_therapy(values: Mapping[str, Any]) -> Therapy:
    """The therapy that a wire table stands for: the inverse of `thecal.therapy_wire.to_wire`.

    A [taper] comes back as the [[plan]] it was worked out to, a bridge without its old concentration.
    """
    document: dict[str, Any] = {
        "schema": values["schema"],
        "name": values["name"],
        "pump": {
            "reservoir": f"{values['reservoir_pl']} pL",
            "fill": f"{values['fill_pl']} pL",
            "step_volume": f"{values['step_volume_pl']} pL",
        },
        "catheter": {
            "pump_tubing": f"{values['pump_tubing_pl']} pL",
            "length": f"{values['catheter_length_um']} um",
            "volume_per_length": f"{values['catheter_pl_per_cm']} pL/cm",
        },
        "drug": [
            {"name": drug["name"], "concentration": f"{drug['concentration_ng_per_ml']} ng/mL"}
            for drug in values["drugs"]
        ],
        "basal": _basal(values),
        "periodic_bolus": [_bolus(bolus, "every", "first") for bolus in values["periodic_boluses"]],
        "limits": {"max_rate": f"{values['max_rate_pl_per_day']} pL/day", "drug": _limits(values["drugs"])},
        "alarms": {
            "low_reservoir": f"{values['low_reservoir_pl']} pL",
            "low_reservoir_days": values["low_reservoir_days"],
            "max_pause": f"{values['max_pause_s']} s",
        },
    }
    if values["start_delay_s"]:
        document["start"] = {"delay": f"{values['start_delay_s']} s"}
    for bridge in values["bridge"]:
        document["bridge"] = {"dose": f"{bridge['dose_ng_per_day']} ng/day"}
    document["plan"] = [
        {"after": f"{step['after_us']} us", "dose": f"{step['dose_ng_per_day']} ng/day"}
        for step in values["plan"]
    ]
    for bolus in values["patient_bolus"]:
        document["patient_bolus"] = {**_bolus(bolus, "lockout"), "max_per_24h": bolus["max_per_24h"]}
    return Therapy.model_validate(document)


def _basal(values: Mapping[str, Any]) -> dict[str, Any]:
    basal: dict[str, Any] = {"mode": dict(BASAL_MODES)[values["basal_mode"]]}
    if values["basal_dose_ng_per_day"]:
        basal["dose"] = f"{values['basal_dose_ng_per_day']} ng/day"
    if values["basal_steps"]:
        basal["step"] = [
            {
                "start": time_of_day_text(step["start_min"]),
                "dose": f"{step['dose_ng_per_day']} ng/day",
                "days": days_text(step["days"]).split(),
            }
            for step in values["basal_steps"]
        ]
    return basal


def _bolus(bolus: Mapping[str, int], *times: str) -> dict[str, Any]:
    return {
        "dose": f"{bolus['dose_ng']} ng",
        **{name: f"{bolus[f'{name}_us']} us" for name in ("duration", *times)},
    }


def _limits(drugs: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    return {
        drug["name"]: {
            name: f"{drug[f'{name}_ng']} ng" for name in ("max_dose_24h", "max_dose_1h") if drug[f"{name}_ng"]
        }
        for drug in drugs
    }
