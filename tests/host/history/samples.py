"""Logs for the tests of the store: made up, as `thecal log` writes them; a digest of what a store holds."""

import csv
import hashlib
import json
import random
from pathlib import Path
from typing import Any

from thecal.eventlog.text import COLUMNS
from thecal.history.database import Store
from thecal.history.queries import rows
from thecal.history.schema import records

KINDS = ("session_opened", "bolus_started", "bolus_delivered", "reference_time", "unknown_80")


def log(first: int, last: int, seed: int = 1) -> list[dict[str, Any]]:
    """Records `first` to `last`, each as it would be in every log of this seed."""
    made: list[dict[str, Any]] = []
    for number in range(first, last + 1):
        chance = random.Random(f"{seed}/{number}")
        made.append(
            {
                "sequence": number,
                "boot": 1 + number // 1000,
                "at_us": number * 7_000_000 + chance.randrange(1_000_000),
                "kind": chance.choice(KINDS),
                "actor": "pump",
                "code": chance.randrange(256),
                "ref": chance.randrange(65_536),
                "a": chance.getrandbits(64),
                "b": chance.getrandbits(64),
                "text": "what it says",
                "tag": chance.randbytes(16).hex(),
            }
        )
    return made


def write(path: Path, entries: list[dict[str, Any]]) -> Path:
    """In the form that the name's suffix tells."""
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list[str](COLUMNS), lineterminator="\n")
            writer.writeheader()
            writer.writerows(entries)
    elif path.suffix == ".json":
        path.write_text(json.dumps({"schema": 1, "serial": "P-1", "events": entries}))
    else:
        path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


def held(store: Store) -> list[dict[str, Any]]:
    """The records in the store, in the files' own form (without text)."""
    return [{**row, "tag": row["tag"].hex()} for row in rows(store, records)]


def without_text(entries: list[dict[str, Any]], **more: Any) -> list[dict[str, Any]]:
    """What `held` should give for these records."""
    return [{**more, **{name: one for name, one in entry.items() if name != "text"}} for entry in entries]


def digest(path: Path) -> str:
    """Of every record in a store."""
    with Store.open(path, create=False) as store:
        return hashlib.sha256(json.dumps(held(store), sort_keys=True).encode()).hexdigest()
