"""Can the log of a record be trusted? One verdict, whatever is known of its chain."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from thecal.eventlog import integrity
from thecal.link.responses.pump import Event, LogRing, LogState
from thecal.report.record import Record
from thecal_protocol.messages import RINGS

_MORE_THAN_KEPT = 1 << 32  # records of a ring of which a file shows no more than a part

Standing = Literal["whole", "broken", "unchecked"]


@dataclass(frozen=True)
class Chain:
    """`words` says what was checked; `flaws`: (number of the record, what is wrong with it)."""

    standing: Standing
    words: str
    flaws: tuple[tuple[int, str], ...]
    digest: str


def check(record: Record, key: bytes | None) -> Chain:
    """By the pump's log key, where it is known; without one the tags prove nothing and the report says so."""
    events = record.events
    digest = log_digest(events)
    order = _order(events)
    if not events:
        return Chain("unchecked", "there is no log", (), digest)
    if key is None:
        flaws = tuple(order)
        words = (
            "the key of this pump's log is not known here, so nothing shows whether it was changed; "
            "`thecal log --verify` with the pump at hand fetches the key"
        )
        return Chain("broken" if flaws else "unchecked", words, flaws, digest)
    if record.log_state is not None:
        verdict = integrity.verify(key, record.log_state, events)
        words = f"{verdict.records} records checked with the pump's log key, up to both ends"
        if verdict.unchecked_to:
            words += f"; records up to {verdict.unchecked_to} are from before the pump lost its key"
        flaws = tuple((flaw.sequence, flaw.what) for flaw in verdict.flaws)
    else:
        verdict = integrity.verify(key, _state_of(events), events)
        words = f"{verdict.records} records checked with the pump's log key; of a file of lines not the ends"
        flaws = tuple((flaw.sequence, flaw.what) for flaw in verdict.flaws)
    return Chain("broken" if flaws else "whole", words, flaws, digest)


def log_digest(events: list[Event]) -> str:
    """SHA-256 over the 48 bytes and the tag of every record, in the order of their numbers."""
    sha = hashlib.sha256()
    for event in events:
        sha.update(integrity.record_bytes(event) + event.tag)
    return sha.hexdigest()


def _order(events: list[Event]) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    before = 0
    for event in events:
        if event.sequence <= before:
            found.append((event.sequence, f"it stands after record {before}"))
        before = event.sequence
    return found


def _state_of(events: list[Event]) -> LogState:
    """What a file of lines shows of the rings. One that begins later than the log is trusted up to there."""
    rings: list[LogRing] = []
    before = integrity.NO_TAG if events and events[0].sequence == 1 else integrity.NOT_KNOWN
    for _, name in RINGS:
        mine = [event for event in events if integrity.ring_of(event) == name]
        last = mine[-1] if mine else None
        rings.append(
            LogRing(
                mine[0].sequence if mine else 0,
                last.sequence if last else 0,
                _MORE_THAN_KEPT,
                before,
                last.tag if last else before,
            )
        )
    return LogState((events[-1].sequence if events else 0) + 1, 0, False, rings[0], rings[1], rings[2])
