"""What the requests about alarms, sensors, self tests and the reservoir do (`thecal_protocol.messages`).

Raises `Refused` for every refusal. Allocates: commands only.
"""

from pump.safety.alarms import NEVER_S
from pump.safety.reservoir import EMPTY_PL
from pump.therapy.bounds import Refused
from pump.units import S_PER_DAY
from thecal_protocol import alarms as alarm
from thecal_protocol import events as event
from thecal_protocol import messages
from thecal_protocol.sensors import MOTOR_SUPPLY

_ALARMS_A_PAGE = 8
_CHECKS_A_PAGE = 3
_NONE = 0xFFFFFFFF
_LOW, _STABILITY, _BATTERY = 1, 2, 3


class GuardCommands:
    """Handlers of the guard's commands, each called as its command, bound to one pump."""

    def __init__(self, timebase, controller, log, supervisor, readiness, persistence):
        self._timebase = timebase
        self._controller = controller
        self._delivery = controller.delivery
        self._log = log
        self.supervisor = supervisor
        self._readiness = readiness
        self._persistence = persistence
        self._alarms = supervisor.alarms

    def allows(self, opcode: int) -> None:
        """Refused when a fault is latched and this request would change something (INT-08). A patient's
        request is refused as `alarm`, and logged."""
        if messages.command(opcode)[2] & messages.KIND == messages.CHANGES:
            self.supervisor.check_values()
            if self._delivery.fault:
                raise Refused("fault_latched", str(self._delivery.fault_code))
        elif opcode == messages.PATIENT_BOLUS:
            self.supervisor.check_values()

    def standing(self):
        """Numbers of the alarms that stand."""
        return [each for each in range(1, alarm.COUNT) if self._alarms.stands(each)]

    def highest_class(self) -> int:
        """0 nothing stands, 1 noncritical, 2 critical."""
        number = self._alarms.announced()
        return 1 + self._alarms.critical[number] if number else 0

    def missed_pl(self, since_refill: bool = False) -> int:
        """Counted and not seen to move, in all; messages.UNSEEN where no motor can be seen (RES-06)."""
        delivery = self._delivery
        if not delivery.motor.feedback:
            return messages.UNSEEN
        fills = self._controller.reservoir_fills
        missed = delivery.count.lost_steps()
        return fills.missed_since_refill_pl(missed) if since_refill else fills.missed_pl(missed)

    def alarms(self, values):
        alarms = self._alarms
        latch = self.supervisor.latch
        standing = self.standing()
        standing.sort(key=lambda each: (1 - alarms.critical[each], alarms.at_s[each], alarms.at_us[each]))
        first = values["first"]
        return {
            "total": len(standing),
            "announced": alarms.announced(),
            "silent_s": max(0, alarms.silent_until_s - self._timebase.s),
            "fault": latch.number,
            "fault_detail": latch.detail,
            "alarms": [
                {
                    "alarm": each,
                    "critical": alarms.critical[each],
                    "state": alarms.flags[each],
                    "raised_s": alarms.at_s[each],
                    "raised_us": alarms.at_us[each],
                    "detail": alarms.details[each],
                }
                for each in standing[first : first + _ALARMS_A_PAGE]
            ],
        }

    def alarm_confirm(self, values):
        number = values["alarm"]
        if number >= alarm.COUNT or (number and not self._alarms.stands(number)):
            raise Refused("no_alarm", str(number))
        count = self._alarms.confirm(number)
        self._log.note(event.ALARM_CONFIRMED, number, 0, count, 0)
        if number == alarm.REFILL_RESIDUAL or (number == 0 and self._alarms.stands(alarm.REFILL_RESIDUAL)):
            self.supervisor.reservoir.accept_residual(self._persistence)
        return {"confirmed": count}

    def alarm_silence(self, _):
        span_s = self._alarms.silence(self._timebase.s)
        self._log.note(event.ALARMS_SILENCED, 0, 0, span_s, 0)
        return {"silent_s": span_s}

    def alarm_test(self, values):
        critical = values["critical"]
        if critical > 1:
            raise Refused("out_of_range", "critical")
        self._alarms.sound(1 + critical, self._timebase.s)
        sounded = 1 if self._alarms.is_heard() else 0
        self._log.note(event.ALARM_TESTED, critical, 0, 0, sounded)
        return {"sounded": sounded}

    def sensors(self, _):
        supervisor = self.supervisor
        monitor = supervisor.monitor
        eri_s = monitor.eri_s
        states = []
        answer = {
            "sampled_s": monitor.sampled_s,
            "states": states,
            "missed_steps": self._delivery.motor.lost_steps(),
            "missed_pl": monitor.lost_in_a_row() * monitor.step_volume_pl,
            "eri_s": _NONE if eri_s == NEVER_S else eri_s,
        }
        for sensor in monitor.sensors:
            answer[sensor.name] = sensor.value
            states.append({"sensor": sensor.number, "state": sensor.state})
        states.append({"sensor": MOTOR_SUPPLY, "state": monitor.supply})
        return answer

    def self_test(self, _):
        failed = self._readiness.self_test()
        return {"failed": failed, "took_us": self._readiness.took_us}

    def clear_fault(self, _):
        time = self._timebase
        self._readiness.clear_fault(time.s, time.us)
        return {"at_s": time.s, "at_us": time.us, "state": self.supervisor.state()}

    def reservoir(self, values):
        controller = self._controller
        controller.need_program()
        reservoir = self.supervisor.reservoir
        low_pl = reservoir.low_pl()
        record = controller.reservoir_fills.refills
        first = values["first"]
        day, why = self._refill_due(low_pl)
        checks = []
        for check in record["checks"][first : first + _CHECKS_A_PAGE]:
            check = dict(check)
            check["ratio_ppm"] = reservoir.ratio_ppm(check)
            checks.append(check)
        return {
            "reservoir_pl": controller.reservoir_left_pl(),
            "filled_pl": controller.reservoir_fills.reservoir_pl,
            "missed_pl": self.missed_pl(True),
            "low_pl": low_pl,
            "low_days": reservoir.low_days(),
            "empty_pl": EMPTY_PL,
            "to_low_s": self._span(reservoir.seconds_to(low_pl)),
            "to_empty_s": self._span(reservoir.seconds_to(EMPTY_PL)),
            "refill_day": day,
            "refill_reason": why,
            "lot": record["lot"],
            "expiry_day": record["expiry_day"],
            "total": len(record["checks"]),
            "checks": checks,
        }

    def _span(self, seconds) -> int:
        return _NONE if seconds is None else min(seconds, _NONE - 1)

    def _refill_due(self, low_pl: int):
        """(local day, why): the earliest of low reservoir, the drug's stability and the battery's end."""
        supervisor = self.supervisor
        local = self._delivery.local
        local.at(self._timebase.s, self._timebase.us)
        found = (0, 0)
        seconds = supervisor.reservoir.seconds_to(low_pl)
        if seconds is not None:
            found = (local.day + (local.second + seconds) // S_PER_DAY, _LOW)
        expiry = self._controller.reservoir_fills.refills["expiry_day"]
        if expiry and (not found[0] or expiry < found[0]):
            found = (expiry, _STABILITY)
        left_s = supervisor.monitor.eos_in_s(self._timebase.s)
        if left_s is not None:
            end = local.day + (local.second + left_s) // S_PER_DAY
            if not found[0] or end < found[0]:
                found = (end, _BATTERY)
        return min(found[0], 0xFFFF), found[1]
