"""What a pump is started from: a therapy, and with it perhaps an events file, as examples or as files that a
browser sent. All of it is read and checked before a pump starts.

Files from a browser have names, and no folder: they are written into a folder of this process's own, and an
events file may name only what was opened with it.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thecal._io import atomic_write, paths
from thecal.errors import Problem, ThecalError, TherapyError
from thecal.simulation.scenario.load import parse_tables
from thecal.therapy.checked import CheckedTherapy
from thecal.therapy.load import load_therapy
from thecal.therapy.toml_file import MAX_FILE_BYTES, parse_toml, read_text
from thecal.units.local_time import DEFAULT_START, parse_start

if TYPE_CHECKING:
    from thecal.simulation.scenario.models import Event

MOST_BYTES = 2 * MAX_FILE_BYTES  # of all files together
_MOST_FILES = 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,80}\.toml", re.ASCII)
MOST_SEED = 2**31 - 1


@dataclass(frozen=True)
class Opened:
    """All that a run begins with. `folder` holds every file by name; `name` is the therapy's."""

    folder: Path
    name: str
    therapy: CheckedTherapy
    events: list[tuple[dict[str, Any], Event]]
    start: datetime = DEFAULT_START
    seed: int = 1
    scenario: str = ""  # the name of the events file

    def therapies(self) -> list[str]:
        """Those that may be programmed, by the names of their files."""
        return sorted(path.name for path in self.folder.glob("*.toml") if path.name != self.scenario)


def examples() -> dict[str, Path]:
    """The therapies that thecal carries, by the names of their files."""
    folder = paths.project_root() / "examples"
    return {path.name: path for path in sorted(folder.glob("*.toml"))}


def opened(
    folder: Path, files: Mapping[str, bytes], example: str = "", *, start: str = "", seed: int = 1
) -> Opened:
    """Read and check everything.

    Args:
        folder: empty, and this process's own.
        files: from a browser; a .zip of `thecal web` among them is unpacked.
        example: the therapy; "": it is among the files, the one that no event programs.
        start: the pump's local time at the start, as an ISO time; "": Monday 2026-01-05, 00:00.
        seed: makes the pump's random numbers repeatable.

    Raises:
        TherapyError: with everything that is wrong.
    """
    if not 0 <= seed <= MOST_SEED:
        raise ThecalError(f"the seed {seed} is not within 0 to {MOST_SEED}", "leave it at 1")
    begin = parse_start(start) if start else DEFAULT_START
    known = {name: path.read_bytes() for name, path in examples().items()}
    given = _unpacked(files)
    if example and example not in known:
        raise ThecalError(f"there is no example {example}", f"known: {', '.join(known)}")
    for name, data in {**known, **given}.items():
        atomic_write.write(folder / name, data)
    documents = {name: parse_toml(read_text(folder / name), name) for name in given}
    scenarios = [name for name, document in documents.items() if "event" in document]
    if len(scenarios) > 1:
        raise ThecalError(
            f"there are {len(scenarios)} events files: {', '.join(scenarios)}", "open one of them"
        )
    named = _named(documents[scenarios[0]], set(known) | set(given)) if scenarios else set[str]()
    therapies = [name for name in given if name not in scenarios]
    main = example or _main_of([name for name in therapies if name not in named] or therapies)
    therapy = load_therapy(folder / main)
    events = parse_tables(read_text(folder / scenarios[0]), scenarios[0], folder) if scenarios else []
    return Opened(folder, main, therapy, events, begin, seed, scenarios[0] if scenarios else "")


def _main_of(therapies: list[str]) -> str:
    """Which file is the therapy that the pump begins with."""
    if len(therapies) > 1:
        raise ThecalError(
            f"which one is the therapy: {' or '.join(therapies)}?", "open one of them at a time"
        )
    if not therapies:
        raise ThecalError("there is no therapy to begin with", "choose an example, or open a therapy file")
    return therapies[0]


def _named(document: Mapping[str, Any], known: set[str]) -> set[str]:
    """The therapies that an events file programs. TherapyError: one was not opened with it."""
    tables: Any = document["event"]
    names: set[str] = set()
    problems: list[Problem] = []
    for number, table in enumerate(tables if isinstance(tables, list) else [], 1):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        name: Any = table.get("file") if isinstance(table, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if isinstance(name, str) and name not in known:
            problems.append(
                Problem(f"event[{number}].file", f'"{name[:80]}" was not opened with it; choose both files')
            )
        elif isinstance(name, str):
            names.add(name)
    if problems:
        raise TherapyError(problems)
    return names


def _unpacked(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The .toml files, those in archives too, by name. ThecalError: a name or a size that is none of ours."""
    found: dict[str, bytes] = {}
    for name, data in files.items():
        entries = _entries(name, data) if name.lower().endswith(".zip") else {name: data}
        for entry, content in entries.items():
            if not _NAME.fullmatch(entry):
                raise ThecalError(
                    f"{entry[:80]!r} is no name of a therapy or events file",
                    "name it with letters and digits, and .toml at the end",
                )
            if entry in found:
                raise ThecalError(f"there are two files {entry}", "open one of them")
            found[entry] = content
    if len(found) > _MOST_FILES or sum(map(len, found.values())) > MOST_BYTES:
        raise ThecalError(
            f"that is more than {_MOST_FILES} files, or more than {MOST_BYTES} bytes",
            "open a therapy, an events file, and what it names",
        )
    return found


def _entries(name: str, data: bytes) -> dict[str, bytes]:
    wrong = ThecalError(f"{name[:80]} is no archive that `thecal web` saved", "is it the right file?")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            rows = archive.infolist()
            if len(rows) > _MOST_FILES or sum(row.file_size for row in rows) > MOST_BYTES:
                raise wrong
            found: dict[str, bytes] = {}
            for row in rows:
                with archive.open(row) as file:
                    found[row.filename] = file.read(MOST_BYTES)
            return found
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError):
        raise wrong from None
