"""Fillings: which doses a refill, another step volume or a bridge may bring along."""

from typing import Any

import pytest

from firmware.dosing import rig

DAY = 86_400_000_000
HOUR = DAY // 24
REFILL = {"do": "refill", "volume_pl": 40_000_000_000, "residual_pl": 0}


def therapy_of(concentration: int, limit_ng: int = 0, **changes: Any) -> dict[str, Any]:
    values = rig.therapy(**changes)
    values["drugs"][0].update(concentration_ng_per_ml=concentration, max_dose_24h_ng=limit_ng)
    return values


@pytest.mark.req("DEL-11")
def test_another_concentration_needs_a_refill_also_when_the_step_volume_changes():
    pump = rig.Rig()
    assert pump.act({"do": "program", "therapy": therapy_of(20_000_000)}) is None
    other = therapy_of(10_000_000, step_volume_pl=2501)
    assert pump.act({"do": "program", "therapy": other}) == "refill_first"
    assert pump.act({"do": "program", "therapy": therapy_of(20_000_000, step_volume_pl=2501)}) is None
    assert pump.act(REFILL) is None
    assert pump.act({"do": "program", "therapy": other}) is None


@pytest.mark.req("BOL-05", part="a window in which the filling changed")
def test_steps_since_the_refill_count_at_the_new_concentration():
    """After days of one rate, the last 24 h were of the double concentration: 2.4 mg, not the mean of all."""
    pump = rig.Rig()
    old = therapy_of(10_000_000, 3_000_000, basal_dose_ng_per_day=1_200_000)
    assert pump.act({"do": "program", "therapy": old}) is None
    pump.run_to(10 * DAY)
    assert pump.act(REFILL) is None
    pump.run_to(11 * DAY)
    new = therapy_of(20_000_000, 3_000_000, basal_dose_ng_per_day=1_200_000)
    assert pump.act({"do": "program", "therapy": new}) is None
    bolus = {"do": "bolus", "duration_us": HOUR, "extended": 0}
    assert pump.act(dict(bolus, dose_ng=700_000)) == "limit_24h"  # and 50 000 of basal in its hour
    assert pump.act(dict(bolus, dose_ng=590_000)) is None


@pytest.mark.req("BOL-05", part="the bridge of a program")
@pytest.mark.parametrize(
    ("field", "limit"), [("max_dose_24h_ng", 6_000_000), ("max_dose_1h_ng", 250_000)], ids=["24h", "1h"]
)
def test_a_bridge_keeps_the_limit(field: str, limit: int):
    pump = rig.Rig()
    pump.act({"do": "program", "therapy": therapy_of(10_000_000)})
    pump.act(REFILL)
    for dose, verdict in ((6_000_001, "limit_" + field[9:-3]), (6_000_000, None)):
        bridge = {"dose_ng_per_day": dose, "concentration_ng_per_ml": 10_000_000}
        values = therapy_of(20_000_000, bridge=[bridge])
        values["drugs"][0][field] = limit
        assert pump.act({"do": "program", "therapy": values}) == verdict


@pytest.mark.req("RES-01", part="another step volume after a refill")
def test_steps_made_before_a_new_step_volume_keep_the_old_one():
    """Only other drugs begin at the refill; a step volume holds from the commit that brought it."""
    pump = rig.Rig()
    pump.act({"do": "program", "therapy": therapy_of(20_000_000)})
    pump.run_to(DAY)
    pump.act(REFILL)
    pump.run_to(2 * DAY)
    assert pump.act({"do": "program", "therapy": therapy_of(20_000_000, step_volume_pl=5000)}) is None
    pump.run_to(3 * DAY)
    fillings, steps = pump.controller.reservoir_fills, pump.delivery.count.dose_steps()
    volumes = [fillings.steps_of(i, steps) * f.step_volume_pl for i, f in enumerate(fillings.list)]
    assert volumes == [240_000_000, 120_000_000]
    assert sum(volumes) == fillings.displaced_pl(steps)
