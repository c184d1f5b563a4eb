"""Which alarms were raised and cleared in a simulation: from the records of the pump's log.

An alarm that stands when the pump is reset is raised anew by its next life, or is gone; it is one alarm
here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from thecal.link.responses.pump import Event
from thecal_protocol.alarms import ALARMS


@dataclass
class SimulatedAlarm:
    """One alarm, by its name and its class as it was raised."""

    name: str
    kind: str  # critical, noncritical
    raised_us: int
    cleared_us: int | None = None  # None: it stands


class SimulatedAlarms:
    """The alarms so far, in the order in which they were raised."""

    def __init__(self) -> None:
        self.all: list[SimulatedAlarm] = []
        self._booted_us = 0

    def note(self, at_us: int, event: Event) -> None:
        """Take a record of the log; others than those about alarms do not matter."""
        if event.kind == "boot":
            self._booted_us = at_us
        elif event.kind == "alarm_raised":
            name, kind = _row(event.code)
            if self._standing(name) is None:
                self.all.append(SimulatedAlarm(name, "critical" if event.b else kind, at_us))
        elif event.kind == "alarm_cleared":
            alarm = self._standing(_row(event.code)[0])
            if alarm is not None:
                alarm.cleared_us = at_us

    def settle(self, standing: Iterable[str]) -> None:
        """At the end: what the pump no longer knows of went with its last reset."""
        known = set(standing)
        for alarm in self.all:
            if alarm.cleared_us is None and alarm.name not in known and alarm.raised_us <= self._booted_us:
                alarm.cleared_us = self._booted_us

    def _standing(self, name: str) -> SimulatedAlarm | None:
        return next((one for one in self.all if one.name == name and one.cleared_us is None), None)


def _row(number: int) -> tuple[str, str]:
    return next(((row[1], row[2]) for row in ALARMS if row[0] == number), (str(number), "noncritical"))
