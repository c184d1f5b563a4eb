"""The reservoir guarded: low, empty, what a refill shows, when the next one is due."""

from fractions import Fraction
from typing import Any

import pytest

from firmware.safety.rig import Guarded, refused
from pump.safety.reservoir import EMPTY_PL
from thecal_protocol import alarms as alarm
from thecal_protocol import states

ML = 1_000_000_000
DAY = 86_400
STEP_PL = 50_000
SAMPLE_S = 421  # docs/explanation/safety.md, What a fault may cost
LATE_PL = 2048 * STEP_PL + ML * SAMPLE_S // DAY  # what may flow until it is looked at


def rig(fill_pl: int, **changes: object) -> Guarded:
    """1 mL/day."""
    values = {
        "step_volume_pl": STEP_PL,
        "basal_dose_ng_per_day": 20_000_000,
        "low_reservoir_days": 0,
        **changes,
    }
    return Guarded(1_000_000_000_123, fill_pl=fill_pl, **values)


def refill(found: Guarded, volume_pl: int = 40 * ML, **changes: object) -> None:
    """As the link does it."""
    found.tick()
    counted_pl = found.controller.reservoir_left_pl()
    values = {"volume_pl": volume_pl, "residual_pl": counted_pl, "lot": "7", "expiry_day": 0}
    values.update(checked=0, measured_pl=0)
    values.update(changes)
    found.guard.check_refill(values, False)
    found.controller.refill(values, *found.now())
    found.board.refills = found.controller.reservoir_fills.refills  # the records' part
    found.guard.reservoir.show()


def checks(found: Guarded) -> list[dict[str, int]]:
    refills: Any = found.controller.reservoir_fills.refills
    return refills["checks"]


@pytest.mark.req("RES-02", part="low by volume, and by days")
@pytest.mark.parametrize(("days", "low_pl"), [(0, 2 * ML), (1, 2 * ML), (3, 3 * ML)])
def test_low(days: int, low_pl: int):
    found = rig(low_pl + ML, low_reservoir_days=days)
    found.run_for(DAY - 60)
    assert found.standing() == []
    found.run_for(60 + SAMPLE_S)
    assert found.standing() == [alarm.LOW_RESERVOIR]
    assert found.state() == states.INFUSING
    refill(found)
    found.run_for(SAMPLE_S)
    assert found.standing() == []


@pytest.mark.req("RES-02", part="empty stops the motor; a refill lets therapy go on, nothing comes late")
def test_empty():
    found = rig(EMPTY_PL + ML // 2, low_reservoir_pl=ML // 2)
    found.run_for(DAY // 2 - 60)
    assert alarm.EMPTY_RESERVOIR not in found.standing()
    found.run_for(DAY)
    assert found.standing() == [alarm.LOW_RESERVOIR, alarm.EMPTY_RESERVOIR]
    assert found.state() == states.HALTED
    made = found.motor.executed()
    assert made * STEP_PL <= ML // 2 + LATE_PL
    refill(found)
    found.run_for(DAY // 10)
    assert found.standing() == []
    assert found.state() == states.INFUSING
    assert found.motor.executed() - made <= 20_000 // 10 + 1


@pytest.mark.req("RES-05")
@pytest.mark.parametrize("do", ["silence", "confirm"])
def test_silence_and_confirmation_change_nothing(do: str):
    found = rig(EMPTY_PL + ML // 10)
    found.run_for(DAY // 5)
    made = found.motor.executed()
    for _ in range(50):
        found.tick()
        if do == "silence":
            found.guard.alarms.silence(found.now()[0])
        else:
            found.guard.alarms.confirm(0)
        found.run_for(200)
        assert found.standing() == [alarm.LOW_RESERVOIR, alarm.EMPTY_RESERVOIR]
        assert found.state() == states.HALTED
    assert found.motor.executed() == made
    refill(found)
    found.run_for(SAMPLE_S)
    assert found.standing() == []


@pytest.mark.req("RES-01", part="counted anew at start, change and bolus")
def test_what_is_left_follows_the_steps():
    found = rig(10 * ML)
    reservoir = found.guard.reservoir
    for rate in (20_000_000, 5_000_000, 60_000_000):
        found.program(step_volume_pl=STEP_PL, basal_dose_ng_per_day=rate, low_reservoir_days=0)
        found.run_for(3_600)
        found.bolus(100_000, 600)
        found.run_for(1_200)
        found.tick()
        left_pl = 10 * ML - found.motor.executed() * STEP_PL
        assert found.controller.reservoir_left_pl() == left_pl
        daily_pl = Fraction(rate * 50)
        assert abs((reservoir.seconds_to(EMPTY_PL) or 0) - (left_pl - EMPTY_PL) * DAY / daily_pl) <= 1


@pytest.mark.req("RES-04", part="the pump's own prediction against what happened")
def test_time_to_empty_is_right():
    found = rig(3 * ML)
    found.tick()
    predicted_s = found.guard.reservoir.seconds_to(EMPTY_PL) or 0
    began_s = found.now()[0]
    while alarm.EMPTY_RESERVOIR not in found.standing():
        found.run_for(600)
    assert (
        abs(found.guard.alarms.at_s[alarm.EMPTY_RESERVOIR] - began_s - predicted_s) <= 5 * predicted_s // 1000
    )
    assert found.guard.reservoir.seconds_to(EMPTY_PL) == 0


@pytest.mark.req("RES-03", part="flagged in the pump until it is confirmed, and kept")
@pytest.mark.parametrize(("off_pl", "flagged"), [(2 * ML, False), (2 * ML + 1, True), (-2 * ML - 1, True)])
def test_a_residual_that_is_off_is_flagged(off_pl: int, flagged: bool):
    found = rig(40 * ML)
    found.run_for(3 * DAY)
    found.tick()
    made_pl = found.motor.executed() * STEP_PL
    residual_pl = 40 * ML - made_pl - off_pl
    refill(found, residual_pl=residual_pl)
    assert found.standing() == ([alarm.REFILL_RESIDUAL] if flagged else [])
    check = checks(found)[0]
    ratio = Fraction(40 * ML - residual_pl, made_pl)
    assert found.guard.reservoir.ratio_ppm(check) == int(ratio * 1_000_000)
    again = Guarded(found.motor.now_us, found.board)
    assert (again.standing() == [alarm.REFILL_RESIDUAL]) == flagged
    assert checks(again)[0] == check
    found.guard.reservoir.accept_residual(found.persistence)
    assert found.standing() == []


@pytest.mark.req("RES-03", part="eight refills are kept")
def test_eight_refills_are_kept():
    found = rig(40 * ML)
    for number in range(10):
        found.run_for(60)
        refill(found, (30 + number) * ML)
    filled = [check["filled_pl"] // ML for check in checks(found)]
    assert filled == [38, 37, 36, 35, 34, 33, 32, 31]


def test_a_pocket_fill_stops_and_lets_nothing_start():
    for missing_pl, pocket in ((2 * ML, False), (2 * ML + 1, True)):
        found = rig(20 * ML)
        found.run_for(600)
        refill(found, checked=1, measured_pl=40 * ML - missing_pl)
        found.run_for(1)
        assert found.standing() == ([alarm.POCKET_FILL] if pocket else [])
        assert found.state() == (states.HALTED if pocket else states.INFUSING)
        if pocket:
            assert refused(found.program, step_volume_pl=STEP_PL) == "pocket_fill"
            refill(found)
            found.run_for(1)
            assert found.state() == states.INFUSING


@pytest.mark.req("RES-02", part="the drug's stability")
def test_the_refill_is_due_by_the_drugs_stability():
    found = rig(40 * ML, low_reservoir_days=3)
    found.tick()
    local = found.delivery.local
    local.at(*found.now())
    refill(found, expiry_day=local.day + 4)
    found.run_for(SAMPLE_S)
    assert found.standing() == []
    found.run_for(DAY)
    assert found.standing() == [alarm.REFILL_DUE]
    assert found.state() == states.INFUSING
    found.tick()
    assert refused(refill, found, 40 * ML) is None
    found.run_for(SAMPLE_S)
    assert found.standing() == []


@pytest.mark.req("DEL-11", part="a refill that no program describes was of the same drug: after a day")
def test_a_refill_lapses():
    found = rig(40 * ML)
    found.run_for(60)
    refill(found)
    found.run_for(DAY - 600)
    assert found.controller.reservoir_fills.was_refilled()
    again = Guarded(found.motor.now_us, found.board)  # its time outlives a reset
    assert again.guard.reservoir.refilled_s == found.guard.reservoir.refilled_s > 0
    found.run_for(600 + SAMPLE_S)
    assert not found.controller.reservoir_fills.was_refilled()
    assert len(found.log.kinds(43)) == 1
    drug = {"name": "morphine", "concentration_ng_per_ml": 10_000_000}
    drug.update(max_dose_24h_ng=0, max_dose_1h_ng=0)
    other = {"step_volume_pl": STEP_PL, "drugs": [drug]}
    assert refused(found.program, **other) == "refill_first"
