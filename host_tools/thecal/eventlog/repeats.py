"""Records that tell of many: `repeated` and `patient_requests`, taken apart (docs/reference/protocol.md)."""

from __future__ import annotations

from dataclasses import dataclass

from thecal.link.responses.pump import Event
from thecal_protocol.codec import WireError, name_of
from thecal_protocol.messages import EVENT_KINDS

_HALF = 32
_WORD = (1 << _HALF) - 1


@dataclass(frozen=True)
class Repeats:
    """`count` more records like one that is in the log, by the same actor and with the same code."""

    kind: (
        str | None
    )  # thecal_protocol.messages.EVENT_KINDS; None: of several kinds, which found no place of their own
    code: int
    refusal: int
    count: int
    first_s: int  # of the pump's clock
    last_s: int


@dataclass(frozen=True)
class Requests:
    """What the patient asked for within one hour."""

    hour_s: int  # when the hour began, on the pump's clock
    given: int
    refused: int


def repeats_of(event: Event) -> Repeats | None:
    """What a record of the kind `repeated` stands for; None of any other."""
    if event.kind != "repeated":
        return None
    try:
        kind = name_of(EVENT_KINDS, event.b & 0xFF) if event.b & 0xFF else None
    except WireError:
        kind = None
    return Repeats(kind, event.code, event.b >> 8, event.ref, event.a & _WORD, event.a >> _HALF)


def requests_of(event: Event) -> Requests | None:
    """What a record of the kind `patient_requests` says; None of any other."""
    if event.kind != "patient_requests":
        return None
    return Requests(event.a & _WORD, event.a >> _HALF, event.b)


def count_of(event: Event, kind: str) -> int:
    """How many of a kind this record stands for: 1 of the kind itself, more of its repeats, else 0."""
    if event.kind == kind:
        return 1
    repeats = repeats_of(event)
    return repeats.count if repeats is not None and repeats.kind == kind else 0
