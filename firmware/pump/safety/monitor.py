"""Motor and sensors: raw readings judged (MOT-01..04, ALM-07). A sensor that is silent, out of its range or
shows no noise at all for 12 samples is a fault, never "normal".

Samples come every 5 min or 2,048 steps, every 20 s while anything is wrong or was so in the last 10 min
(`every_s`); the motor's feedback is looked at with every fourth run.

Nothing here allocates.
"""

from pump.safety.alarms import NEVER_S
from thecal_protocol import alarms as alarm
from thecal_protocol import events as event
from thecal_protocol.sensors import (
    BATTERY,
    DOWNSTREAM,
    GOOD,
    MISSING,
    MOTOR_SUPPLY,
    NO_READING,
    NOT_FITTED,
    NOT_READ,
    OUT_OF_RANGE,
    READINGS,
    STUCK,
    TEMPERATURE,
    UPSTREAM,
)

STALL_STEPS = 16  # driven in a row and not seen to move
RECOVERY_STEPS = 4
CALM_S = 300
ALERT_S = 20
_REPEATS_S = 600
SAMPLE_STEPS = 2048
STUCK_SAMPLES = 12
_TWICE = 2  # samples in a row that make a fault
_GOOD_AGAIN = 3
_BATTERY_SAMPLES = 3
ERI_MV = 2700
EOS_MV = 2400
EOS_AFTER_S = 90 * 86_400


class _Sensor:
    """One sensor with a reading: a row of `thecal_protocol.sensors.READINGS`."""

    def __init__(self, number: int, name: str, low: int, high: int):
        self.number = number
        self.name = name  # of the board's attribute
        self._low = low
        self._high = high
        self.value = 0
        self.state = NOT_READ
        self.bad = 0  # samples in a row that were bad, by reason
        self.reason = GOOD
        self.good = 0
        self.same = 0

    def judge(self, value: int, missing: bool) -> bool:
        """Take a sample; True when the state changed."""
        self.same = self.same + 1 if value == self.value and not missing else 0
        self.value = value
        reason = GOOD
        if missing:
            reason = MISSING
        elif not self._low <= value <= self._high:
            reason = OUT_OF_RANGE
        elif self.same >= STUCK_SAMPLES - 1:
            reason = STUCK
        if reason:
            self.good = 0
            self.bad = self.bad + 1 if reason == self.reason else 1
            self.reason = reason
            if (self.bad >= _TWICE or reason == STUCK) and self.state != reason:
                self.state = reason
                return True
            return False
        self.bad = 0
        self.reason = GOOD
        self.good += 1
        if self.state == NOT_READ:
            self.state = GOOD
        elif self.state != GOOD and self.good >= _GOOD_AGAIN:
            self.state = GOOD
            return True
        return False

    def is_suspect(self) -> bool:
        return self.bad > 0 or self.state != GOOD


class Monitor:
    """What the sensors say, and what it means."""

    def __init__(self, board, alarms, log):
        self._board = board
        self._motor = board.motor
        self._alarms = alarms
        self._log = log
        self.sensors = tuple([_Sensor(row[0], row[1], row[2], row[3]) for row in READINGS])
        self.supply = GOOD if board.motor.supply() >= 0 else NOT_FITTED
        self.sampled_s = 0
        self.every_s = CALM_S
        self.eri_s = NEVER_S
        self._low = 0  # samples of the battery in a row
        self._empty = 0
        self._driven = 0
        self._missed = 0
        self._row = 0  # missed in a row, or while stalled moved in a row
        self.step_volume_pl = 0
        self.lost_from = 0  # at the commit

    def lost_in_a_row(self) -> int:
        """Driven and not seen to move since the commit."""
        return self._motor.lost_steps() - self.lost_from

    def watch_motor(self, driven: int) -> None:
        """Has it moved as it was driven? (MOT-01)"""
        if self._alarms.changed:
            self.every_s = self._interval_s()
        missed = self._motor.lost_steps()
        newly = driven - self._driven
        if not newly:
            return
        lost = missed - self._missed
        self._driven = driven
        self._missed = missed
        stalled = self._alarms.stands(alarm.MOTOR_STALL)
        if stalled:
            self._row = 0 if lost else self._row + newly
            if self._row >= RECOVERY_STEPS:
                self._row = 0
                self._note(event.MOTOR_RECOVERED)
                self._alarms.clear(alarm.MOTOR_STALL)
            return
        if lost == newly:
            self._row += lost
        else:
            self._row = lost
        if self._row >= STALL_STEPS:
            self._row = 0
            self._note(event.MOTOR_STALLED)
            self._alarms.raise_(alarm.MOTOR_STALL, self.lost_in_a_row())

    def _note(self, kind: int) -> None:
        missed = self.lost_in_a_row()
        self._log.note(kind, 0, 0, missed, missed * self.step_volume_pl)

    def _interval_s(self) -> int:
        """Until the next sample."""
        if self.supply == MISSING:
            return ALERT_S
        for sensor in self.sensors:
            if sensor.is_suspect():
                return ALERT_S
        alarms = self._alarms
        if self.sampled_s - alarms.acted_s < _REPEATS_S:  # does it come again?
            return ALERT_S
        if alarms.action() or self._low or alarms.stands(alarm.TEMPERATURE):
            return ALERT_S
        return CALM_S

    def sample(self, s: int) -> None:
        """Read and judge all sensors."""
        self._board.sensors.sample()
        self.sampled_s = s
        failed = 0
        for sensor in self.sensors:
            if self._fails(sensor):
                failed = sensor.number
        self._judge_supply()
        if not failed and self.supply == MISSING:
            failed = MOTOR_SUPPLY
        self._alarms.set(alarm.SENSOR_FAULT, failed, failed)
        self._judge_temperature()
        self._judge_pressures()
        self._judge_battery(s)
        self.every_s = self._interval_s()

    def _fails(self, sensor) -> bool:
        """Judge its reading: is it at fault?"""
        value = getattr(self._board.sensors, sensor.name)
        if sensor.judge(value, value == NO_READING):
            self._tell(sensor.number, sensor.state)
        return sensor.state > GOOD

    def _judge_supply(self) -> None:
        """Of the motor, where a sensor of it is fitted (MOT-08)."""
        if self.supply != NOT_FITTED:
            state = GOOD if self._motor.supply() else MISSING
            if state != self.supply:
                self.supply = state
                self._tell(MOTOR_SUPPLY, state)

    def _tell(self, number: int, state: int) -> None:
        self._log.note(event.SENSOR_FAILED if state else event.SENSOR_RECOVERED, number, state, 0, 0)

    def _value(self, number: int, otherwise: int) -> int:
        """The last sample, where it can be believed."""
        for sensor in self.sensors:
            if sensor.number == number and not sensor.bad and sensor.state <= GOOD:
                return sensor.value
        return otherwise

    def _judge_temperature(self) -> None:
        """MOT-03. A reading that cannot be believed changes nothing: it is a fault of its own."""
        value = self._value(TEMPERATURE, -1)
        if value < 0:
            return
        self._band(alarm.TEMPERATURE_HIGH, value, value > 42_000, value < 41_500)
        if self._alarms.stands(alarm.TEMPERATURE_HIGH):
            self._alarms.clear(alarm.TEMPERATURE)  # the higher one says it
            return
        self._band(alarm.TEMPERATURE, value, not 35_000 <= value <= 40_000, 35_200 <= value <= 39_800)

    def _judge_pressures(self) -> None:
        value = self._value(DOWNSTREAM, 15_000)
        self._band(alarm.OCCLUSION_DOWNSTREAM, value, value > 25_000, value < 12_000)
        value = self._value(UPSTREAM, -30_000)
        self._band(alarm.OCCLUSION_UPSTREAM, -value if value < 0 else 0, value < -40_000, value > -25_000)

    def _band(self, number: int, detail: int, comes: bool, goes: bool) -> None:
        """Raise when it comes, clear when it goes, leave it in between."""
        if comes:
            self._alarms.raise_(number, detail)
        elif goes:
            self._alarms.clear(number)

    def _judge_battery(self, s: int) -> None:
        """ERI, and EOS 90 days later or at the last voltage (ALM-07). Neither ever goes away."""
        millivolts = self._value(BATTERY, 0)
        if not millivolts:
            return
        self._low = self._low + 1 if millivolts <= ERI_MV and self.eri_s == NEVER_S else 0
        self._empty = self._empty + 1 if millivolts <= EOS_MV else 0
        if self._low >= _BATTERY_SAMPLES:
            self.eri_s = s
        if self.eri_s != NEVER_S:
            self._alarms.raise_(alarm.BATTERY_ERI, millivolts)
            if self._empty >= _BATTERY_SAMPLES or s - self.eri_s >= EOS_AFTER_S:
                self._alarms.raise_(alarm.BATTERY_EOS, millivolts)

    def eos_in_s(self, s: int):
        """Until the end of service; None: not in sight."""
        return None if self.eri_s == NEVER_S else max(0, self.eri_s + EOS_AFTER_S - s)
