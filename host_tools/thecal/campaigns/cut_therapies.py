"""What the pump runs in the power-cut campaign: therapies that between them use every way to dose.

As `thecal_protocol.therapy.THERAPY`. One drug, and for one pump one step volume, so that each can follow
each without a refill; `bridged` comes after a refill of another concentration. Small steps go with small
flows, so that a run stays short.
"""

import functools
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from thecal_protocol.therapy import THERAPY

US_PER_S = 1_000_000
US_PER_MIN = 60 * US_PER_S
US_PER_H = 60 * US_PER_MIN
US_PER_DAY = 24 * US_PER_H

STEP_PL = 2500  # of most pumps
STEPS_PL = (2500, 2500, 2500, 10_000, 1000, 2500, 250, 100)
_SMALL_STEP_PL = 1000
FILL_PL = 40_000_000_000
CONCENTRATION = 20_000_000  # ng/mL
_STRONGER = 25_000_000
_PL_PER_ML = 10**9
_FLOOR_PL_PER_DAY = 48_000_000  # the pump's minimum rate

Values = dict[str, Any]

_PLAIN: Values = {
    **{name: 0 for name, kind in THERAPY if isinstance(kind, str)},  # what is not named is not used
    "schema": 1,
    "name": "plain",
    "reservoir_pl": FILL_PL,
    "fill_pl": FILL_PL,
    "step_volume_pl": STEP_PL,
    "pump_tubing_pl": 1_400_000,
    "catheter_length_um": 89_000,
    "catheter_pl_per_cm": 220_000,
    "drugs": [
        {
            "name": "morphine",
            "concentration_ng_per_ml": CONCENTRATION,
            "max_dose_24h_ng": 0,
            "max_dose_1h_ng": 0,
        }
    ],
    "basal_mode": 1,
    "basal_dose_ng_per_day": 2_400_007,
    "basal_steps": [],
    "periodic_boluses": [],
    "patient_bolus": [
        {"dose_ng": 40_000, "duration_us": 120_000_001, "lockout_us": US_PER_H, "max_per_24h": 6}
    ],
    "max_rate_pl_per_day": 24_000_000_000,
    "low_reservoir_pl": 2_000_000_000,
    "max_pause_s": 1800,
    "plan": [],
    "bridge": [],
    "library": [  # that morphine may be asked for by the patient: without it the strictest rules hold
        {
            "version": 1,
            "digest": bytes(8),
            "drugs": [{"max_concentration_ng_per_ml": 0, "max_dose_24h_ng": 0, "rules": 0}],
            "confirmed": [],
        }
    ],
}
_FLEX = [
    {"start_min": 0, "days": 127, "dose_ng_per_day": 2_400_000},
    {"start_min": 361, "days": 31, "dose_ng_per_day": 3_100_003},
    {"start_min": 1439, "days": 64, "dose_ng_per_day": 1_999_993},
]
_PERIODIC = [
    {"dose_ng": 30_011, "duration_us": 299_999_999, "every_us": 5 * US_PER_H + 1, "first_us": 1_000_003},
    {"dose_ng": 5_000, "duration_us": 60_000_000, "every_us": 40 * US_PER_MIN, "first_us": 600_000_000},
]
_PATIENT_OFTEN = [
    {"dose_ng": 9_000, "duration_us": 30_000_000, "lockout_us": 7 * US_PER_MIN, "max_per_24h": 4}
]
_PLAN = [
    {"after_us": 2 * US_PER_H, "dose_ng_per_day": 3_000_000},
    {"after_us": 5 * US_PER_H, "dose_ng_per_day": 1_500_000},
]


def _like_plain(name: str, **changes: Any) -> Values:
    return {**_PLAIN, "name": name, **changes}


THERAPIES = (
    _PLAIN,
    _like_plain("flex", basal_mode=2, basal_dose_ng_per_day=0, basal_steps=_FLEX),
    _like_plain("minimum", basal_mode=3, basal_dose_ng_per_day=0),
    _like_plain("periodic", periodic_boluses=_PERIODIC, patient_bolus=_PATIENT_OFTEN),
    _like_plain("plan", plan=_PLAN, patient_bolus=[]),
    _like_plain("often", basal_dose_ng_per_day=9_600_000, patient_bolus=_PATIENT_OFTEN),
    _like_plain("fast", basal_dose_ng_per_day=60_000_000),
)
BRIDGED = _like_plain(
    "bridged",
    drugs=[{**_PLAIN["drugs"][0], "concentration_ng_per_ml": _STRONGER}],
    bridge=[{"dose_ng_per_day": 2_400_007, "concentration_ng_per_ml": CONCENTRATION}],
)


@functools.cache
def therapies(step_pl: int) -> tuple[Values, ...]:
    """Those for a pump of this step volume."""
    fitting = THERAPIES if step_pl > _SMALL_STEP_PL else THERAPIES[:-2]
    return tuple({**one, "step_volume_pl": step_pl} for one in fitting)


@functools.cache
def bridged(step_pl: int) -> Values:
    """The one that follows a refill of the other concentration."""
    return {**BRIDGED, "step_volume_pl": step_pl}


def concentration(values: Mapping[str, Any]) -> int:
    """Of the primary drug, ng/mL."""
    return values["drugs"][0]["concentration_ng_per_ml"]


def steps_of(dose_ng: int, ng_per_ml: int, step_pl: int = STEP_PL) -> Fraction:
    """A dose in steps, exactly."""
    return Fraction(dose_ng * _PL_PER_ML, ng_per_ml * step_pl)


def dead_steps(values: Mapping[str, Any]) -> Fraction:
    """The volume of tubing and catheter in steps."""
    catheter_pl = Fraction(values["catheter_length_um"] * values["catheter_pl_per_cm"], 10_000)
    return Fraction(values["pump_tubing_pl"] + catheter_pl, values["step_volume_pl"])


def rates(values: Mapping[str, Any]) -> tuple[Fraction, Fraction]:
    """The lowest and the highest basal rate that the program ever calls for, or its bridge; steps/us."""
    every = list(_rates(values))
    return min(every), max(every)


def _rates(values: Mapping[str, Any]) -> Iterator[Fraction]:
    ng_per_ml, step_pl = concentration(values), values["step_volume_pl"]
    if values["basal_mode"] == 1:
        yield steps_of(values["basal_dose_ng_per_day"], ng_per_ml, step_pl) / US_PER_DAY
    elif values["basal_mode"] == 3:
        yield Fraction(_FLOOR_PL_PER_DAY, values["step_volume_pl"] * US_PER_DAY)
    elif values["basal_mode"] == 0:
        yield Fraction(0)
    for step in [*values["basal_steps"], *values["plan"]]:
        yield steps_of(step["dose_ng_per_day"], ng_per_ml, step_pl) / US_PER_DAY
    for bridge in values["bridge"]:
        yield steps_of(bridge["dose_ng_per_day"], bridge["concentration_ng_per_ml"], step_pl) / US_PER_DAY


def periodic_rate(values: Mapping[str, Any]) -> Fraction:
    """What its periodic boluses give on average, steps/us."""
    ng_per_ml, step_pl = concentration(values), values["step_volume_pl"]
    parts = [
        steps_of(bolus["dose_ng"], ng_per_ml, step_pl) / bolus["every_us"]
        for bolus in values["periodic_boluses"]
    ]
    return sum(parts, Fraction(0))


def periodic_once(values: Mapping[str, Any]) -> Fraction:
    """Each of its periodic boluses once, in steps: so far a stretch of time may be ahead of the average."""
    ng_per_ml, step_pl = concentration(values), values["step_volume_pl"]
    parts = [steps_of(bolus["dose_ng"], ng_per_ml, step_pl) for bolus in values["periodic_boluses"]]
    return sum(parts, Fraction(0))
