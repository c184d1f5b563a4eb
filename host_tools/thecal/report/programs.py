"""Which program ran when: the one that runs, and those before it, by what each commit changed (REC-09).

The log tells every field of a commit as old and new, so a program that was replaced is the one after it with
that undone. A log that begins with a pump's first program holds all of it, even when nobody kept the program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from thecal.eventlog.program_changes import fields_of
from thecal.link.responses.pump import Event
from thecal_protocol.events import PIECES, PROGRAM_FIELDS
from thecal_protocol.therapy import THERAPY

_PIECE = 7  # bytes of a name in one record
_NAMES = ("name", "drugs.name")
_STEPS = "basal_steps"
_GROUPS = {name: kind for name, kind in THERAPY if not isinstance(kind, str)}

Flat = dict[tuple[str, int], int]  # a program by field and entry; what is 0 is not there


@dataclass(frozen=True)
class Era:
    """A program from its commit on, or from where the log begins. `events`: until the next one's commit."""

    program: Mapping[str, Any]
    events: Sequence[Event]
    commit: Event | None  # None: it ran already where the log begins


def eras(events: Sequence[Event], program: Mapping[str, Any] | None) -> list[Era]:
    """Every program that is known, oldest first, without a gap to the newest. `program`: what runs; None:
    nobody has asked."""
    commits = [index for index, event in enumerate(events) if event.kind == "program_committed"]
    ends = [*commits[1:], None] if commits else []
    changed = [_changes(events, index, end) for index, end in zip(commits, ends, strict=True)]
    if program is None:
        return _forward(events, commits, ends, changed)
    found: list[Era] = []
    end: int | None = None
    flat = _flat(program)
    for index, fields in zip(reversed(commits), reversed(changed), strict=True):
        found.append(Era(program, events[index:end], events[index]))
        end = index
        if not fields:
            return found[::-1]  # what was before it is not known
        flat = {**flat, **{place: old for place, (old, _) in fields.items()}}
        if not _drugs(flat):
            return found[::-1]  # there was none before it
        program = _program(flat, program)
    if end is None or end > 0:
        found.append(Era(program, events[:end], None))
    return found[::-1]


def _forward(
    events: Sequence[Event],
    commits: list[int],
    ends: list[int | None],
    changed: list[dict[tuple[str, int], tuple[int, int]]],
) -> list[Era]:
    """From the first program of a pump on, which its log tells whole."""
    flat: Flat = {}
    found: list[Era] = []
    for index, end, fields in zip(commits, ends, changed, strict=True):
        first = bool(fields) and not any(old for old, _ in fields.values())
        if first:
            flat, found = {}, []
        elif not flat or not fields:
            flat, found = {}, []
            continue
        flat = {**flat, **{place: new for place, (_, new) in fields.items()}}
        found.append(Era(_program(flat, {}), events[index:end], events[index]))
    return found


def _changes(events: Sequence[Event], start: int, end: int | None) -> dict[tuple[str, int], tuple[int, int]]:
    """Old and new by field and entry; nothing where the records are not whole."""
    ref = events[start].ref
    fields = [x for x in events[start:end] if x.kind == "program_field" and x.ref == ref]
    found, whole = fields_of(fields)
    return found if whole else {}


def _flat(program: Mapping[str, Any]) -> Flat:
    found: Flat = {}
    for _, field in PROGRAM_FIELDS:
        if field == _STEPS:
            for entry, step in enumerate(program[_STEPS]):
                value = step["dose_ng_per_day"] | step["days"] << 32 | step["start_min"] << 40
                found[field, entry] = value
        elif "." in field:
            _flatten(found, field, field.split("."), program, 0)
        elif field in program:
            _put(found, field, 0, program[field])
    return found


def _flatten(found: Flat, field: str, path: list[str], values: Any, entry: int) -> None:
    """Of groups; a group within a group counts by its own entries alone, as the pump tells them."""
    name, *rest = path
    if name not in values:
        return
    if rest:
        for index, part in enumerate(values[name]):
            _flatten(found, field, rest, part, index)
    else:
        _put(found, field, entry, values[name])


def _put(found: Flat, field: str, entry: int, value: Any) -> None:
    if isinstance(value, str):
        data = value.encode()
        for piece in range(0, -(-len(data) // _PIECE)):
            part = data[_PIECE * piece : _PIECE * (piece + 1)]
            found[field, entry * PIECES + piece] = int.from_bytes(part, "little")
    elif isinstance(value, int):
        found[field, entry] = value


def _drugs(flat: Flat) -> bool:
    return any(value for (field, _), value in flat.items() if field == "drugs.name")


def _program(flat: Flat, like: Mapping[str, Any]) -> dict[str, Any]:
    """The program again. What no record tells (digests) is not in it."""
    made: dict[str, Any] = {}
    for name, kind in THERAPY:
        if name == _STEPS:
            made[name] = [_step(value) for _, value in _entries(flat, name)]
        elif isinstance(kind, str):
            made[name] = _text(flat, name, 0) if kind == "str" else flat.get((name, 0), 0)
        else:
            made[name] = _group(flat, name, kind)
    made["schema"] = like.get("schema", 1)
    return made


def _entries(flat: Flat, field: str) -> list[tuple[int, int]]:
    return sorted((entry, value) for (name, entry), value in flat.items() if name == field and value)


def _step(value: int) -> dict[str, int]:
    return {
        "start_min": value >> 40,
        "days": value >> 32 & 0xFF,
        "dose_ng_per_day": value & 0xFFFFFFFF,
    }


def _group(flat: Flat, name: str, kind: Any) -> list[dict[str, Any]]:
    """The entries of a group that hold anything. (Of the library, whose digest no record tells: none.)"""
    if any(not isinstance(part, str) for _, part in kind):
        return []
    fields = [(field, part, f"{name}.{field}") for field, part in kind]
    last = -1
    for (field, entry), value in flat.items():
        if value and field.startswith(f"{name}."):
            last = max(last, entry // PIECES if field in _NAMES else entry)
    return [
        {
            field: _text(flat, path, entry) if part == "str" else flat.get((path, entry), 0)
            for field, part, path in fields
        }
        for entry in range(last + 1)
    ]


def _text(flat: Flat, field: str, entry: int) -> str:
    pieces = (flat.get((field, entry * PIECES + piece), 0) for piece in range(PIECES))
    data = b"".join(piece.to_bytes(_PIECE, "little") for piece in pieces)
    return data.rstrip(b"\0").decode(errors="replace")
