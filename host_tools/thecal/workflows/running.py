"""The running program as a therapy again, so that it can be adjusted and checked like a file.

What only belonged to its beginning is left out: a start delay, a bridge that has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from thecal.errors import ThecalError, TherapyError
from thecal.therapy.checked import CheckedTherapy
from thecal.therapy.judge import checked
from thecal.therapy.models import (
    EXAMPLES,
    Alarms,
    Catheter,
    Limits,
    PatientBolus,
    PeriodicBolus,
    Pump,
    Therapy,
)
from thecal.therapy.toml_file import problems_of
from thecal.units import amounts
from thecal.units.amounts import dose_rate_text, mass_text
from thecal_protocol.program import BASAL_MODES

_MODES = dict(BASAL_MODES)


def document_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The therapy file's document of a program, as `thecal_protocol.therapy.THERAPY`. Exact both ways."""
    if values["plan"]:
        raise ThecalError(
            "the program has a plan of dose steps, which a change would begin anew",
            "write the therapy you mean and use `thecal program`, or end the plan: thecal cancel-plan",
        )
    document: dict[str, Any] = {
        "schema": 1,
        "name": values["name"],
        "pump": Pump.in_file(values),
        "catheter": Catheter.in_file(values),
        "drug": [
            {
                "name": drug["name"],
                "concentration": amounts.concentration_text(drug["concentration_ng_per_ml"]),
            }
            for drug in values["drugs"]
        ],
        "basal": _basal(values),
        "periodic_bolus": [PeriodicBolus.in_file(bolus) for bolus in values["periodic_boluses"]],
        "limits": _limits(values),
        "alarms": Alarms.in_file(values),
    }
    for bolus in values["patient_bolus"]:
        document["patient_bolus"] = PatientBolus.in_file(bolus)
    return document


def therapy_of(document: Mapping[str, Any]) -> CheckedTherapy:
    """The therapy of a document, judged. TherapyError names everything that is wrong."""
    try:
        model = Therapy.model_validate(document)
    except ValidationError as error:
        raise TherapyError(problems_of(error, EXAMPLES)) from error
    return checked(model)


def _basal(values: Mapping[str, Any]) -> dict[str, Any]:
    mode = _MODES[values["basal_mode"]]
    if mode == "continuous":
        return {"mode": mode, "dose": dose_rate_text(values["basal_dose_ng_per_day"])}
    if mode != "flex":
        return {"mode": mode}
    steps = [
        {
            "start": amounts.time_of_day_text(x["start_min"]),
            "dose": dose_rate_text(x["dose_ng_per_day"]),
            "days": amounts.days_text(x["days"]).split(),
        }
        for x in values["basal_steps"]
    ]
    return {"mode": mode, "step": steps}


def _limits(values: Mapping[str, Any]) -> dict[str, Any]:
    limits: dict[str, Any] = Limits.in_file(values)
    for index, drug in enumerate(values["drugs"]):
        own = {
            name: mass_text(drug[f"{name}_ng"])
            for name in ("max_dose_24h", "max_dose_1h")
            if drug[f"{name}_ng"]
        }
        if index == 0:
            limits |= own
        elif own:
            limits.setdefault("drug", {})[drug["name"]] = own
    return limits
