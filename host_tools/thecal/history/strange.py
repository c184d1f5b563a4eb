"""What of a store's file is thecal's own: anybody may have written to it (HOST-24).

SQLite keeps text where a number belongs, and takes a view or a trigger for a table's own. So a file whose
tables are others is no store (`what_is_strange`), and what is read has to be of its column's kind
(`checked`).
"""

import functools
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Column, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from thecal.history.schema import SINCE_2, VERSION, metadata

MOST_BYTES = 1_000_000  # of one value
_MOST_LETTERS = 1000  # of a text
_AMOUNT = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?")


class Strange(Exception):
    """Something that thecal never wrote; where it stands."""


def checked(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """The row, which is one that thecal wrote, as far as can be told. Strange otherwise."""
    for name, value in row.items():
        if name in table.c:
            column = table.c[name]
            right = _SPECIAL.get(name) or _of_kind(column)
            if not (column.nullable and value is None) and not right(value):
                raise Strange(f"{table.name}.{name}")
    return row


def what_is_strange(found: Iterable[tuple[str, str, int, str | None]], version: int) -> str:
    """What is wrong with these rows (type, name, root page, SQL) of sqlite_master, of a store of this
    version; "": nothing."""
    tables: dict[str, str] = {}
    for kind, name, root, sql in found:
        if kind == "trigger":
            return f"a trigger, {name[:40]}"
        if kind == "table" and root:  # a virtual one has none
            tables[name] = sql or ""
    if not 1 <= version <= VERSION:
        return f"tables of version {version}"
    for name, texts in _tables().items():
        if _plain(tables.get(name, "")) not in texts:
            return f"another table {name}" if name in tables else f"no table {name}"
    return ""


@functools.cache
def _tables() -> dict[str, tuple[str, ...]]:
    """The SQL that each table may have: of a new store, of a version before, and brought up from that."""
    dialect = sqlite.dialect()
    found: dict[str, tuple[str, ...]] = {}
    for name, table in metadata.tables.items():
        new = _plain(str(CreateTable(table).compile(dialect=dialect)))
        later = [f",{n}{table.c[n].type.compile(dialect)}".lower() for n in SINCE_2 if name == "sessions"]
        old = functools.reduce(lambda text, column: text.replace(column, ""), later, new)
        found[name] = (new, old, old.removesuffix(")") + "".join(later) + ")")
    return found


def _plain(sql: str) -> str:
    return re.sub(r"[\s\"]+", "", sql).lower()


def _of_kind(column: Column[Any]) -> Callable[[Any], bool]:
    kind = column.type.python_type
    if kind is str:
        return lambda value: type(value) is str and len(value) <= _MOST_LETTERS
    return lambda value: type(value) is kind


def _is_time(value: Any, *, local: bool) -> bool:
    try:
        return len(value) < 40 and (datetime.fromisoformat(value).tzinfo is None) == local
    except (TypeError, ValueError):
        return False


def _is_given(value: Any) -> bool:
    """Doses by drug."""
    amounts = cast("dict[str, Any]", value).values() if isinstance(value, dict) else (None,)
    return all(isinstance(ng, str) and _AMOUNT.fullmatch(ng) for ng in amounts)


def _is_therapy(value: Any) -> bool:
    """As far as it is read here; in `sessions` it is a name."""
    if not isinstance(value, dict):
        return type(value) is str and len(value) <= _MOST_LETTERS
    therapy = cast("dict[str, Any]", value)
    drugs = therapy.get("drugs", [])
    return (
        type(therapy.get("fill_pl", 0)) is int
        and isinstance(drugs, list)
        and all(map(_is_drug, cast("list[Any]", drugs)))
    )


def _is_drug(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    drug = cast("dict[str, Any]", value)
    return type(drug.get("name")) is str and type(drug.get("concentration_ng_per_ml")) is int


_SPECIAL: dict[str, Callable[[Any], bool]] = {
    "local_time": functools.partial(_is_time, local=True),
    **dict.fromkeys(("at", "seen", "first_seen", "last_seen"), functools.partial(_is_time, local=False)),
    "delivered_ng": _is_given,
    "therapy": _is_therapy,
}
