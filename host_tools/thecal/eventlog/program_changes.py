"""What a program changed, from the records `program_field` of the pump's log: field, drug, old and new value.

Each record is one field; a name comes in pieces, which are put together here (docs/reference/protocol.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from thecal.link.responses.pump import Event
from thecal.units.amounts import (
    US_PER_S,
    concentration_text,
    dose_rate_text,
    duration_text,
    length_text,
    mass_text,
    time_of_day_text,
    volume_per_length_text,
    volume_rate_text,
    volume_text,
)
from thecal_protocol.codec import WireError, name_of
from thecal_protocol.events import PIECES, PROGRAM_FIELDS
from thecal_protocol.messages import BASAL_MODES

_TOP = 56
_VALUE = (1 << _TOP) - 1
_NAMES = ("name", "drugs.name")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TEXTS: tuple[tuple[str, Callable[[int], str]], ...] = (  # by what the name ends with
    ("_ng_per_ml", concentration_text),
    ("_ng_per_day", dose_rate_text),
    ("_pl_per_day", volume_rate_text),
    ("_pl_per_cm", volume_per_length_text),
    ("_ng", mass_text),
    ("_pl", volume_text),
    ("_um", length_text),
    ("_us", duration_text),
    ("_s", lambda s: duration_text(s * US_PER_S)),
)
_GROUPS = {
    "drugs": "drug {}",
    "basal_steps": "flex step {}",
    "periodic_boluses": "periodic bolus {}",
    "plan": "plan step {}",
    "patient_bolus": "patient bolus",
    "bridge": "bridge",
    "library": "library",
}


@dataclass(frozen=True)
class Change:
    """One field of a program that was changed. `field`: as `records.PROGRAM_FIELDS` names it."""

    sequence: int  # of its (first) record
    at_us: int  # of the pump's clock
    actor: str
    ref: int
    field: str
    index: int  # which entry of its group, from 0
    drug: str  # by its name, where the field is a drug's and the log has the name
    old: str
    new: str

    @property
    def words(self) -> str:
        """The field for people."""
        return words_of(self.field, self.index, self.drug)

    def as_json(self) -> dict[str, object]:
        """As it stands in JSON."""
        return {
            "actor": self.actor,
            "words": self.words,
            "field": self.field,
            "index": self.index,
            "drug": self.drug or None,
            "old": self.old,
            "new": self.new,
        }


def words_of(field: str, index: int, drug: str = "") -> str:
    """A field and the entry that it is of, in words."""
    *groups, last = field.split(".")
    if field in _GROUPS:
        groups, last = [field], ""
    for suffix, _ in _TEXTS:
        last = last.removesuffix(suffix) if last != suffix else last
    found = [_GROUPS.get(group, group).format(index + 1) for group in groups]
    text = ", ".join([part.replace("_", " ") for part in found if part])
    text = " ".join(part for part in (text, last.replace("_", " ")) if part)
    return f"{text} ({drug})" if drug else text


def value_text(field: str, value: int) -> str:
    """A value with its unit; "none": there is none."""
    if not value and field != "basal_mode":
        return "none"
    if field == "basal_mode":
        return next((name for number, name in BASAL_MODES if number == value), str(value))
    if field == "basal_steps":
        days = [day for bit, day in enumerate(_DAYS) if value >> 32 >> bit & 1]
        which = "every day" if len(days) == len(_DAYS) else " ".join(days)
        return f"{dose_rate_text(value & 0xFFFFFFFF)} from {time_of_day_text(value >> 40)} {which}"
    text = next((text for suffix, text in _TEXTS if field.endswith(suffix)), str)
    return text(value)


def details(event: Event) -> str:
    """One record in words, as it stands."""
    if not event.code:
        return "the changes could not be put on record"
    field, index, old, new = _parts(event)
    if field in _NAMES:
        what = words_of(field, index // PIECES)
        more = f", from letter {index % PIECES * 7 + 1}" if index % PIECES else ""
        return f'{what}{more}: "{_letters(old)}" -> "{_letters(new)}"'
    return f"{words_of(field, index)}: {value_text(field, old)} -> {value_text(field, new)}"


def _letters(value: int) -> str:
    return value.to_bytes(7, "little").rstrip(b"\0").decode(errors="replace")


def _parts(event: Event) -> tuple[str, int, int, int]:
    try:
        field = name_of(PROGRAM_FIELDS, event.code)
    except WireError:
        field = f"field_{event.code}"
    return field, event.a >> _TOP, event.a & _VALUE, event.b & _VALUE


def fields_of(events: Iterable[Event]) -> tuple[dict[tuple[str, int], tuple[int, int]], bool]:
    """Old and new value by field and entry, of the records of one commit; and whether they are all of it."""
    found: dict[tuple[str, int], tuple[int, int]] = {}
    whole = False
    for event in events:
        if not event.code:
            return {}, False
        field, index, old, new = _parts(event)
        found[field, index] = old, new
        whole = bool(event.b >> _TOP & 1)
    return found, whole


def changes_of(events: Iterable[Event]) -> list[Change]:
    """All changes that a log shows, in its order, names whole, drugs by their names."""
    names: dict[int, bytes] = {}  # of drugs, by their index, as the log has them so far
    found: list[Change] = []
    commit: list[Event] = []
    for event in events:
        if event.kind == "program_field" and event.code:
            if commit and commit[-1].ref != event.ref:
                found += _commit(commit, names)
                commit = []
            commit.append(event)
    return found + _commit(commit, names)


def _commit(events: list[Event], names: dict[int, bytes]) -> list[Change]:
    """The changes of one commit."""
    whole: dict[tuple[str, int], tuple[bytes, bytes]] = {}
    for event in events:
        field, index, old, new = _parts(event)
        if field in _NAMES:
            place = (field, index // PIECES)
            was = names.get(index // PIECES, b"") if field == "drugs.name" else b""
            before, after = whole.get(place, (was, was))
            whole[place] = _put(before, index % PIECES, old), _put(after, index % PIECES, new)
    for (field, index), (_, after) in whole.items():
        if field == "drugs.name":
            names[index] = after
    found: list[Change] = []
    shown: set[tuple[str, int]] = set()
    for event in events:
        field, index, old, new = _parts(event)
        if field in _NAMES:
            place = (field, index // PIECES)
            if place in shown:
                continue
            shown.add(place)
            before, after = (text.decode(errors="replace") or "none" for text in whole[place])
            found.append(_change(event, field, index // PIECES, before, after, names))
        else:
            before, after = value_text(field, old), value_text(field, new)
            found.append(_change(event, field, index, before, after, names))
    return found


def _put(text: bytes, piece: int, value: int) -> bytes:
    """A name with one of its pieces replaced."""
    padded = bytearray(text.ljust(7 * (piece + 1), b"\0"))
    padded[7 * piece : 7 * (piece + 1)] = value.to_bytes(7, "little")
    return bytes(padded).rstrip(b"\0")


def _change(event: Event, field: str, index: int, old: str, new: str, names: dict[int, bytes]) -> Change:
    of_drug = field.startswith(("drugs.", "library.drugs.")) and field not in _NAMES
    drug = names.get(index, b"").decode(errors="replace") if of_drug else ""
    return Change(event.sequence, event.at.total_us, event.actor, event.ref, field, index, drug, old, new)
