"""`thecal log`: the pump's records as they are, as they come, and whether they are as the pump wrote them."""

import csv
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, Self

from thecal._io.shown import cells
from thecal.errors import ThecalError
from thecal.eventlog import integrity, log_keys, text
from thecal.eventlog.integrity import Flaw, Verdict
from thecal.link.client import LAST_EVENT, Client
from thecal.link.responses.pump import Event
from thecal.units.json_numbers import SCHEMA

Form = Literal["text", "jsonl", "csv"]
_LOOK_EVERY_S = 0.5


class LogBroken(ThecalError):
    """The log is not as the pump wrote it."""


@dataclass(frozen=True)
class Selection:
    """Which records are wanted. `count` 0: all; else so many, the newest ones when `first` is 0."""

    first: int = 0
    last: int = LAST_EVENT
    count: int = 0
    faults: bool = False
    doses: bool = False

    @classmethod
    def parse(cls, first: int, wanted: str, count: int, *, faults: bool, doses: bool = False) -> Self:
        """From the command line: --from, --range "A..B" (either may be left out), --count, --faults,
        --doses.
        """
        if not wanted:
            return cls(first, count=count, faults=faults, doses=doses)
        low, dots, high = wanted.partition("..")
        if not dots or not (low or "0").isdecimal() or not (high or "0").isdecimal():
            raise ThecalError(f"{wanted!r} is no range of records", "write it like 100..200, 100.. or ..200")
        first, last = max(first, int(low or 0)), int(high) if high else LAST_EVENT
        if first > last:
            raise ThecalError(f"no record lies from {first} to {last}", "write the lower number first")
        return cls(first, last, count, faults, doses)

    @property
    def is_part(self) -> bool:
        """Are the records of one ring wanted only?"""
        return self.faults or self.doses

    def read(self, client: Client, first: int | None = None) -> list[Event]:
        """The records, oldest first; `first`: all from there on."""
        faults, doses = self.faults, self.doses
        if first is not None:
            return client.events(first, self.last, faults=faults, doses=doses)
        if not self.count or self.first:
            count = self.count or None
            return client.events(self.first, self.last, count=count, faults=faults, doses=doses)
        newest = min(self.last, client.log_state().next_event - 1)
        reach = self.count
        while True:
            first = max(0, newest + 1 - reach)
            events = client.events(first, self.last, faults=faults, doses=doses)
            if len(events) >= self.count or first == 0:
                return events[-self.count :]
            reach *= 4


def document(client: Client, serial: str, selection: Selection) -> dict[str, object]:
    """The records as one JSON document."""
    return {
        "schema": SCHEMA,
        "serial": serial,
        "events": [text.as_json(event) for event in selection.read(client)],
    }


def run(client: Client, selection: Selection, *, follow: bool, form: Form) -> None:
    """Print records line by line; `follow`: until Ctrl-C. A gap is told on stderr."""
    put = _printer(form)
    expected = selection.first
    try:
        events = selection.read(client)
        while True:
            for event in events:
                if 0 < expected < event.sequence and not selection.is_part:
                    print(f"records {expected} to {event.sequence - 1} are no longer kept", file=sys.stderr)
                expected = event.sequence + 1
                put(event)
            if not follow:
                return
            sys.stdout.flush()
            time.sleep(_LOOK_EVERY_S)
            events = selection.read(client, expected)
    except KeyboardInterrupt:
        return


def verify(
    client: Client, serial: str, *, seen: Mapping[int, bytes] = MappingProxyType({}), as_json: bool
) -> None:
    """Check the chain of the whole log, say what was found. LogBroken, with the first record at fault.

    `seen`: tags by number of what this computer has read before.
    """
    key = log_keys.obtain(client, serial)
    state = client.log_state()
    events = client.events(0)
    verdict = integrity.verify(key, state, events)
    verdict = replace(verdict, flaws=(*verdict.flaws, *_gone(verdict, events, seen)))
    if as_json:
        flaws = [{"sequence": flaw.sequence, "what": flaw.what} for flaw in verdict.flaws]
        lost = [{"first": event.a, "last": event.b, "count": event.ref} for event in verdict.lost]
        print(
            json.dumps(
                {
                    "schema": SCHEMA,
                    "ok": verdict.ok,
                    "records": verdict.records,
                    "flaws": flaws,
                    "lost": lost,
                    "checked": text.verdict_as_json(verdict),
                    "seen_to": max(seen, default=0),
                }
            )
        )
    else:
        print(f"{verdict.records} records checked: {verdict.words}")
        if not seen:
            print("not checkable: whether newer ones were taken off its flash; none was read here before")
        for event in verdict.lost:
            print(f"lost, and on record as lost: {text.details(event)}")
        for flaw in verdict.flaws:
            print(f"record {flaw.sequence}: {flaw.what}")
    if not verdict.ok:
        flaw = verdict.flaws[0]
        raise LogBroken(
            f"the log is not as the pump wrote it, first at record {flaw.sequence}: {flaw.what}",
            "keep a copy (thecal log --jsonl) and find out who had access to the pump",
        )


def _gone(verdict: Verdict, events: list[Event], seen: Mapping[int, bytes]) -> list[Flaw]:
    """What this computer has read before and the pump does not have any more, or has otherwise: the newest
    records of a pump that was off can be taken off its flash, and only who saw them can tell."""
    both = [event for event in events if event.sequence in seen]
    others = [event.sequence for event in both if seen[event.sequence] != event.tag]
    if both and len(others) == len(both):
        return [Flaw(others[0], "all of it is another log than this computer has read of this pump")]
    newest = max(seen, default=0)
    flaws = [Flaw(number, "it is another than this computer has read") for number in others[:1]]
    if newest > verdict.last:
        what = f"records up to {newest}, which this computer has read, are missing"
        flaws.append(Flaw(verdict.last + 1, what))
    return flaws


def _printer(form: Form) -> Callable[[Event], None]:
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(text.COLUMNS)
        return lambda event: writer.writerow(cells(text.as_json(event).values()))
    if form == "jsonl":
        return lambda event: print(json.dumps(text.as_json(event)))
    return lambda event: print(text.line(event))
