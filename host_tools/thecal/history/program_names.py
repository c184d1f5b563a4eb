"""A program by the name that a person gives it: its number or digest in the history, or a file.

3          the third of the pump's programs, as `thecal history` numbers them
last       the one that came last; before: the one before it
1f3a90c2   by its digest, the first four digits or more
new.toml   a therapy file
kept.json  the program of a record that `thecal report --save` wrote
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thecal.errors import ThecalError

if TYPE_CHECKING:
    from thecal.history.database import Store

LAST, BEFORE = "last", "before"
_FILES = (".toml", ".json")
_DIGEST = re.compile(r"[0-9a-f]{4,64}")
_EXAMPLES = 'its number in `thecal history`, "last", "before", its digest, or a file THERAPY.toml'


@dataclass(frozen=True)
class Named:
    """A program, and what it is called at the head of its column."""

    title: str
    program: Mapping[str, Any]


def is_file(name: str) -> bool:
    """Whether it names a file and not a program of the history."""
    return name.lower().endswith(_FILES)


def of_file(name: str) -> Named:
    """The program of a therapy file, or of a saved record. ThecalError: it holds none."""
    if name.lower().endswith(".toml"):
        from thecal.therapy.encode import to_wire
        from thecal.therapy.load import load_therapy

        return Named(name, to_wire(load_therapy(Path(name))))
    from thecal.report import record

    found = record.of_file(Path(name)).program
    if found is None:
        raise ThecalError(f"{name} holds no program", "name a record that `thecal report --save` wrote")
    return Named(name, found)


def of_store(store: Store, serial: str, name: str) -> Named:
    """One of a pump's programs. ThecalError: there is none of that name."""
    from thecal.history.queries import as_wire, numbered, one_pump

    pump = one_pump(store, serial)
    known = list(numbered(store, pump["id"]))
    fitting = [(number, row) for number, row in known if _is(name, number, row, len(known))]
    if len(fitting) != 1 and len({row["digest"] for _, row in fitting}) != 1:
        many = "several programs" if fitting else "no program"
        raise ThecalError(
            f'{pump["serial"]} has {many} "{name}"; the store knows {len(known)} of it', f"give {_EXAMPLES}"
        )
    number, row = fitting[-1]
    return Named(f"{number}: {row['name']}, {row['digest'].hex()[:8]}", as_wire(row["therapy"]))


def _is(name: str, number: int, row: Mapping[str, Any], count: int) -> bool:
    if name in (LAST, BEFORE):
        return number == count - (name == BEFORE)
    if name.isascii() and name.isdigit() and int(name) <= count:
        return number == int(name)
    return bool(_DIGEST.fullmatch(name.lower())) and row["digest"].hex().startswith(name.lower())
