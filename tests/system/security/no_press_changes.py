"""Programs for `test_no_press.py`: the first one, and what may be otherwise in the next."""

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from firmware.dosing import rig

Values = dict[str, Any]

S = 1_000_000
HOUR_US = 3600 * S
DAY_US = 24 * HOUR_US
ML = 1_000_000_000  # pL; and 10^-9 ng in one ng
STEP_PL = 25_000
DRUG: Values = {
    "name": "morphine",
    "concentration_ng_per_ml": 20_000_000,
    "max_dose_24h_ng": 4_000_000,
    "max_dose_1h_ng": 500_000,
}
BUPIVACAINE: Values = {
    "name": "bupivacaine",
    "concentration_ng_per_ml": 5_000_000,
    "max_dose_24h_ng": 1_000_000,
    "max_dose_1h_ng": 125_000,
}
LIBRARY: Values = {
    "version": 5,
    "digest": b"12345678",
    "drugs": [
        {"max_concentration_ng_per_ml": 25_000_000, "max_dose_24h_ng": 5_000_000, "rules": 2},
        {"max_concentration_ng_per_ml": 7_500_000, "max_dose_24h_ng": 1_250_000, "rules": 0},
    ],
    "confirmed": [],
}
PATIENT: Values = {"dose_ng": 100_000, "duration_us": 300 * S, "lockout_us": HOUR_US, "max_per_24h": 6}


def first_program(drugs: int, library: bool, limits: bool) -> Values:
    """Without `limits` of the dose only the highest rate holds it."""
    values = rig.therapy(
        step_volume_pl=STEP_PL,
        basal_dose_ng_per_day=2_400_000,
        drugs=[DRUG, BUPIVACAINE][:drugs],
        patient_bolus=[PATIENT] if library else [],  # without a library the strictest rules hold
        max_rate_pl_per_day=2 * ML,
        library=[{**LIBRARY, "drugs": LIBRARY["drugs"][:drugs]}] if library else [],
        pump_tubing_pl=20_000_000,
        catheter_length_um=300_000,
        catheter_pl_per_cm=1_000_000,
    )
    values = copy.deepcopy(values)
    if not limits:
        values.update(max_rate_pl_per_day=ML // 5, patient_bolus=[])
        for entry in [*values["drugs"], *(one for x in values["library"] for one in x["drugs"])]:
            entry["max_dose_24h_ng"] = 0
        for entry in values["drugs"]:
            entry["max_dose_1h_ng"] = 0
    return values


def _scaled(value: int, by: tuple[int, int]) -> int:
    return value * by[0] // by[1]


SCALES = [(1, 25), (1, 10), (1, 2), (9, 10), (11, 10), (2, 1), (10, 1), (25, 1)]
NAMES = ["Morphine", "MORPHINE", "morphine ", "morphine.", "mor-phine", "morphine-2", "baclofen", "x"]
scales = st.sampled_from(SCALES)
indices = st.integers(0, 1)


def _drug(values: Values, index: int) -> Values:
    found: Values = values["drugs"][index % len(values["drugs"])]
    return found


def _set(name: str) -> Callable[[Values, int, tuple[int, int]], None]:
    def change(values: Values, index: int, by: tuple[int, int]) -> None:
        values[name] = _scaled(values[name], by)

    return change


def _set_drug(name: str) -> Callable[[Values, int, tuple[int, int]], None]:
    def change(values: Values, index: int, by: tuple[int, int]) -> None:
        drug = _drug(values, index)
        drug[name] = 0 if by == (25, 1) and name != "concentration_ng_per_ml" else _scaled(drug[name], by)

    return change


def _name(values: Values, index: int, by: tuple[int, int]) -> None:
    _drug(values, index)["name"] = NAMES[SCALES.index(by)]


def _another_drug(values: Values, index: int, by: tuple[int, int]) -> None:
    """One more, one less, or in the other order."""
    if len(values["drugs"]) > 1:
        values["drugs"] = values["drugs"][:1] if index else values["drugs"][::-1]
        for library in values["library"]:
            library["drugs"] = library["drugs"][:1] if index else library["drugs"][::-1]
    else:
        values["drugs"] += [copy.deepcopy(BUPIVACAINE)]
        for library in values["library"]:
            library["drugs"] += copy.deepcopy(LIBRARY["drugs"][1:])


def _limits_follow(values: Values, index: int, by: tuple[int, int]) -> None:
    """Concentration and limits together: what the pump counts stays the same."""
    for drug in values["drugs"]:
        for name in ("concentration_ng_per_ml", "max_dose_24h_ng", "max_dose_1h_ng"):
            drug[name] = _scaled(drug[name], by)


def _steps_and_dose(values: Values, index: int, by: tuple[int, int]) -> None:
    values["step_volume_pl"] = _scaled(values["step_volume_pl"], (by[1], by[0]))
    values["max_rate_pl_per_day"] = _scaled(values["max_rate_pl_per_day"], by)


def _dose(values: Values, index: int, by: tuple[int, int]) -> None:
    if values["basal_mode"] == 1:
        values["basal_dose_ng_per_day"] = _scaled(values["basal_dose_ng_per_day"], by)
    for step in values["basal_steps"]:
        step["dose_ng_per_day"] = _scaled(step["dose_ng_per_day"], by)


def _flex(values: Values, index: int, by: tuple[int, int]) -> None:
    values.update(basal_mode=2, basal_dose_ng_per_day=0, plan=[], bridge=[])
    values["basal_steps"] = [
        {"start_min": 0, "days": 127, "dose_ng_per_day": 2_000_000},
        {"start_min": 600, "days": 127, "dose_ng_per_day": _scaled(2_000_000, by)},
        {"start_min": 600 + 120 // by[0], "days": 127, "dose_ng_per_day": 2_400_000},
    ]


def _continuous(values: Values, index: int, by: tuple[int, int]) -> None:
    values.update(basal_mode=1, basal_dose_ng_per_day=2_400_000, basal_steps=[], bridge=[])


def _minimum(values: Values, index: int, by: tuple[int, int]) -> None:
    values.update(basal_mode=3, basal_dose_ng_per_day=0, basal_steps=[], plan=[])


def _plan(values: Values, index: int, by: tuple[int, int]) -> None:
    _continuous(values, index, by)
    dose = values["basal_dose_ng_per_day"]
    values["plan"] = [
        {"after_us": (k + 1) * 6 * HOUR_US, "dose_ng_per_day": dose + (k + 1) * _scaled(100_000, by)}
        for k in range(4)
    ]


def _periodic(values: Values, index: int, by: tuple[int, int]) -> None:
    one = {
        "dose_ng": _scaled(40_000, by),
        "duration_us": 600 * S,
        "every_us": 6 * HOUR_US,
        "first_us": 60 * S,
    }
    values["periodic_boluses"] = [one, one][: 1 + index]


def _patient(values: Values, index: int, by: tuple[int, int]) -> None:
    bolus = {
        **PATIENT,
        "dose_ng": _scaled(100_000, by),
        "lockout_us": _scaled(HOUR_US, by),
        "max_per_24h": 90,
    }
    values["patient_bolus"] = [bolus] if index else []


def _bridge(values: Values, index: int, by: tuple[int, int]) -> None:
    _continuous(values, index, by)
    values["plan"] = []
    old = values["drugs"][0]["concentration_ng_per_ml"]
    if index:
        values["drugs"][0]["concentration_ng_per_ml"] = _scaled(old, by)
    values["bridge"] = [{"dose_ng_per_day": _scaled(2_400_000, by), "concentration_ng_per_ml": old}]


def _library(values: Values, index: int, by: tuple[int, int]) -> None:
    """Changed, dropped, older, far newer; with a looser limit."""
    at = SCALES.index(by)
    if at == 0:
        values.update(library=[], patient_bolus=[])
        return
    library = copy.deepcopy(values["library"][0] if values["library"] else LIBRARY)
    library["drugs"] = library["drugs"][: len(values["drugs"])]
    library["version"] = [5, 4, 6, 7, 500, 1006, 2**31, 2**32 - 1][at]
    library["digest"] = b"1234567" + bytes((at,))
    if index:
        entry = library["drugs"][0]
        entry.update(max_dose_24h_ng=0, rules=0) if at % 2 else entry.update(max_dose_24h_ng=50_000_000)
        values["drugs"][0]["max_dose_24h_ng"] = 40_000_000
    values["library"] = [library]


CHANGES: dict[str, Callable[[Values, int, tuple[int, int]], None]] = {
    "step volume": _set("step_volume_pl"),
    "steps and rate": _steps_and_dose,
    "concentration": _set_drug("concentration_ng_per_ml"),
    "concentration and limits": _limits_follow,
    "limit of 24 h": _set_drug("max_dose_24h_ng"),
    "limit of 1 h": _set_drug("max_dose_1h_ng"),
    "rate": _set("max_rate_pl_per_day"),
    "name": _name,
    "drugs": _another_drug,
    "library": _library,
    "dose": _dose,
    "flex": _flex,
    "continuous": _continuous,
    "minimum": _minimum,
    "plan": _plan,
    "periodic": _periodic,
    "patient": _patient,
    "bridge": _bridge,
    "dead volume": _set("catheter_length_um"),
    "reservoir": _set("reservoir_pl"),
}
Changed = list[tuple[str, int, tuple[int, int]]]
LOOSEN = 11  # so many of them may loosen something: tried more often
_names = st.sampled_from([*list(CHANGES)[:LOOSEN] * 2, *CHANGES])
loosening = st.sampled_from(list(CHANGES)[:LOOSEN])
changes = st.lists(st.tuples(_names, indices, scales), min_size=1, max_size=2)
attempts = st.lists(changes, min_size=1, max_size=4)
