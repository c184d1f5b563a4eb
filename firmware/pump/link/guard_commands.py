"""What the requests about alarms, sensors, self tests and the reservoir do (`wire.guard`).

Called by: `pump.link.commands`, which registers them. Raises `Unacceptable` for every refusal. Allocates:
commands only."""

from wire import guard as wire


class GuardCommands:
    """Handlers of the guard's opcodes, bound to one pump."""

    def __init__(self, timebase, course, log, keeper):
        self._timebase = timebase
        self._delivery = course.delivery
        self._log = log
        self._keeper = keeper
        self.handlers = {wire.ALARMS_LIST: self.alarms}

    def standing(self):
        """Numbers of the alarms that stand."""
        found = []
        delivery = self._delivery
        for number, stands in (
            (23, delivery.fault),
            (3, self._keeper.failed),
            (1, delivery.paused_too_long),
            (2, self._log.failing),
        ):
            if stands:
                found.append(number)
        return found

    def alarms(self, values):
        standing = self.standing()
        entry = {"critical": 0, "state": wire.LIVE, "raised_s": 0, "raised_us": 0, "detail": 0}
        return {
            "total": len(standing),
            "announced": 0,
            "silent_s": 0,
            "fault": 23 if self._delivery.fault else 0,
            "fault_detail": self._delivery.fault,
            "alarms": [dict(entry, alarm=x, critical=x & 1) for x in standing[values["first"] :]],
        }
