"""A pump at one instant: everything that `thecal status` and `thecal monitor` show, as text and as JSON.

Imports nothing heavy: `thecal status` answers within 0.3 s, the start of Python included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

from thecal.commands import going_on, mri, record_errors
from thecal.commands.alarm_view import AlarmView, fault_json, kind_of
from thecal.commands.delivered import Ledger, missed_json
from thecal.errors import Refused
from thecal.link.client import Client
from thecal.link.responses.alarms import Alarms, Reservoir, Sensors
from thecal.link.responses.pump import Accounts, Hello, LogState, Status
from thecal.units import local_time
from thecal.units.amounts import (
    PL_PER_ML,
    US_PER_S,
    count_text,
    dose_rate_text,
    fixed_text,
    mass_text,
    span_text,
    volume_rate_text,
    volume_text,
)
from thecal.units.json_numbers import SCHEMA, exact, nl
from thecal_protocol.sensors import NO_READING, SENSORS

T = TypeVar("T")

NEVER_SET = " (never set: thecal clock set --to now)"
SLOW_S = 5  # so long what changes slowly is shown again, unless the pump has something new on record


class Snapshot(NamedTuple):
    """What the pump said of itself. `program`: the therapy it runs, None when there is none."""

    port: str
    hello: Hello
    status: Status
    accounts: Accounts | None  # None: this role may not read them
    program: Mapping[str, Any] | None
    alarms: Alarms
    sensors: Sensors | None
    reservoir: Reservoir | None  # None: there is no program, so nothing is counted
    log_state: LogState | None  # None: this role may not read it
    distrusted: list[
        int
    ]  # without a program: what the last start could not trust (`thecal.commands.record_errors`)
    stop_left_s: int | None  # of a stop for a time, at `slow`
    slow: Status  # when what changes slowly was asked: all but status and alarms

    @classmethod
    def take(cls, port: str, client: Client, hello: Hello, before: Snapshot | None = None) -> Snapshot:
        """Ask the pump. `before`: the look before this one; what it knows already is not asked again."""
        status = client.status()
        if before is not None and before.is_fresh(status):
            return before._replace(status=status, alarms=client.alarms())
        program = before.program if before and before.status.program_digest == status.program_digest else None
        if program is None and status.program_digest:
            program = _unless_refused(client.running_program)
        return cls(
            port,
            hello,
            status,
            _unless_refused(client.accounts),
            program,
            client.alarms(),
            _unless_refused(client.sensors),
            _unless_refused(client.reservoir),
            _unless_refused(client.log_state),
            []
            if status.program_digest
            else _unless_refused(lambda: record_errors.of_last_start(client)) or [],
            going_on.stop_left_s(client, status),
            status,
        )

    def is_fresh(self, status: Status) -> bool:
        """Whether what changes slowly may be shown again beside this status."""
        slow = self.slow
        return slow.next_event == status.next_event and 0 <= status.now.s - slow.now.s < SLOW_S

    @property
    def therapy(self) -> str | None:
        """The name of the therapy."""
        return str(self.program["name"]) if self.program else None

    def therapy_text(self) -> str:
        """Its name for people."""
        return self.therapy or ("not told to this role" if self.status.program_digest else "none")

    @property
    def refill_by(self) -> date | None:
        """The pump's own date: volume with every permitted bolus, stability or battery, what is first."""
        day = self.reservoir.refill_day if self.reservoir else None
        return None if day is None else local_time.from_wire(day, 0).date()

    @property
    def local(self) -> datetime:
        """The pump's local time."""
        return local_time.from_wire(self.status.local_day, self.status.local_s, self.status.local_us)

    @property
    def delivered_ng(self) -> dict[str, Fraction]:
        """What each drug's dose came to, as the pump counted it."""
        return self._ledger.delivered_ng

    @property
    def _ledger(self) -> Ledger:
        ledger = Ledger()
        if self.accounts is not None:
            ledger.take(self.accounts)
        return ledger

    @property
    def missed_ng(self) -> dict[str, Fraction] | None:
        """The same of what was not seen to move; None: nobody sees the motor."""
        return self._ledger.missed_ng

    @property
    def view(self) -> AlarmView:
        """Its alarms."""
        return AlarmView(self.alarms, self.status, self.stop_left_s, self.hello.serial)

    def missed_text(self) -> str:
        """What of the delivered was not seen to move; "": nothing."""
        if self.status.missed_pl is None:
            return "not known: the board has no feedback of its motor's steps"
        if not self.status.missed_pl:
            return ""
        lost = self._ledger.missed_ng or {}
        doses = ", ".join(f"{mass_text(ng)} {name}" for name, ng in lost.items() if ng)
        return f"of that {volume_text(self.status.missed_pl)} was not seen to move" + (
            f" ({doses})" if doses else ""
        )

    def next_change_text(self) -> str:
        """When the rate changes next by schedule; of a pump that is stopped, when it goes on by itself."""
        seconds = self.status.next_change_s
        if self.status.state == "stopped":
            if self.stop_left_s is None:
                return "none while it is stopped"
            passed_s = self.status.now.s - self.slow.now.s
            return f"goes on in {span_text(max(0, self.stop_left_s - passed_s))}"
        return "none scheduled" if seconds is None else f"in {span_text(seconds)}"

    def alarms_text(self) -> str:
        """Every alarm that stands, the announced one first."""
        alarms = sorted(self.alarms.standing, key=lambda one: one.name != self.alarms.announced)
        texts: list[str] = []
        for one in alarms:
            marks = [kind_of(one), *(["confirmed"] if one.confirmed else [])]
            during = mri.label(self.hello.serial, one.name, one.raised.total_us)
            texts.append(f"{one.name} ({', '.join([*marks, *([during] if during else [])])})")
        return ", ".join(texts) or "none"

    def reservoir_text(self) -> str:
        """What is left by count, and for how long."""
        to_low_s = self.reservoir.to_low_s if self.reservoir else None
        lasts = "" if to_low_s is None else f"; {span_text(to_low_s)} to low at the highest use"
        return volume_text(self.status.reservoir_pl) + lasts

    def refill_text(self) -> str:
        """The refill date and why."""
        if self.refill_by is None or self.reservoir is None:
            return "not known"
        reason = self.reservoir.refill_reason
        why = f" ({reason.replace('_', ' ')})" if reason != "unknown" else ""
        return f"{self.refill_by:%a %Y-%m-%d}{why}" + (
            "" if self.status.clock_set else ", by a clock that was never set"
        )

    def bolus_text(self) -> str:
        """The running bolus."""
        status = self.status
        if status.bolus is None:
            return "none"
        left = span_text(status.bolus_left_us // US_PER_S)
        return f"{status.bolus.replace('_', ' ')}: {self._bolus_given_text()} given, {left} left"

    def _bolus_given_text(self) -> str:
        """As it was ordered, in mass of the primary drug; in volume where that is not known, or no dose."""
        pl = self.status.bolus_given_pl
        if self.program is None or self.status.bolus == "prime":
            return volume_text(pl)
        ng = Fraction(pl * self.program["drugs"][0]["concentration_ng_per_ml"], PL_PER_ML)
        return mass_text(round(ng)) if ng >= 1 else mass_text(ng)

    def rows(self) -> list[tuple[str, str]]:
        """The whole of it in words."""
        status = self.status
        delivered = ", ".join(f"{mass_text(ng)} {name}" for name, ng in self.delivered_ng.items())
        return [
            ("pump", f"{self.hello.serial} ({self.hello.model}, firmware {self.hello.firmware})"),
            ("state", status.state),
            *[("records", record_errors.text(number)) for number in self.distrusted],
            ("local time", f"{self.local:%a %Y-%m-%d %H:%M:%S}" + ("" if status.clock_set else NEVER_SET)),
            ("therapy", self.therapy_text()),
            ("rate", volume_rate_text(status.rate_pl_per_day)),
            ("basal dose", dose_rate_text(status.basal_ng_per_day)),
            ("next change", self.next_change_text()),
            ("bolus", self.bolus_text()),
            ("delivered", delivered or ("nothing" if self.accounts else "not told to this role")),
            *([("missed", text)] if (text := self.missed_text()) else []),
            ("motor steps", count_text(status.steps)),
            ("reservoir", self.reservoir_text()),
            ("refill by", self.refill_text()),
            ("sensors", sensors_text(self.sensors) if self.sensors else "not known"),
            ("alarms", self.alarms_text()),
            *([("fault", f"{self.alarms.fault}: see `thecal fault show`")] if self.alarms.fault else []),
        ]

    def line(self) -> str:
        """The essence in one line."""
        status = self.status
        delivered = " ".join(f"{name} {mass_text(ng)}" for name, ng in self.delivered_ng.items())
        rate = volume_rate_text(status.rate_pl_per_day)
        return (
            f"{self.local:%Y-%m-%d %H:%M:%S}  {status.state}  rate {rate}  "
            f"delivered {delivered or 'nothing'}  reservoir {volume_text(status.reservoir_pl)}  "
            f"next change {self.next_change_text()}  bolus {self.bolus_text()}"
        )

    def as_json(self) -> dict[str, object]:
        """The document of `thecal status --json`."""
        status, hello = self.status, self.hello
        bolus = None
        if status.bolus is not None:
            given, left_us = nl(status.bolus_given_pl), status.bolus_left_us
            bolus = {"kind": status.bolus.removesuffix("_bolus"), "given_nl": given, "left_us": left_us}
        by_source = self.accounts.volume_pl_by_source if self.accounts else {}
        return {
            "schema": SCHEMA,
            "port": self.port,
            "serial": hello.serial,
            "model": hello.model,
            "firmware": hello.firmware,
            "state": status.state,
            "distrusted": self.distrusted,
            "now_s": status.now.s,
            "local_time": self.local.isoformat(),
            "clock_set": status.clock_set,
            "therapy": self.therapy,
            "program_digest": status.program_digest.hex(),
            "steps": status.steps,
            "delivered_ng": {name: exact(ng) for name, ng in self.delivered_ng.items()},
            "by_source_nl": {name: nl(pl) for name, pl in by_source.items()},
            "reservoir_nl": nl(status.reservoir_pl),
            "rate_nl_per_day": nl(status.rate_pl_per_day),
            "basal_ng_per_day": str(status.basal_ng_per_day),
            "next_change_s": status.next_change_s,
            "bolus": bolus,
            "alarms": [self.view.entry(alarm) for alarm in self.alarms.standing],
            "announced": self.alarms.announced,
            "fault": fault_json(self.alarms),
            "sensors": sensors_json(self.sensors) if self.sensors else None,
            **missed_json(self._ledger),
            "to_low_s": self.reservoir.to_low_s if self.reservoir else None,
            "to_empty_s": self.reservoir.to_empty_s if self.reservoir else None,
            "refill_by": self.refill_by.isoformat() if self.refill_by else None,
            "refill_reason": self.reservoir.refill_reason if self.reservoir and self.refill_by else None,
            "next_event": status.next_event,
            "heap_free": self.log_state.heap_free if self.log_state else None,
        }


def _unless_refused(ask: Callable[[], T]) -> T | None:
    """What the pump answers; None when it has no answer at present, or none for this role."""
    try:
        return ask()
    except Refused:
        return None


def sensors_text(sensors: Sensors) -> str:
    """Every sensor in one line; what is wrong with one in words."""
    parts: list[str] = []
    for name, text in _readings(sensors):
        state = sensors.states.get(name, "good")
        parts.append(f"{name} {text}{_unless_good(state)}")
    motor = sensors.states.get("motor", "good")
    parts += [f"motor{_unless_good(motor)}"] if motor != "good" else []
    supply = sensors.states.get("motor_supply", "not_fitted")
    parts.append(
        "motor supply not fitted" if supply == "not_fitted" else f"motor supply{_unless_good(supply)}"
    )
    return ", ".join(parts)


def _unless_good(state: str) -> str:
    return "" if state == "good" else f" ({state.replace('_', ' ').upper()})"


def _readings(sensors: Sensors) -> list[tuple[str, str]]:
    texts: list[tuple[str, str]] = []
    for _, name, unit, _, _, shown in SENSORS:
        if unit:
            value = sensors.readings[f"{name}_{unit}"]
            form, _, units = shown.partition(" ")
            reading = f"{fixed_text(value / 1000, int(form[1]))} {units}"
            texts.append((name, "no answer" if _silent(value) else reading))
    return texts


def _silent(value: int) -> bool:
    return value <= NO_READING


def sensors_json(sensors: Sensors) -> dict[str, object]:
    """Readings as they came (null: no answer), states by sensor."""
    return {
        **{name: None if _silent(value) else value for name, value in sensors.readings.items()},
        "states": sensors.states,
        "missed_steps": sensors.missed_steps,
    }
