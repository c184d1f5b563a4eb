"""Reading therapy files.

load_therapy(path) what commands use: read, and checked as a whole; TherapyError names every problem
read_therapy(path) only the single fields checked: for `thecal.therapy.check`, which reports the rest itself
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from thecal.errors import TherapyError
from thecal.therapy.fields import EXAMPLES
from thecal.therapy.models import Therapy
from thecal.therapy.rules.whole import errors_of
from thecal.therapy.toml_file import parse_toml, problems_of, read_text

__all__ = ["Therapy", "load_therapy", "parse_therapy", "read_therapy"]


def parse_therapy(text: str, name: str = "therapy") -> Therapy:
    """The therapy in `text`, its single fields checked; TherapyError with every problem found."""
    document = parse_toml(text, name)
    try:
        return Therapy.model_validate(document)
    except ValidationError as error:
        raise TherapyError(problems_of(error, EXAMPLES)) from error


def read_therapy(path: Path | str) -> Therapy:
    """The therapy in a file, its single fields checked."""
    return parse_therapy(read_text(Path(path)), str(path))


def load_therapy(path: Path | str) -> Therapy:
    """The therapy in a file, checked as a whole: it may be sent to a pump. TherapyError otherwise."""
    therapy = read_therapy(path)
    problems = errors_of(therapy)
    if problems:
        raise TherapyError(problems)
    return therapy
