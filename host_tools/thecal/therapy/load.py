"""Reading therapy files.

load_therapy(path)  what commands use: read and judged whole; TherapyError names every problem
read_model(path)    only the single fields read: for `thecal.therapy.check`, which reports the judging itself
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from thecal._io.arguments import path_of
from thecal.errors import TherapyError
from thecal.therapy.checked import CheckedTherapy
from thecal.therapy.judge import checked
from thecal.therapy.models import EXAMPLES, Therapy
from thecal.therapy.toml_file import parse_toml, problems_of, read_text


def load_therapy(path: Path | str) -> CheckedTherapy:
    """The therapy in a file, judged once with the drug library in use: it may be sent to a pump.

    Args:
        path: a TOML file (docs/reference/therapy-files.md).

    Returns:
        The therapy and all that was found out about it; amounts in whole wire units (ng, pL, us).

    Raises:
        TherapyError: the file cannot be read, or is wrong; `problems` names everything that is.
        LibraryError: the drug library in use is refused.
    """
    return checked(read_model(path))


def judged(therapy: str | os.PathLike[str] | Therapy | CheckedTherapy) -> CheckedTherapy:
    """A therapy as a caller of the Python API has it, or its file."""
    if isinstance(therapy, CheckedTherapy):
        return therapy
    return checked(therapy) if isinstance(therapy, Therapy) else load_therapy(path_of(therapy, "therapy"))


def parse_therapy(text: str, name: str = "therapy") -> CheckedTherapy:
    """The therapy in a text, judged once with the drug library in use.

    Args:
        text: TOML, as in a file.
        name: what errors call it.

    Returns:
        The therapy and all that was found out about it; amounts in whole wire units (ng, pL, us).

    Raises:
        TherapyError: the file cannot be read, or is wrong; `problems` names everything that is.
        LibraryError: the drug library in use is refused.
    """
    return checked(parse_model(text, name))


def read_model(path: Path | str) -> Therapy:
    """The therapy in a file, its single fields read, the whole not judged."""
    return parse_model(read_text(Path(path)), str(path))


def parse_model(text: str, name: str = "therapy") -> Therapy:
    """The therapy in `text`, its single fields read; TherapyError with every problem found."""
    document = parse_toml(text, name)
    if "event" in document and "basal" not in document:
        raise TherapyError([("", f"{name} is an events file, no therapy; simulate takes it with --events")])
    try:
        return Therapy.model_validate(document)
    except ValidationError as error:
        raise TherapyError(problems_of(error, EXAMPLES)) from error
