"""How many steps a program of the page has made by an instant: exact volumes, in fractions."""

from fractions import Fraction
from math import floor

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
MINUTE_US = 60_000_000


def program(
    flow_nl_per_day: int = 1_000_000, ng_per_ml: int = 1_000_000, **changes: object
) -> dict[str, object]:
    """As the page gives it to the firmware (boards/browser/page/amounts.mjs)."""
    values: dict[str, object] = {
        "refill": False,
        "residual_pl": 0,
        "fill_pl": 40_000_000_000,
        "step_volume_pl": 2500,
        "dead_pl": 335_800_000,
        "concentration_ng_per_ml": ng_per_ml,
        "basal_ng_per_day": flow_nl_per_day * ng_per_ml // 1_000_000,
        "boluses": [],
    }
    return values | changes


def bolus(dose_ng: int, duration_us: int, every_us: int) -> dict[str, int]:
    return {"dose_ng": dose_ng, "duration_us": duration_us, "every_us": every_us, "first_us": every_us}


def steps_by(values: dict[str, object], at_us: int) -> int:
    """Steps made by an instant after the commit."""
    ng = Fraction(int(str(values["basal_ng_per_day"])) * at_us, DAY_US)
    boluses = values["boluses"]
    assert isinstance(boluses, list)
    for each in boluses:
        start = each["first_us"]
        while start < at_us:
            ng += each["dose_ng"] * min(Fraction(at_us - start, each["duration_us"]), Fraction(1))
            start += each["every_us"]
    volume_pl = ng * 10**9 / int(str(values["concentration_ng_per_ml"]))
    return floor(volume_pl / int(str(values["step_volume_pl"])))
