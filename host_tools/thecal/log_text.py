"""Records of the pump's log in words and as JSON, for `thecal log`. Their numbers: docs/protocol.md."""

from __future__ import annotations

from thecal.amounts import duration_text, mass_text, volume_text
from thecal.answers import Event, Instant
from wire.codec import WireError, name_of
from wire.messages import BOLUS_KINDS, MESSAGES, REFUSALS


def line(event: Event) -> str:
    """One record in one line."""
    words = f"{event.sequence:>7}  {instant_text(event.at):>22}  {event.kind:<18}  {event.actor:<10}  "
    return (words + details(event)).rstrip()


def instant_text(at: Instant) -> str:
    """Time since the pump booted, to the microsecond."""
    days, rest = divmod(at.s, 86_400)
    return f"{days} d {rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}.{at.us:06}"


def details(event: Event) -> str:
    """What a record says beyond its kind."""
    if event.kind == "bolus_started":
        return f"{_bolus(event)}: {mass_text(event.a)} over {duration_text(event.b)}"
    if event.kind in ("bolus_delivered", "bolus_cut_short"):
        return f"{_bolus(event)}: {volume_text(event.a)} given"
    if event.kind == "bolus_refused":
        return f"{_name(event.code, BOLUS_KINDS)} of {mass_text(event.a)}: {_name(event.b, REFUSALS)}"
    if event.kind == "command_refused":
        return f"{_name(event.code, MESSAGES)}: {_name(event.b, REFUSALS)}"
    if event.kind == "proposal_refused":
        return _name(event.b, REFUSALS)
    if event.kind == "session_opened":
        return f"session {event.ref}"
    if event.code or event.a or event.b:
        return f"code {event.code}, a {event.a}, b {event.b}"
    return ""


def as_json(event: Event) -> dict[str, object]:
    """One record as a JSON object; the instant in whole microseconds since the pump booted."""
    return {
        "sequence": event.sequence,
        "at_us": event.at.total_us,
        "kind": event.kind,
        "actor": event.actor,
        "code": event.code,
        "ref": event.ref,
        "a": event.a,
        "b": event.b,
        "text": details(event),
    }


def _bolus(event: Event) -> str:
    return f"{_name(event.code, BOLUS_KINDS)} {event.ref}"


def _name(number: int, table: tuple[tuple[object, ...], ...]) -> str:
    try:
        return name_of(table, number).replace("_", " ")
    except WireError:
        return f"number {number}"
