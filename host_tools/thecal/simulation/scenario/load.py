"""Reading events files: what happens to a simulated pump, and when. Format: docs/reference/therapy-files.md,
Events.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from thecal.emulator.event_fields import EXAMPLES
from thecal.emulator.injections import INJECT
from thecal.errors import Problem, TherapyError
from thecal.simulation.scenario.models import DO, Event
from thecal.therapy.toml_file import parse_toml, path_text, problems_of, read_text


def load_events(path: Path | str) -> list[Event]:
    """The events of a file, sorted by time; those of the same instant stay in the order of the file.

    Therapies they program are read and checked too. TherapyError names every problem.
    """
    path = Path(path)
    return parse_events(read_text(path), str(path), path.parent)


def parse_events(text: str, name: str, folder: Path) -> list[Event]:
    """The events in `text`; files they name are relative to `folder`."""
    return [event for _, event in parse_tables(text, name, folder)]


def parse_tables(text: str, name: str, folder: Path) -> list[tuple[dict[str, Any], Event]]:
    """As `parse_events`, each with what was written of it."""
    document = parse_toml(text, name)
    if "basal" in document and "event" not in document:
        raise TherapyError(
            [("", f"{name} is a therapy file, and an events file has [[event]] and nothing else")]
        )
    problems = [
        Problem(key, "is not a known field; an events file has [[event]] and nothing else")
        for key in document
        if key != "event"
    ]
    entries: Any = document.get("event", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):  # pyright: ignore[reportUnknownVariableType]
        raise TherapyError(
            [*problems, Problem("event", "is not a list of tables; write each under [[event]]")]
        )
    tables = cast("list[dict[str, Any]]", entries)
    events: list[tuple[dict[str, Any], Event]] = []
    for index, table in enumerate(tables):
        try:
            events.append((table, read_event(table, folder)))
        except TherapyError as error:
            where = path_text(("event", index))
            problems += [
                Problem(f"{where}.{field}" if field else where, text) for field, text in error.problems
            ]
    if problems:
        raise TherapyError(problems)
    return sorted(events, key=lambda entry: entry[1].at_us)


def read_event(table: dict[str, Any], folder: Path) -> Event:
    """One event, as its table says. TherapyError: it is none."""
    model = _model_for(table)
    try:
        return model.model_validate(table, context={"folder": folder})
    except ValidationError as error:
        raise TherapyError(problems_of(error, _examples_of(model))) from error


def _model_for(table: Mapping[str, Any]) -> type[Event]:
    """The model that `do` or `inject` asks for."""
    if ("do" in table) == ("inject" in table):
        raise TherapyError([("", f"needs one of do and inject; write for example: {EXAMPLES['do']}")])
    key, known = ("do", DO) if "do" in table else ("inject", INJECT)
    name = table[key]
    if isinstance(name, str) and name in known:
        return known[name]
    meant = difflib.get_close_matches(str(name), known, 1)
    hint = f"did you mean {meant[0]}? " if meant else ""
    raise TherapyError([(key, f'"{name}" is not known; {hint}known: {", ".join(known)}')])


def _examples_of(model: type[Event]) -> dict[str, str]:
    """The lines that this kind of event may have."""
    names = [field.alias or name for name, field in model.model_fields.items()]
    return {name: EXAMPLES[name] for name in names}
