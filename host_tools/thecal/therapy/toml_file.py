"""TOML files read strictly: decimals kept as written, one line for a syntax error, every wrong field named.

Turns what pydantic finds into problems: pairs of a field path (`basal.step[2].start`, entries counted from
1) and a message that says what would be right.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from thecal._io import input_file
from thecal._io.shown import shown_all
from thecal.errors import FileError, Problem, TherapyError

MAX_FILE_BYTES = 1_000_000
_MOST_DIGITS = 60


def read_text(path: Path) -> str:
    """The file's text; TherapyError when it cannot be read as such."""
    try:
        return input_file.read_text(path, MAX_FILE_BYTES)
    except FileError as error:
        raise TherapyError([("", error.message)], error.hint) from error


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """The document in `text`, decimals as `Decimal`; a syntax error names line and column."""
    try:
        document = tomllib.loads(text, parse_float=_finite)
        shown_all(document)  # which goes as deep as any document of ours
        return document
    except tomllib.TOMLDecodeError as error:
        line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
        at_end = f"(at line {line}, column {column}: the end of the file)"
        reason = _one_line(str(error)).replace("(at end of document)", at_end)
        raise TherapyError([("", f"{name} is not valid TOML: {reason}")]) from error
    except (RecursionError, ValueError) as error:  # nested thousands deep; an integer of thousands of digits
        deep = isinstance(error, RecursionError) or "deep" in str(error)
        reason = "it is nested too deep" if deep else "a number in it is too long"
        raise TherapyError([("", f"{name} is not valid TOML: {reason}")]) from error


def _finite(text: str) -> Decimal:
    """A number whose digits can be written out."""
    number = Decimal(text)
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
        raise ValueError("too long")
    return number


def problems_of(error: ValidationError, examples: Mapping[str, str]) -> list[Problem]:
    """Every error in `error` as a problem. `examples`: per path without indexes, the line to write."""
    return [Problem(path_text(found["loc"]), _explain(found, examples)) for found in error.errors()]


def path_text(loc: Sequence[str | int]) -> str:
    """`("basal", "step", 1, "start")` as "basal.step[2].start"."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += f".{part}" if text else part
    return text


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _explain(found: ErrorDetails, examples: Mapping[str, str]) -> str:
    path = _pattern(found["loc"], examples)
    example = examples.get(path, "")
    like = f"; write for example: {example}" if example else ""
    match found["type"]:
        case "thecal":
            return found["msg"]
        case "missing":
            return f"is missing{like}"
        case "extra_forbidden":
            return _unknown(path, examples)
        case "model_type" | "dict_type" | "list_type":
            return f"is not a section of its own{like}"
        case "literal_error":
            known = found.get("ctx", {}).get("expected", "the known words")
            return f'"{_shown(found["input"])}" is none of {known}'
        case "too_long":
            return f"stands {found.get('ctx', {}).get('actual_length')} times; the pump takes " + (
                f"{found.get('ctx', {}).get('max_length')} at most"
            )
        case _:
            return f"{_shown(found['input'])} is not right here ({found['msg'].lower()}){like}"


def _pattern(loc: Sequence[str | int], examples: Mapping[str, str]) -> str:
    """The path without indexes, free names as NAME: the key that `examples` would have it under."""
    path = ""
    for part in loc:
        if isinstance(part, str):
            named = f"{path}.{part}" if path else part
            path = f"{path}.NAME" if named not in examples and f"{path}.NAME" in examples else named
    return path


def _shown(value: object) -> str:
    text = _one_line(str(value))
    return text if len(text) <= 40 else f"{text[:40]}..."


def _unknown(path: str, examples: Mapping[str, str]) -> str:
    """Which fields are known beside the unknown one, and which of them was probably meant."""
    parent, _, name = path.rpartition(".")
    known = [key.rpartition(".")[2] for key in examples if key.rpartition(".")[0] == parent]
    meant = difflib.get_close_matches(name, known, 1, cutoff=0.7)
    hint = f"did you mean {meant[0]}? " if meant else ""
    return f"is not a known field; {hint}known here: {', '.join(known)}"
