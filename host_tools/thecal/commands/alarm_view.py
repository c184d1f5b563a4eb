"""The alarms of a pump at one instant, as text and as JSON: for `thecal alarms`, `status` and `fault`.

Imports nothing heavy.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from thecal.commands import going_on, mri
from thecal.commands.alarm_texts import cause_of, text_of
from thecal.link.client import Client
from thecal.link.responses.alarms import Alarms, StandingAlarm
from thecal.link.responses.pump import Instant, Status
from thecal.units import local_time
from thecal.units.amounts import span_text
from thecal_protocol.alarms import ACTIONS, ALARMS

_ACTIONS = {name: dict(ACTIONS)[action] for _, name, _, action in ALARMS}
_HELD = {
    "hold": "therapy gives way to the minimum rate until it clears",
    "stop": "nothing flows until it clears",
    "fatal": "nothing flows until the fault is cleared",
    "unknown": "not known to this thecal: see the state in `thecal status`",
}


class AlarmView(NamedTuple):
    """The alarms of a pump at one instant."""

    alarms: Alarms
    status: Status
    stop_left_s: int | None = None  # of a stop for a time
    serial: str = ""  # whose: by it a stall during an MRI is known

    @classmethod
    def take(cls, client: Client, serial: str = "") -> AlarmView:
        """Ask the pump."""
        alarms, status = client.alarms(), client.status()
        return cls(alarms, status, going_on.stop_left_s(client, status) if alarms.standing else None, serial)

    def since(self, alarm: StandingAlarm) -> datetime:
        """When it was raised, in the pump's local time."""
        status = self.status
        local = local_time.from_wire(status.local_day, status.local_s, status.local_us)
        return local - timedelta(microseconds=self.age_us(alarm.raised))

    def age_us(self, at: Instant) -> int:
        """How long ago that was."""
        return max(0, self.status.now.total_us - at.total_us)

    def cause(self, alarm: StandingAlarm) -> str:
        """What has happened; of a stall that came during an MRI that was noted, that first (MOT-09)."""
        during = mri.label(self.serial, alarm.name, alarm.raised.total_us)
        text = cause_of(alarm.name, alarm.detail)
        return f"{during}: {text}" if during else text

    def words(self) -> list[str]:
        """All of it for people, the announced one first."""
        lines: list[str] = []
        for alarm in sorted(self.alarms.standing, key=lambda one: one.name != self.alarms.announced):
            text = text_of(alarm.name)
            age = span_text(self.age_us(alarm.raised) // 10**6)
            lines += [
                f"{alarm.name}  {kind_of(alarm)}{_marks(self.alarms, alarm)}",
                f"  since    {self.since(alarm):%a %Y-%m-%d %H:%M:%S}, {age} ago",
                f"  cause    {self.cause(alarm)}",
                f"  pump     {self._goes_on(_ACTIONS.get(alarm.name, 'unknown'))}",
                f"  do       {text.do}",
            ]
        if self.alarms.silent_s and lines:
            lines.append(f"Silent for another {span_text(self.alarms.silent_s)}.")
        if self.alarms.fault:
            lines.append(
                f"{self.alarms.fault} (detail {self.alarms.fault_detail}) is latched, the first fatal fault: "
                "`thecal fault show` says what to do."
            )
        return lines or ["no alarm"]

    def _goes_on(self, action: str) -> str:
        """What an alarm of this action does to this pump: one that is stopped stays so."""
        stands = going_on.words(self.status.state, self.stop_left_s)
        if action == "none":
            return stands
        return _HELD[action] + (f"; {stands}" if self.status.state == "stopped" else "")

    def as_json(self) -> dict[str, object]:
        """The document of `thecal alarms --json`."""
        return {
            "schema": 1,
            "alarms": [self.entry(alarm) for alarm in self.alarms.standing],
            "announced": self.alarms.announced,
            "silent_s": self.alarms.silent_s,
            "fault": fault_json(self.alarms),
        }

    def entry(self, alarm: StandingAlarm) -> dict[str, object]:
        """One alarm as JSON."""
        text = text_of(alarm.name)
        return {
            "id": alarm.name,
            "class": kind_of(alarm),
            "action": _ACTIONS.get(alarm.name, "unknown"),
            "since": self.since(alarm).isoformat(),
            "age_s": self.age_us(alarm.raised) // 10**6,
            "live": alarm.live,
            "confirmed": alarm.confirmed,
            "detail": alarm.detail,
            "cause": self.cause(alarm),
            "do": text.do,
        }


def kind_of(alarm: StandingAlarm) -> str:
    """Its class now, as in every JSON document."""
    return "critical" if alarm.critical else "noncritical"


def fault_json(alarms: Alarms) -> dict[str, object] | None:
    """The latched fault, as in every JSON document."""
    return {"id": alarms.fault, "detail": alarms.fault_detail} if alarms.fault else None


def _marks(alarms: Alarms, alarm: StandingAlarm) -> str:
    marks = ["announced"] if alarm.name == alarms.announced else []
    marks += ["confirmed"] if alarm.confirmed else []
    marks += [] if alarm.live else ["its condition has passed"]
    return f"  ({', '.join(marks)})" if marks else ""


def fault_words(view: AlarmView) -> list[str]:
    """The latched fault for people, and what clearing it means."""
    name = view.alarms.fault
    if name is None:
        return ["no fault is latched"]
    text = text_of(name)
    return [
        f"{name}  detail {view.alarms.fault_detail}",
        f"  cause    {text.cause}",
        f"  do       {text.do}",
        "Clearing it makes the pump test itself and take its program from flash again. Delivery stays",
        "stopped: look after the patient first, find the cause (`thecal log --faults`), then",
        "`thecal fault clear`, and `thecal resume` only when the patient is to have the drug.",
    ]
