"""Can the log of a record be trusted? One verdict, whatever is known of its chain.

`whole` is said only where both ends are known: from the pump itself, or by the seal that was put on a saved
record when its log came from the pump (`seal_of`). What a file says of its own ends proves nothing (REC-15).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Literal

from thecal.eventlog import integrity
from thecal.eventlog.integrity import Flaw, Verdict
from thecal.link.responses.pump import Event, values_of
from thecal.report.record import Record

_SEAL = b"thecal record ends v1\0"

Standing = Literal["whole", "part", "broken", "unchecked"]


@dataclass(frozen=True)
class Chain:
    """`words` says what was checked and what could not be; `flaws`: (number of the record, what is wrong with
    it). `verdict` None: the tags were not checked at all.
    """

    standing: Standing
    words: str
    flaws: tuple[tuple[int, str], ...]
    digest: str
    verdict: Verdict | None = None

    @property
    def headline(self) -> tuple[str, Literal["good", "warning", "bad"]]:
        """What a report says first, and how it looks."""
        if self.standing == "broken":
            return f"THE LOG IS NOT AS THE PUMP WROTE IT, and this report rests on it: {self.words}.", "bad"
        if self.standing == "whole":
            return f"The log is as the pump wrote it: {self.words}.", "good"
        if self.standing == "part":
            text = "What there is of the log is as the pump wrote it, but NOT ALL COULD BE CHECKED"
            return f"{text}: {self.words}.", "warning"
        return f"The log was NOT checked: {self.words}.", "warning"


def check(record: Record, key: bytes | None) -> Chain:
    """By the pump's log key, where it is known; without one the tags prove nothing and the report says so."""
    events = record.events
    digest = log_digest(events)
    if not events:
        return Chain("unchecked", "there is no log", (), digest)
    if key is None:
        flaws = tuple((flaw.sequence, flaw.what) for flaw in integrity.misplaced(events))
        words = (
            "the key of this pump's log is not known here, so nothing shows whether it was changed; "
            "`thecal log --verify` with the pump at hand fetches the key"
        )
        return Chain("broken" if flaws else "unchecked", words, flaws, digest)
    if record.log_state is None:
        verdict = integrity.verify_part(key, events)
    else:
        verdict = integrity.verify(key, record.log_state, events, known=_ends_known(record, key))
    flaws = tuple((flaw.sequence, flaw.what) for flaw in (*verdict.flaws, *_past_the_end(record)))
    standing: Standing = "broken" if flaws else "whole" if verdict.whole else "part"
    return Chain(standing, f"by the pump's log key, {verdict.words}", flaws, digest, verdict)


def _past_the_end(record: Record) -> list[Flaw]:
    """What no verdict looks at: while a pump is asked it may write more, but a file holds what it says."""
    if record.log_state is None:
        return []
    end = record.log_state.next_event
    return [
        Flaw(event.sequence, f"the record says that the log ends before {end}")
        for event in record.events
        if event.sequence >= end
    ]


def seal_of(record: Record, key: bytes | None) -> str:
    """What ties a record to where the pump's log began and ended when it was asked; "": nobody can tell."""
    return _seal(record, key) if key is not None and _ends_known(record, key) else ""


def _ends_known(record: Record, key: bytes) -> bool:
    """Whether the pump itself said where its log begins and ends, here or to whoever sealed the record."""
    return record.from_pump or hmac.compare_digest(_seal(record, key), record.seal)


def _seal(record: Record, key: bytes) -> str:
    state = values_of(record.log_state) if record.log_state else None
    said = [record.serial, record.now_us, record.local.isoformat() if record.local else None, state]
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), default=bytes.hex)
    return hmac.digest(key, _SEAL + text.encode(), "sha256").hex()


def log_digest(events: list[Event]) -> str:
    """SHA-256 over the 48 bytes and the tag of every record, in the order of their numbers."""
    sha = hashlib.sha256()
    for event in events:
        sha.update(integrity.record_bytes(event) + event.tag)
    return sha.hexdigest()
