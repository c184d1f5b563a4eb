"""Therapies that the benchmarks run, in wire terms."""

from typing import Any

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
FILL_PL = 100_000_000_000  # the most there may be: 100 days of 1 mL
_DRUG = {"name": "morphine", "concentration_ng_per_ml": 20_000_000, "max_dose_24h_ng": 0, "max_dose_1h_ng": 0}


def _therapy(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "schema": 1,
        "name": "bench",
        "reservoir_pl": FILL_PL,
        "fill_pl": FILL_PL,
        "step_volume_pl": 2500,
        "pump_tubing_pl": 140_000_000,
        "catheter_length_um": 890_000,
        "catheter_pl_per_cm": 2_200_000,
        "drugs": [_DRUG],
        "basal_mode": 1,
        "basal_dose_ng_per_day": 0,
        "basal_steps": [],
        "periodic_boluses": [],
        "patient_bolus": [],
        "max_rate_pl_per_day": 24_000_000_000,
        "low_reservoir_pl": 2_000_000_000,
        "low_reservoir_days": 3,
        "max_pause_s": 1800,
        "start_delay_s": 0,
        "plan": [],
        "bridge": [],
        "library": [],
    }
    values.update(changes)
    return values


def constant(ul_per_day: int) -> dict[str, Any]:
    """A constant basal flow."""
    return _therapy(basal_dose_ng_per_day=20_000 * ul_per_day)


def mixed() -> dict[str, Any]:
    """A flex day of four steps, two periodic boluses and a patient bolus: about 1 mL/day in all."""
    doses = ((0, 19_400_000), (360, 17_900_003), (720, 18_100_000), (1320, 20_800_007))
    return _therapy(
        basal_mode=2,
        basal_steps=[{"start_min": start, "days": 127, "dose_ng_per_day": dose} for start, dose in doses],
        periodic_boluses=[
            {"dose_ng": 150_000, "duration_us": 300_000_000, "every_us": 6 * HOUR_US, "first_us": HOUR_US},
            {
                "dose_ng": 130_000,
                "duration_us": 600_000_000,
                "every_us": 8 * HOUR_US,
                "first_us": 2 * HOUR_US,
            },
        ],
        patient_bolus=[
            {"dose_ng": 100_000, "duration_us": 300_000_000, "lockout_us": HOUR_US, "max_per_24h": 12}
        ],
        library=[  # without one the strictest rules hold, and the patient may ask for nothing
            {
                "version": 1,
                "digest": bytes(8),
                "drugs": [{"max_concentration_ng_per_ml": 0, "max_dose_24h_ng": 0, "rules": 0}],
                "confirmed": [],
            }
        ],
    )
