"""Alarms: one table, classes, tones, silence, what they do, on the rig of the whole guard."""

from pathlib import Path

import pytest

from firmware.safety.rig import refused, rig
from thecal_protocol import alarms as alarm
from thecal_protocol import states


@pytest.mark.req("ALM-01")
def test_every_alarm_has_one_class_and_one_action(repo_root: Path):
    numbers = [row[0] for row in alarm.ALARMS]
    assert numbers == sorted(set(numbers))  # each its own; a number that is not there is free for nobody else
    assert len({row[1] for row in alarm.ALARMS}) == len(numbers)
    assert (numbers[0], numbers[-1]) == (1, alarm.COUNT - 1)
    assert {row[2] for row in alarm.ALARMS} == {"critical", "noncritical"}
    assert {row[3] for row in alarm.ALARMS} <= {alarm.NONE, alarm.HOLD, alarm.STOP, alarm.FATAL}
    assert all(row[2] == "critical" for row in alarm.ALARMS if row[3] != alarm.NONE)
    page = (repo_root / "docs" / "reference" / "alarms.md").read_text(encoding="utf-8")
    assert all(f"| {row[0]} | `{row[1]}` | {row[2]} |" in page for row in alarm.ALARMS)


@pytest.mark.req("ALM-02")
@pytest.mark.parametrize(
    "order", [(alarm.LOW_RESERVOIR, alarm.MOTOR_STALL), (alarm.MOTOR_STALL, alarm.LOW_RESERVOIR)]
)
def test_the_highest_class_is_announced_whatever_the_order(order: tuple[int, int]):
    alarms = rig().guard.alarms
    for number in order:
        alarms.raise_(number)
    assert alarms.announced() == alarm.MOTOR_STALL
    assert alarms.to_sound() == 2
    alarms.confirm(alarm.MOTOR_STALL)
    assert alarms.announced() == alarm.MOTOR_STALL
    assert alarms.to_sound() == 1
    alarms.clear(alarm.MOTOR_STALL)
    assert alarms.announced() == alarm.LOW_RESERVOIR


@pytest.mark.req("ALM-02", part="tones")
def test_tones_come_hourly_or_every_ten_minutes():
    found = rig()
    played = found.board.buzzer.played
    start = found.now()[0]
    found.guard.alarms.raise_(alarm.LOW_RESERVOIR)
    found.guard.reservoir._low_at = 0
    found.run_for(7_300)
    assert [(s - start, p) for s, p in played if p == 1] == [(0, 1), (3_600, 1), (7_200, 1)]
    start = found.now()[0]
    found.tick()
    found.guard.alarms.raise_(alarm.BATTERY_EOS)
    found.run_for(1_900)
    assert [(s - start, p) for s, p in played if p == 2] == [(0, 2), (600, 2), (1_200, 2), (1_800, 2)]


@pytest.mark.req("ALM-03")
def test_silence_of_a_critical_alarm_ends_after_two_minutes():
    found = rig()
    alarms = found.guard.alarms
    alarms.raise_(alarm.BATTERY_EOS)
    found.run_for(30)
    start = found.now()[0]
    found.tick()
    assert alarms.silence(start) == 120
    found.run_for(400)
    assert [s - start for s, pattern in found.board.buzzer.played if pattern == 2 and s > start] == [120]
    assert alarms.stands(alarm.BATTERY_EOS)


@pytest.mark.req("ALM-03", part="another critical one breaks the silence")
def test_a_new_critical_alarm_is_heard_at_once():
    found = rig()
    alarms = found.guard.alarms
    alarms.raise_(alarm.LOW_RESERVOIR)
    found.guard.reservoir._low_at = 0
    found.run_for(5)
    found.tick()
    assert alarms.silence(found.now()[0]) == 3_600
    found.run_for(60)
    found.tick()
    alarms.raise_(alarm.MOTOR_STALL)
    s = found.now()[0]
    found.run_for(1)
    assert found.board.buzzer.played[-1] == (s, 2)


@pytest.mark.req("ALM-04")
def test_confirming_ends_the_tone_and_never_the_condition():
    found = rig()
    found.board.sensors.shown[0] = 43_000
    found.run_for(700)
    assert found.state() == states.HALTED
    assert found.guard.alarms.confirm(0) == 1
    count = len(found.board.buzzer.played)
    found.run_for(3_600)
    assert found.standing() == [alarm.TEMPERATURE_HIGH]
    assert found.state() == states.HALTED
    assert len(found.board.buzzer.played) == count
    found.board.sensors.shown[0] = 37_000
    found.run_for(60)
    found.board.sensors.shown[0] = 43_000
    found.run_for(700)
    assert found.board.buzzer.played[count:] != []


@pytest.mark.req("ALM-05")
def test_a_buzzer_that_is_not_heard():
    found = rig()
    found.board.buzzer.broken = True
    found.tick()
    found.guard.alarms.sound(1, found.now()[0])
    found.run_for(10)
    assert found.standing() == [alarm.ANNUNCIATOR]
    assert found.log.kinds(14)[-1][2] == alarm.ANNUNCIATOR
    assert found.state() == states.INFUSING  # a running therapy goes on
    found.tick()
    found.controller.stop(0, *found.now())
    assert refused(found.controller.resume, *found.now()) == "annunciator"
    found.board.buzzer.broken = False
    found.guard.alarms.sound(1, found.now()[0])
    found.run_for(10)
    assert refused(found.controller.resume, *found.now()) is None


@pytest.mark.req("ALM-06")
def test_a_stop_of_two_days_is_critical():
    found = rig()
    found.controller.stop(0, *found.now())
    found.run_for(1_799)
    assert found.standing() == []
    found.run_for(2)
    assert found.standing() == [alarm.MAX_PAUSE]
    found.run_for(172_800 - 1_802)
    assert found.standing() == [alarm.MAX_PAUSE]
    found.run_for(2)
    assert found.standing() == [alarm.MAX_PAUSE, alarm.STOPPED_48H]
    assert found.guard.alarms.announced() == alarm.STOPPED_48H
    found.tick()
    found.controller.resume(*found.now())
    assert found.standing() == []


@pytest.mark.req("MOT-04")
def test_the_same_fault_three_times_in_ten_minutes_stops():
    found = rig()
    for time in range(3):
        found.board.sensors.shown[3] = 60_000
        found.run_for(100 if time else 400)
        found.board.sensors.shown[3] = 1_000
        found.run_for(60)
    assert found.state() == states.FAULT
    assert alarm.REPEATED_FAULT in found.standing()
    assert found.guard.alarms.details[alarm.REPEATED_FAULT] == alarm.OCCLUSION_DOWNSTREAM


@pytest.mark.req("MOT-04", part="not when it comes rarely")
def test_a_fault_that_comes_rarely_does_not_stop():
    found = rig()
    for _ in range(5):
        found.board.sensors.shown[3] = 60_000
        found.run_for(400)
        found.board.sensors.shown[3] = 1_000
        found.run_for(400)
    assert found.state() == states.INFUSING
