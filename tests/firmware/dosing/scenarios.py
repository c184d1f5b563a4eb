"""Random days of a pump as plain data, the same for a seed everywhere. Used to compare interpreters."""

import random
from typing import Any

from firmware.dosing import rig

HOUR = 3_600_000_000
_AWKWARD = (1, 7, 86_399, 99_991, 1_000_003, 19_997_003)
_MOST_STEPS = 2000  # a day: each is made one by one, also on WebAssembly


def _amount(rng: random.Random, low: int, high: int) -> int:
    """Any amount in the range, or one with large prime factors."""
    awkward = rng.choice(_AWKWARD)
    if rng.random() < 0.5 and low <= high // awkward * awkward:
        return high // awkward * awkward
    return rng.randint(low, high)


def _duration_us(rng: random.Random) -> int:
    return rng.choice((rng.randint(1, 7200) * 1_000_000, rng.randint(1_000_000, 2 * HOUR), 427_000_000))


def _bolus(rng: random.Random, concentration: int, step_volume_pl: int) -> dict[str, Any]:
    """A dose of at most 200 steps and an eighth of the highest rate, so that several fit at once."""
    duration_us = _duration_us(rng)
    most_pl = min(200 * step_volume_pl, 3 * 10**9 * duration_us // (24 * HOUR))
    dose_ng = _amount(rng, 1, max(1, min(100_000_000, most_pl * concentration // 10**9)))
    return {"dose_ng": dose_ng, "duration_us": duration_us}


def therapy(rng: random.Random, concentration: int, step_volume_pl: int) -> dict[str, Any]:
    """A therapy that the pump takes, of any basal mode."""
    low = -(-48_000_000 * concentration // 10**9)
    high = max(low, min(100_000_000, min(_MOST_STEPS * step_volume_pl, 8 * 10**9) * concentration // 10**9))
    mode = rng.choice((0, 1, 1, 2, 2, 3))
    values = rig.therapy(step_volume_pl=step_volume_pl, basal_mode=mode, basal_dose_ng_per_day=0)
    values["drugs"][0]["concentration_ng_per_ml"] = concentration
    if mode == 1:
        values["basal_dose_ng_per_day"] = _amount(rng, low, high)
    if mode == 2:
        values["basal_steps"] = [
            {"start_min": start, "days": rng.randint(1, 127), "dose_ng_per_day": _amount(rng, low, high)}
            for start in rng.sample(range(1440), rng.randint(1, 6))
        ]
    for _ in range(rng.choice((0, 1, 3))):
        periodic = _bolus(rng, concentration, step_volume_pl)
        periodic.update(every_us=rng.randint(2 * HOUR, 9 * HOUR), first_us=rng.randint(1_000_000, 4 * HOUR))
        values["periodic_boluses"].append(periodic)
    if rng.random() < 0.7:
        patient = _bolus(rng, concentration, step_volume_pl)
        patient.update(lockout_us=rng.randint(1_000_000, HOUR), max_per_24h=rng.randint(1, 12))
        values["patient_bolus"].append(patient)
    return values


def _event(rng: random.Random, at_us: int, concentration: int, step_volume_pl: int) -> dict[str, Any]:
    do = rng.choice(
        ("bolus", "patient_bolus", "patient_bolus", "stop", "resume", "resume", "program", "clock")
    )
    event: dict[str, Any] = {"at_us": at_us, "do": do}
    if do == "bolus":
        event.update(_bolus(rng, concentration, step_volume_pl), extended=rng.randint(0, 1))
    elif do == "program":
        event["therapy"] = therapy(rng, concentration, step_volume_pl)
    elif do == "clock":
        event.update(absolute=0, day=0, second=0, us=0, offset_us=rng.randint(-30 * HOUR, 30 * HOUR))
    return event


def scenario(seed: int) -> dict[str, Any]:
    """A day, now and then more, with up to ten commands at random microseconds."""
    rng = random.Random(seed)
    step_volume_pl = _amount(rng, 60_000, 1_000_000)
    concentration = _amount(rng, 1_000_000, 100_000_000)
    end_us = rng.randint(6 * HOUR, 30 * HOUR)
    events: list[dict[str, Any]] = [
        {"at_us": 0, "do": "program", "therapy": therapy(rng, concentration, step_volume_pl)}
    ]
    for at_us in sorted(rng.randint(0, end_us) for _ in range(rng.randint(2, 10))):
        events.append(_event(rng, at_us, concentration, step_volume_pl))
    return {
        "start_us": rng.choice((0, 123_456_789, rng.randint(0, 10**15))),
        "day": rng.randint(3, 20_000),
        "second": rng.randint(0, 86_399),
        "end_us": end_us,
        "events": events,
    }
