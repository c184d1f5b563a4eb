"""The forms of the page, made of the models of an events file: what can be done to a pump and injected, each
field with its example and bounds; and what was typed into one, as a table of such a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from pydantic.fields import FieldInfo

from thecal.emulator.event_fields import EXAMPLES, Lasting
from thecal.emulator.injections import INJECT
from thecal.errors import ThecalError
from thecal.simulation.scenario.models import DO
from thecal.therapy.fields import Reader

_NUMBER = re.compile(r"-?[0-9]{1,18}")
_LONGEST = 100
_TABLES = {"do": DO, "inject": INJECT}
_LEFT_OUT = ("at_us", "what")  # said by the form itself
_OWN = ("press_button", "power_cut")  # have a button of their own


def forms() -> list[dict[str, Any]]:
    """Every kind of event for the page to build its forms of."""
    return [
        {
            "kind": kind,
            "name": name,
            "title": name.replace("_", " "),
            "does": " ".join((model.__doc__ or "").split()).replace("`", ""),
            "lasts": issubclass(model, Lasting),
            "fields": [
                _field(field.alias or key, key, field)
                for key, field in model.model_fields.items()
                if key not in _LEFT_OUT
            ],
        }
        for kind, table in _TABLES.items()
        for name, model in table.items()
        if name not in _OWN
    ]


def table_of(kind: object, name: object, values: object) -> dict[str, Any]:
    """What was typed, as the event would stand in a file; what was left empty is left out. ThecalError: it
    comes from no form of ours."""
    table = _TABLES.get(str(kind))
    if table is None or not isinstance(name, str) or name not in table or not isinstance(values, dict):
        raise ThecalError("the page asked for what there is not", "reload the page")
    typed = cast("Mapping[object, object]", values)
    found: dict[str, Any] = {str(kind): name}
    for key, value in typed.items():
        if not isinstance(key, str) or key in ("at", *_TABLES) or not isinstance(value, str | bool):
            raise ThecalError("the page asked for what there is not", "reload the page")
        if isinstance(value, str) and len(value) > _LONGEST:
            raise ThecalError(f"{key} is longer than {_LONGEST} characters", "shorten it")
        if value not in ("", False):
            found[key] = int(value) if _is_number(key, value) else value
    return found


def _is_number(key: str, value: object) -> bool:
    """Whether a field that takes a plain number has one."""
    takes = _NUMBER.fullmatch(EXAMPLES.get(key, "").partition(" = ")[2])
    return bool(takes and isinstance(value, str) and _NUMBER.fullmatch(value.strip()))


def _field(key: str, attribute: str, field: FieldInfo) -> dict[str, Any]:
    example = EXAMPLES[key].partition(" = ")[2]
    reader = next((note for note in field.metadata if isinstance(note, Reader)), None)
    bounds = reader.allowed if reader else None
    return {
        "key": key,
        "title": "for how long" if key == "for" else key.replace("_", " "),
        "needed": field.is_required(),
        "flag": field.annotation is bool,
        "file": key == "file",
        "known": list(reader.known) if reader else [],
        "default": field.default if isinstance(field.default, str) and attribute != "what" else "",
        "example": example.strip('"'),
        "bounds": f"{bounds.text(bounds.low)} to {bounds.text(bounds.high)}"
        if bounds and key != "for"
        else "",
    }
