"""The supervisor: watchdog, late turns, latch, way back, on the rig of the whole guard."""

import pytest

from firmware.safety.rig import MILLION, Board, Code, Guarded, Motor, Store, Word, refused, rig
from pump.safety.supervisor import CODE_EVERY_S, Supervisor
from thecal_protocol import alarms as alarm
from thecal_protocol import states


@pytest.mark.req("INT-08")
def test_the_first_fault_latches_over_a_reset():
    store, latch = Store(), Word()
    found = Guarded(1_000_000_000_123, Board(Motor(), store, latch), basal_dose_ng_per_day=20_000_000)
    found.run_for(600)
    found.tick()
    found.guard.fatal(alarm.DOSE_GUARD, 3)
    found.guard.fatal(alarm.MEMORY, 1)
    assert (found.guard.latch.number, found.guard.latch.detail) == (alarm.DOSE_GUARD, 3)
    for again in (Board(Motor(), store, Word()), Board(Motor(), Store(), latch)):  # power off; flash lost
        restarted = Guarded(2_000_000_000_000, again)
        assert restarted.state() == states.FAULT
        assert (restarted.guard.latch.number, restarted.guard.latch.detail) == (alarm.DOSE_GUARD, 3)
        assert not restarted.motor.enabled
        assert refused(restarted.program) == "alarm"


@pytest.mark.req("INT-08", part="the way back")
def test_clearing_a_fault_leads_to_a_stopped_pump():
    found = rig()
    found.tick()
    assert refused(found.readiness.clear_fault, *found.now()) == "no_alarm"
    found.guard.fatal(alarm.OVER_INFUSION, 1)
    found.run_for(60)
    made = found.motor.executed()
    found.tick()
    found.board.code.good = 0
    assert refused(found.readiness.clear_fault, *found.now()) == "self_test"
    found.board.code.good = 1
    found.readiness.clear_fault(*found.now())
    assert found.state() == states.STOPPED
    found.run_for(600)
    assert found.standing() == []
    assert found.motor.executed() == made
    found.tick()
    found.controller.resume(*found.now())
    found.run_for(864)
    assert abs(found.motor.executed() - made - 4_000) <= 1
    assert found.state() == states.INFUSING
    assert found.standing() == []


@pytest.mark.req("BOL-07", part="a fault in the steady path")
def test_what_a_bolus_gave_before_a_fault_is_recorded():
    found = rig(basal_dose_ng_per_day=2_400_000)
    found.bolus(1_000_000, 1_000)
    found.run_for(500)
    found.tick()
    found.guard.fatal(alarm.MEMORY, 1)
    cut = found.log.kinds(9)
    assert [(note[2], note[4]) for note in cut] == [(1, 25_000_000)]


@pytest.mark.req("INT-03")
def test_the_watchdog_is_fed_when_every_task_has_checked_in():
    found = rig()
    guard, dog = found.guard, found.board.watchdog
    found.tick()
    for tasks in range(8):
        before = dog.fed
        guard.tasks = tasks
        assert guard.feed()
        assert (dog.fed > before) == (tasks == 7)
    guard.tasks = 7
    guard.wake_s = found.now()[0] - 1  # the guard itself is overdue
    before = dog.fed
    guard.feed()
    assert dog.fed == before


@pytest.mark.req("INT-03", part="late by 2 s")
def test_a_late_turn_does_not_feed():
    found = rig()
    found.tick()
    found.delivery.wake.set(found.now()[0] - 2, 0)
    found.guard.late(found.now()[0])
    before = found.board.watchdog.fed
    found.guard.tasks = 7
    assert not found.guard.feed()
    assert found.board.watchdog.fed == before
    assert found.guard.feed()
    assert found.board.watchdog.fed == before + 1
    assert len(found.log.kinds(42)) == 1


@pytest.mark.req("INT-03", "BOL-09", part="the cap on catching up: what was missed over a minute ago")
@pytest.mark.parametrize(("late_s", "fault"), [(5, False), (58, False), (65, True), (7_000, True)])
def test_past_the_cap_nothing_is_caught_up(late_s: int, fault: bool):
    """A pump that slept."""
    found = rig(basal_dose_ng_per_day=2_400_000)  # 0.55 steps a second
    found.run_for(60)
    found.motor.settle()
    while found.motor.queue:  # asleep from the instant at which the queue is empty
        found.motor.now_us = found.motor.queue[-1]
        found.motor.settle()
    before = len(found.motor.made)
    found.motor.now_us += late_s * MILLION
    found.turn()
    found.run_for(1)
    assert (found.state() == states.FAULT) == fault
    assert found.standing() == ([alarm.FAULT] if fault else [])
    caught_up = len(found.motor.made) - before
    assert caught_up == 0 if fault else abs(caught_up - (late_s + 1) * 48_000 / 86_400) <= 1


class Stop(BaseException):
    """Ends the endless loop of a test."""


CRASHES = [(MemoryError, 3), (OSError, 4), (RuntimeError, 5), (IndexError, 7), (KeyError, 8), (TypeError, 9)]
CRASHES += [(AttributeError, 10), (ValueError, 11), (UnicodeError, 11), (ZeroDivisionError, 12)]


@pytest.mark.req("INT-08", part="any exception ends in the safe state")
@pytest.mark.parametrize(("error", "detail"), CRASHES)
def test_any_exception_is_survived(error: type[Exception], detail: int):
    found = rig()
    found.tick()
    turns = []

    def turn() -> None:
        turns.append(found.state())
        if len(turns) == 1:
            raise error("planned")
        raise Stop

    with pytest.raises(Stop):
        Supervisor.run(found.guard, turn)
    assert turns == [states.INFUSING, states.FAULT]
    assert found.standing() == [alarm.FAULT]
    assert found.guard.alarms.details[alarm.FAULT] == detail
    assert not found.motor.enabled
    assert found.board.watchdog.timeout_ms <= 8_388


@pytest.mark.req("INT-02", part="a damaged file of the firmware, also where steps come fast")
@pytest.mark.parametrize("dose_ng_per_day", [2_400_000, 60_000_000])
def test_damaged_code_is_found_within_a_day(dose_ng_per_day: int):
    found = rig(basal_dose_ng_per_day=dose_ng_per_day, fill_pl=40_000_000_000, low_reservoir_days=0)
    assert found.delivery.planner.is_fast() == (dose_ng_per_day > 10_000_000)
    found.board.code.good = 0
    most_s = Code.FILES * (CODE_EVERY_S + 120)
    assert most_s < 86_400
    found.run_for(most_s)
    assert found.standing() == [alarm.CODE]
    assert found.state() == states.INFUSING
    found.board.code.good = 1
    found.run_for(CODE_EVERY_S)
    assert found.standing() == [alarm.CODE]  # until all of it has been found good
    found.run_for(most_s)
    assert found.standing() == []
