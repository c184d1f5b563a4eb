"""Records of the pump's log in words and as JSON, for `thecal log`. Their numbers:
docs/reference/protocol.md.
"""

from __future__ import annotations

from thecal.eventlog import describe, integrity
from thecal.link.responses.pump import Event, Instant

COLUMNS = ("sequence", "boot", "at_us", "kind", "actor", "code", "ref", "a", "b", "text", "ring", "tag")


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
    words = describe.WORDS.get(event.kind)
    if words is not None:
        return words(event)
    if event.code or event.a or event.b:
        return f"code {event.code}, a {event.a}, b {event.b}"
    return ""


def verdict_as_json(verdict: integrity.Verdict) -> dict[str, object]:
    """What was checked, and what could not be; flaws are another matter."""
    return {
        "first": verdict.first,
        "last": verdict.last,
        "begins": verdict.begins,
        "ends": verdict.ends,
        "whole": verdict.whole,
        "unchecked": list(verdict.untied),
        "unchecked_to": verdict.unchecked_to,
    }


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
        "ring": integrity.ring_of(event),
        "tag": event.tag.hex(),
    }
