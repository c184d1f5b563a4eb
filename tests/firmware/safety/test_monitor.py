"""Motor and sensors judged: stall and recovery, temperature, pressures, battery, sensors that fail."""

import pytest

from firmware.safety.rig import MILLION, Guarded, refused, rig
from thecal_protocol import alarms as alarm
from thecal_protocol import states

TEMPERATURE, BATTERY, UPSTREAM, DOWNSTREAM = range(4)
SAMPLE_S = 421  # docs/explanation/safety.md, What a fault may cost
ALERT_S = 21
STEPS_A_DAY = 400_000  # of `rig()`: 1 mL/day


def after_samples(found: Guarded, count: int) -> list[int]:
    """What stands after so many more samples."""
    until = found.board.sensors.samples + count
    while found.board.sensors.samples < until:
        found.run_for(1)
    found.run_for(1)
    return found.standing()


@pytest.mark.req("MOT-03")
@pytest.mark.parametrize(
    ("millicelsius", "number"),
    [
        (34_900, alarm.TEMPERATURE),
        (35_000, 0),
        (39_990, 0),
        (40_010, alarm.TEMPERATURE),
        (41_900, alarm.TEMPERATURE),
        (42_010, alarm.TEMPERATURE_HIGH),
    ],
)
def test_temperature(millicelsius: int, number: int):
    found = rig()
    found.board.sensors.shown[TEMPERATURE] = millicelsius
    found.run_for(SAMPLE_S)
    assert found.standing() == ([number] if number else [])
    halted = number == alarm.TEMPERATURE_HIGH
    assert found.state() == (states.HALTED if halted else states.INFUSING)
    made = found.motor.executed()
    found.run_for(600)
    assert (found.motor.executed() == made) == halted


@pytest.mark.req(
    "MOT-03", part="it goes when the body is well within again; therapy goes on, nothing comes late"
)
def test_temperature_comes_back():
    found = rig()
    for millicelsius, standing in (
        (42_500, [alarm.TEMPERATURE_HIGH]),
        (41_600, [alarm.TEMPERATURE_HIGH]),
        (41_400, [alarm.TEMPERATURE]),
        (39_900, [alarm.TEMPERATURE]),
        (39_700, []),
        (34_500, [alarm.TEMPERATURE]),
        (35_100, [alarm.TEMPERATURE]),
        (35_300, []),
    ):
        found.board.sensors.shown[TEMPERATURE] = millicelsius
        found.run_for(SAMPLE_S)
        assert found.standing() == standing, millicelsius
    made = found.motor.executed()
    found.run_for(864)
    assert abs(found.motor.executed() - made - STEPS_A_DAY // 100) <= 1


@pytest.mark.req("MOT-02")
@pytest.mark.parametrize("sensor", range(4))
@pytest.mark.parametrize("how", ["missing", "low", "high", "stuck"])
def test_a_sensor_that_fails_is_a_fault_and_never_normal(sensor: int, how: str):
    found = rig()
    sensors = found.board.sensors
    sound = sensors.shown[sensor]
    if how == "stuck":
        sensors.noise[sensor] = 0
    else:
        lowest, highest = (10_000, 1_500, -100_000, -100_000), (60_000, 5_600, 200_000, 200_000)
        sensors.shown[sensor] = {"missing": None, "low": lowest[sensor] - 5, "high": highest[sensor] + 1}[how]
    if how == "stuck":
        assert after_samples(found, 9) == []
        assert after_samples(found, 4) == [alarm.SENSOR_FAULT]
    else:
        assert after_samples(found, 1) == []
        assert after_samples(found, 1) == [alarm.SENSOR_FAULT]
    notes = found.log.kinds(39)
    state = {"missing": 1, "low": 2, "high": 2, "stuck": 3}[how]
    assert [(note[2], note[3]) for note in notes] == [(sensor + 1, state)]
    assert found.guard.alarms.details[alarm.SENSOR_FAULT] == sensor + 1
    sensors.shown[sensor], sensors.noise[sensor] = sound, 1
    assert after_samples(found, 2) == [alarm.SENSOR_FAULT]
    assert after_samples(found, 1) == []
    assert [note[2] for note in found.log.kinds(40)] == [sensor + 1]


@pytest.mark.req("MOT-02", part="a reading that cannot be believed changes nothing else")
def test_a_silent_thermometer_does_not_clear_its_alarm():
    found = rig()
    found.board.sensors.shown[TEMPERATURE] = 42_500
    found.run_for(SAMPLE_S)
    found.board.sensors.show(TEMPERATURE, None)
    found.run_for(100)
    assert found.standing() == [alarm.TEMPERATURE_HIGH, alarm.SENSOR_FAULT]
    assert found.state() == states.HALTED


@pytest.mark.req("ALM-07", part="three samples in a row; it never goes away")
def test_the_battery_nears_its_end():
    found = rig()
    shown = found.board.sensors.shown
    shown[BATTERY] = 2_690
    assert after_samples(found, 2) == []
    shown[BATTERY] = 2_800
    assert after_samples(found, 1) == []
    shown[BATTERY] = 2_690
    assert after_samples(found, 2) == []
    assert after_samples(found, 1) == [alarm.BATTERY_ERI]
    assert found.guard.latch.eri_s == found.guard.monitor.eri_s <= found.now()[0]
    shown[BATTERY] = 3_000
    assert after_samples(found, 3) == [alarm.BATTERY_ERI]
    assert found.state() == states.INFUSING


@pytest.mark.req("ALM-07", part="the last voltage ends service cleanly")
def test_the_battery_is_empty():
    found = rig()
    found.board.sensors.shown[BATTERY] = 2_390
    assert alarm.BATTERY_EOS not in after_samples(found, 2)
    assert found.state() == states.INFUSING
    assert after_samples(found, 1) == [alarm.BATTERY_ERI, alarm.BATTERY_EOS]
    assert found.state() == states.HALTED
    made = found.motor.executed()
    found.run_for(3_600)
    assert found.motor.executed() == made


@pytest.mark.req(
    "ALM-07", part="the last voltage counts three samples in a row, also late in a battery's life"
)
def test_an_old_battery_is_empty_after_three_samples():
    found = rig()
    shown = found.board.sensors.shown
    shown[BATTERY] = 2_600
    assert after_samples(found, 3) == [alarm.BATTERY_ERI]
    shown[BATTERY] = 2_390
    assert after_samples(found, 2) == [alarm.BATTERY_ERI]
    assert after_samples(found, 1) == [alarm.BATTERY_ERI, alarm.BATTERY_EOS]


@pytest.mark.req("ALM-07", part="end of service 90 days after the first sign, also over a reset")
@pytest.mark.parametrize("restart", [False, True])
def test_service_ends_90_days_later(restart: bool):
    found = rig()
    found.board.sensors.shown[BATTERY] = 2_690
    assert after_samples(found, 3) == [alarm.BATTERY_ERI]
    found.controller.stop(0, *found.now())
    eri_s = found.guard.monitor.eri_s
    if restart:
        found = Guarded(found.motor.now_us, found.board)
        assert found.guard.monitor.eri_s == eri_s
    found.motor.now_us = (eri_s + 90 * 86_400 - 500) * MILLION
    found.run_for(10)
    assert alarm.BATTERY_EOS not in found.standing()
    found.run_for(500 + SAMPLE_S)
    assert alarm.BATTERY_EOS in found.standing()


PRESSURES = [
    (DOWNSTREAM, alarm.OCCLUSION_DOWNSTREAM, 24_900, 25_100, 12_100, 11_900),
    (UPSTREAM, alarm.OCCLUSION_UPSTREAM, -39_900, -40_100, -25_100, -24_900),
]


@pytest.mark.req("MOT-05", part="a blocked catheter or inlet stops it, and lets it go on")
@pytest.mark.parametrize(("sensor", "number", "below", "above", "still", "gone"), PRESSURES)
def test_an_occlusion_stops_and_frees(
    sensor: int, number: int, below: int, above: int, still: int, gone: int
):
    found = rig()
    for pascal, stands in ((below, False), (above, True), (still, True), (gone, False)):
        found.board.sensors.shown[sensor] = pascal
        found.run_for(SAMPLE_S)
        assert found.standing() == ([number] if stands else []), pascal
        made = found.motor.executed()
        found.run_for(60)
        assert (found.motor.executed() == made) == stands
    assert [note[2] for note in found.log.kinds(34)] == [number]
    assert [note[2] for note in found.log.kinds(35)] == [number]


@pytest.mark.req("MOT-01")
def test_a_stall_is_found_held_and_recorded_and_its_end_too():
    """At the minimum rate it is tried whether the motor moves again."""
    found = rig()
    moved = found.motor.moved()
    found.motor.stalled = True
    found.run_for(121)
    assert found.standing() == [alarm.MOTOR_STALL]
    assert found.state() == states.HELD
    stalled = found.log.kinds(32)
    lost = found.motor.lost
    assert len(stalled) == 1
    assert 16 <= stalled[0][4] <= lost
    assert stalled[0][5] == stalled[0][4] * 2500
    found.run_for(3_600)
    assert found.motor.lost - lost <= 19_200 // 24 + 1  # the minimum rate
    assert found.guard.monitor.lost_in_a_row() == found.motor.lost
    found.motor.stalled = False
    lost = found.motor.lost
    began_s = found.now()[0]
    found.run_for(300)
    assert found.standing() == []
    assert found.state() == states.INFUSING
    assert [note[4] for note in found.log.kinds(33)] == [lost]
    assert found.motor.moved() - moved <= (found.now()[0] - began_s) * STEPS_A_DAY // 86_400 + 64
    assert refused(found.controller.resume, *found.now()) == "not_stopped"


@pytest.mark.req("MOT-01", part="fewer steps than stated are no stall, nor are those that lie apart")
def test_a_few_steps_missed_are_no_stall():
    found = rig(basal_dose_ng_per_day=1_200_000)  # a step in 3.6 s
    for _ in range(20):
        found.motor.settle()
        found.motor.stalled = True
        found.run_for(50)
        found.motor.settle()
        found.motor.stalled = False
        found.run_for(150)
    assert found.motor.lost > 200
    assert alarm.MOTOR_STALL not in [note[2] for note in found.log.kinds(14)]


@pytest.mark.req("MOT-05")
@pytest.mark.parametrize("what", ["heat", "occlusion", "battery", "memory", "free flow"])
def test_in_the_turn_that_finds_it_the_motor_is_stopped(what: str):
    """No time passes between finding and stopping: what was queued is not made either."""
    found = rig()
    sensors = found.board.sensors
    if what == "heat":
        sensors.shown[TEMPERATURE] = 43_000
    elif what == "occlusion":
        sensors.shown[DOWNSTREAM] = 30_000
    elif what == "battery":
        sensors.shown[BATTERY] = 2_300
    elif what == "memory":
        found.guard.guard.limit_24h ^= 1
    else:
        found.motor.run_away(500)
    stopped_at: list[int] = []

    def look() -> None:
        if not stopped_at and found.state() in (states.HALTED, states.FAULT):
            found.motor.settle()
            stopped_at.append(len(found.motor.made))
            assert found.motor.queue == []

    found.run_for(2_000, look)
    assert stopped_at == [len(found.motor.made)]
