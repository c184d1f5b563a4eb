"""What the records of the pump's log say, in words, by kind.

Their numbers: docs/reference/protocol.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta

from thecal.eventlog import program_changes
from thecal.eventlog.repeats import repeats_of, requests_of
from thecal.link.responses.pump import Event, unknown
from thecal.units.amounts import (
    concentration_text,
    count_text,
    dose_rate_text,
    duration_text,
    mass_text,
    span_text,
    volume_text,
)
from thecal_protocol.codec import WireError, name_of
from thecal_protocol.messages import (
    ALARMS,
    BOLUS_KINDS,
    MESSAGES,
    REFUSALS,
    SELF_TESTS,
    SENSOR_STATES,
    SENSORS,
)
from thecal_protocol.roles import ROLES
from thecal_protocol.therapy import SOFT_LIMITS

RESET_CAUSES = ((1, "power on"), (3, "a watchdog reset"))
_BEGUN = {
    1: "new",
    2: "with a new key after record {}",
    3: "a ring for doses, after record {}: those before it are among the events",
}
_SESSION_ENDS = ((1, "idle"), (2, "too old"))
_FAULTS = ((1, "the motor's count and the prescription came apart"), (2, "flash refuses writes"))
_CHECKS = ((0, "as counted"), (1, "off"), (2, "perhaps a pocket fill"))
_HELD = ((1, "the minimum rate"), (2, "no flow"))


def name(number: int, table: tuple[tuple[object, ...], ...]) -> str:
    """The words for a number."""
    try:
        return name_of(table, number).replace("_", " ")
    except WireError:
        return unknown(number)


def _bolus(event: Event) -> str:
    return f"{name(event.code, BOLUS_KINDS)} {event.ref}"


def _given(event: Event) -> str:
    return f"{_bolus(event)}: {volume_text(event.a)} given"


def _alarm(event: Event) -> str:
    return name(event.code, ALARMS)


def _role(event: Event) -> str:
    return name(event.code, ROLES)


def _sensor(event: Event) -> str:
    return name(event.code, SENSORS)


def _local_time(event: Event) -> str:
    local = date(2000, 1, 1) + timedelta(days=event.ref)
    second = event.a
    return f"local time {local} {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.{event.b:06}"


def _lost(event: Event) -> str:
    why = "no room for them" if event.code == 1 else "unreadable"
    return f"{event.ref} of the records {event.a} to {event.b}: {why}"


def _soft_limit(event: Event) -> str:
    """Both values, by the unit of each kind of limit."""
    text = {"concentration": concentration_text, "step": dose_rate_text}
    what = name(event.code, SOFT_LIMITS)
    shown = text.get(what, mass_text)
    return f"drug {event.ref}, {what}: {shown(event.a)} confirmed, the limit is {shown(event.b)}"


def _clock_set(event: Event) -> str:
    if event.code:
        return "to another time"
    return f"{'back' if event.b else 'on'} by {duration_text(event.a)}"


def _missing(event: Event) -> str:
    return f"{count_text(event.a)} steps, {volume_text(event.b)} missing since the program"


def _count(event: Event) -> str:
    return f"{event.ref} in a row" if event.ref > 1 else "once"


def _clock(s: int) -> str:
    return f"{s // 86_400} d {s // 3600 % 24:02}:{s // 60 % 60:02}:{s % 60:02}"


def _repeated(event: Event) -> str:
    """What was counted, how often, and when."""
    repeats = repeats_of(event)
    if repeats is None:
        return ""
    what = "several kinds" if repeats.kind is None else repeats.kind.replace("_", " ")
    if repeats.kind == "command_refused":
        what = f"{name(repeats.code, MESSAGES)} refused: {name(repeats.refusal, REFUSALS)}"
    elif repeats.kind == "bolus_refused":
        what = f"{name(repeats.code, BOLUS_KINDS)} refused: {name(repeats.refusal, REFUSALS)}"
    when = _clock(repeats.first_s)
    if repeats.last_s != repeats.first_s:
        when += f" to {_clock(repeats.last_s)}"
    return f"{what}, {repeats.count} more, {when}"


def _requests(event: Event) -> str:
    asked = requests_of(event)
    if asked is None:
        return ""
    return f"{asked.given} given, {asked.refused} refused in the hour from {_clock(asked.hour_s)}"


WORDS: Mapping[str, Callable[[Event], str]] = {
    "boot": lambda x: f"boot {x.boot}, after {name(x.code, RESET_CAUSES)}, recovered in {x.b / 1000:g} ms",
    "session_opened": lambda x: f"session {x.ref}",
    "session_ended": lambda x: f"session {x.ref}: {name(x.code, _SESSION_ENDS)}",
    "program_committed": lambda x: (
        f"drug library version {x.a} ({x.b.to_bytes(8, 'little').hex()})" if x.a else ""
    ),
    "proposal_refused": lambda x: name(x.b, REFUSALS),
    "stopped": lambda x: f"for {span_text(x.a)}" if x.a else "until it is resumed",
    "bolus_started": lambda x: f"{_bolus(x)}: {mass_text(x.a)} over {duration_text(x.b)}",
    "bolus_delivered": _given,
    "bolus_cut_short": _given,
    "bolus_refused": lambda x: f"{name(x.code, BOLUS_KINDS)} of {mass_text(x.a)}: {name(x.b, REFUSALS)}",
    "bolus_left_out": lambda x: f"{name(x.code, BOLUS_KINDS)} of {mass_text(x.a)}",
    "bolus_interrupted": lambda x: f"{name(x.code, BOLUS_KINDS)}, by a reset",
    "clock_set": _clock_set,
    "refilled": lambda x: f"{volume_text(x.a)} in, {volume_text(x.b)} had come out",
    "refill_checked": lambda x: (
        f"{name(x.code, _CHECKS)}: {volume_text(x.a)} counted, {volume_text(x.b)} measured"
    ),
    "refill_measured": lambda x: (
        f"{volume_text(x.a)} injected, {volume_text(x.b)} found right after"
        + (": it may be beside the pump" if x.code else "")
    ),
    "refill_lapsed": lambda x: "no program followed within a day",
    "fault": lambda x: name(x.code, _FAULTS if x.code < 3 else ALARMS),
    "fault_latched": _alarm,
    "fault_cleared": _alarm,
    "alarm_raised": _alarm,
    "alarm_cleared": _alarm,
    "alarm_confirmed": _alarm,
    "alarms_silenced": lambda x: f"for {span_text(x.a)}",
    "alarm_tested": lambda x: (
        f"the {'critical' if x.code else 'noncritical'} tone, {'heard' if x.b else 'NOT heard'}"
    ),
    "self_tested": lambda x: f"{name(x.code, SELF_TESTS)}{' failed' if x.code else f' in {x.a / 1000:g} ms'}",
    "motor_stalled": _missing,
    "motor_recovered": _missing,
    "delivery_held": lambda x: f"by {_alarm(x)}: {name(x.b, _HELD)}",
    "delivery_released": _alarm,
    "sensor_failed": lambda x: f"{_sensor(x)}: {name(x.ref, SENSOR_STATES)}",
    "sensor_recovered": _sensor,
    "woken_late": lambda x: f"by {duration_text(x.a)}",
    "command_refused": lambda x: f"{name(x.code, MESSAGES)}: {name(x.b, REFUSALS)}",
    "plan_step": lambda x: f"step {x.ref + 1}: {dose_rate_text(x.a)}",
    "plan_cancelled": lambda x: f"the dose of step {x.ref + 1} stays",
    "restored": lambda x: (
        f"after reset {x.ref}, {count_text(x.a)} steps on the ledger{', exactly' if x.code else ''}"
        + (f", {volume_text(x.b)} of them counted as given that perhaps was not" if x.b else "")
    ),
    "reference_time": _local_time,
    "records_lost": _lost,
    "log_begun": lambda x: _BEGUN.get(x.code, f"code {x.code}").format(x.a),
    "soft_limit_passed": _soft_limit,
    "unknown_drug": lambda x: f"drug {x.ref} is not in the program's drug library",
    "authentication_failed": lambda x: f"{_role(x)}: {name(x.b, REFUSALS)}, {_count(x)}",
    "frames_refused": lambda x: f"{name(x.code, REFUSALS)}, {x.ref} since boot",
    "pairing_begun": _role,
    "program_field": program_changes.details,
    "repeated": _repeated,
    "patient_requests": _requests,
    "press_taken": lambda x: f"for {name(x.code, MESSAGES)}",
    "paired": lambda x: f"{_role(x)}{', an older key is revoked' if x.b else ''}",
}
