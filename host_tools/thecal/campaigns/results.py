"""Results of a campaign as Parquet: one row a run, one part a batch, each part whole or not there.

Read them with anything that reads Parquet: `pyarrow.parquet.read_table(folder)`.
"""

import contextlib
import fcntl
import os
import weakref
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

from thecal._io import atomic_write, extras, private
from thecal.campaigns.base import Campaign, Row
from thecal.errors import ThecalError

_COMMON = {
    "campaign": "text",
    "run": "int",
    "seed": "int",
    "outcome": "text",
    "failure": "text",
    "steps_physical": "int",
    "steps_accounted": "int",
    "bound": "int",
    "wall_s": "real",
    "version": "text",
}
_LOCK = ".lock"  # who reads the folder as Parquet passes over names that begin with a dot
_PART = "part-{:07d}.parquet"


class Results:
    """The folder that holds the parts of one campaign with one seed."""

    def __init__(self, folder: Path, campaign: Campaign, seed: int) -> None:
        self.folder = folder
        self._campaign = campaign
        self._seed = seed
        self._schema: Any = _schema(campaign, seed)
        self._claimed: Callable[[], object] | None = None

    def parts(self) -> list[Path]:
        """The parts there are."""
        return sorted(self.folder.glob("part-*.parquet"))

    def rows(self) -> list[Row]:
        """Every row of every part. ThecalError when they are of another campaign, seed or unreadable."""
        rows: list[Row] = []
        for part in self.parts():
            try:
                table: Any = _arrow().parquet.read_table(part)
            except (OSError, ValueError) as error:
                raise ThecalError(
                    f"{part} cannot be read: {error}", "delete it; its runs are then made again"
                ) from None
            if table.schema.metadata != self._schema.metadata:
                raise ThecalError(
                    f"{part} holds another campaign or another seed", "choose another folder with --out"
                )
            rows += table.to_pylist()
        return rows

    def write(self, rows: Sequence[Row]) -> Path:
        """Add a part with these rows. ThecalError when it cannot be written; the parts there are stay."""
        part = self.folder / _PART.format(rows[0]["run"])
        table: Any = _arrow().Table.from_pylist(list(rows), schema=self._schema)
        with self._writing(), atomic_write.whole(part) as draft:
            _arrow().parquet.write_table(table, draft)
        return part

    def claim(self) -> None:
        """Before anything is read or run: make the folder, and have it until `give_back`, or until this
        process ends, however. ThecalError: it cannot be made, or another campaign has it."""
        with self._writing():
            private.folder(self.folder)
            lock = private.opened(self.folder / _LOCK)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise ThecalError(
                f"another campaign is at work in {self.folder}",
                "wait for its end and go on with --resume, or name another folder with --out",
            ) from None
        self._claimed = weakref.finalize(self, os.close, lock)  # closed, it is free

    def give_back(self) -> None:
        """Let others have the folder. Harmless when they may."""
        if self._claimed is not None:
            self._claimed()

    @contextlib.contextmanager
    def _writing(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise ThecalError(
                f"{self.folder} cannot be written: {error.strerror or error}",
                "name another folder with --out, or make room and go on with --resume",
            ) from None

    def remove(self) -> None:
        """Remove every part."""
        for part in self.parts():
            part.unlink()


def of_other_code(rows: Iterable[Row], version: str) -> int:
    """How many of the rows were made by other code."""
    return sum(row["version"] != version for row in rows)


def _arrow() -> Any:
    """pyarrow, which nothing but a campaign needs."""
    extras.load("pyarrow.parquet", extras.CAMPAIGN, "a campaign")
    return extras.load("pyarrow", extras.CAMPAIGN, "a campaign")


def _schema(campaign: Campaign, seed: int) -> Any:
    pa = _arrow()
    types: dict[str, Any] = {"int": pa.int64(), "text": pa.string(), "real": pa.float64()}
    columns = _COMMON | dict(campaign.columns)
    fields = [pa.field(name, types[kind]) for name, kind in columns.items()]
    return pa.schema(fields, metadata={"thecal.campaigns.command": campaign.name, "thecal.seed": str(seed)})
