"""Records of the pump's log in words and as JSON, for `thecal log`. Their numbers: docs/protocol.md."""

from __future__ import annotations

from datetime import date, timedelta

from thecal.amounts import concentration_text, dose_rate_text, duration_text, mass_text, volume_text
from thecal.answers import Event, Instant
from wire.codec import WireError, name_of
from wire.messages import ALARMS, BOLUS_KINDS, MESSAGES, REFUSALS
from wire.therapy import SOFT_LIMITS

RESET_CAUSES = ((1, "power on"), (3, "a watchdog reset"))
COLUMNS = ("sequence", "boot", "at_us", "kind", "actor", "code", "ref", "a", "b", "text", "tag")


def line(event: Event) -> str:
    """One record in one line."""
    words = f"{event.sequence:>7}  {instant_text(event.at):>22}  {event.kind:<18}  {event.actor:<10}  "
    return (words + details(event)).rstrip()


def instant_text(at: Instant) -> str:
    """Time on the pump's clock, which goes on over its resets, to the microsecond."""
    days, rest = divmod(at.s, 86_400)
    return f"{days} d {rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}.{at.us:06}"


def details(event: Event) -> str:
    """What a record says beyond its kind."""
    if event.kind == "bolus_started":
        return f"{_bolus(event)}: {mass_text(event.a)} over {duration_text(event.b)}"
    if event.kind in ("bolus_delivered", "bolus_cut_short"):
        return f"{_bolus(event)}: {volume_text(event.a)} given"
    if event.kind == "bolus_refused":
        return f"{name(event.code, BOLUS_KINDS)} of {mass_text(event.a)}: {name(event.b, REFUSALS)}"
    if event.kind == "command_refused":
        return f"{name(event.code, MESSAGES)}: {name(event.b, REFUSALS)}"
    if event.kind == "proposal_refused":
        return name(event.b, REFUSALS)
    if event.kind == "session_opened":
        return f"session {event.ref}"
    if event.kind == "boot":
        cause = name(event.code, RESET_CAUSES)
        return f"boot {event.boot}, after {cause}, recovered in {event.b / 1000:g} ms"
    if event.kind == "reference_time":
        local = date(2000, 1, 1) + timedelta(days=event.ref)
        second = event.a
        clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.{event.b:06}"
        return f"local time {local} {clock}"
    if event.kind == "records_lost":
        why = "no room for them" if event.code == 1 else "unreadable"
        return f"{event.ref} of the records {event.a} to {event.b}: {why}"
    if event.kind == "log_begun":
        return "new" if event.code == 1 else f"with a new key after record {event.a}"
    if event.kind in ("alarm_raised", "alarm_cleared"):
        return name(event.code, ALARMS)
    if event.kind == "program_committed":
        return f"drug library version {event.a} ({event.b.to_bytes(8, 'little').hex()})" if event.a else ""
    if event.kind == "soft_limit_passed":
        return _soft_limit(event)
    if event.code or event.a or event.b:
        return f"code {event.code}, a {event.a}, b {event.b}"
    return ""


def as_json(event: Event) -> dict[str, object]:
    """One record as a JSON object, by COLUMNS; the instant in whole microseconds of the pump's clock."""
    return {
        "sequence": event.sequence,
        "boot": event.boot,
        "at_us": event.at.total_us,
        "kind": event.kind,
        "actor": event.actor,
        "code": event.code,
        "ref": event.ref,
        "a": event.a,
        "b": event.b,
        "text": details(event),
        "tag": event.tag.hex(),
    }


def _soft_limit(event: Event) -> str:
    """Both values, by the unit of each kind of limit."""
    text = {"concentration": concentration_text, "step": dose_rate_text}
    what = name(event.code, SOFT_LIMITS)
    shown = text.get(what, mass_text)
    return f"drug {event.ref}, {what}: {shown(event.a)} confirmed, the limit is {shown(event.b)}"


def _bolus(event: Event) -> str:
    return f"{name(event.code, BOLUS_KINDS)} {event.ref}"


def name(number: int, table: tuple[tuple[object, ...], ...]) -> str:
    """The words for a number; one that the table has not is shown as it is."""
    try:
        return name_of(table, number).replace("_", " ")
    except WireError:
        return f"number {number}"
