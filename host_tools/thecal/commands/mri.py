"""What was noted of a pump before an MRI, and by it the label of a stall that comes then (MOT-09).

One file a pump, on this computer, for nobody else's eyes, whole or not at all: thecal/mri/SERIAL.json in the
user's data folder. It stays open until `thecal mri after` closes it. Imports nothing heavy: `thecal status`
looks here when a stall stands.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from thecal._io import atomic_write, input_file, paths, private
from thecal._io.file_names import file_name
from thecal.errors import ThecalError
from thecal.units.amounts import US_PER_S

FORMAT = 1
LABELLED_S = 24 * 3600  # a stall that comes later has another cause, or at least wants one looked for
_MOST_BYTES = 100_000
STALL = "motor_stall"


class Noted(NamedTuple):
    """A pump before an MRI: state, plan, volume. Amounts in wire units, exact ones as text."""

    serial: str
    at: str  # this computer's time, UTC
    local_time: str  # the pump's
    pump_us: int
    next_event: int
    state: str
    therapy: str | None
    program_digest: str
    settings: dict[str, str]  # the plan: every setting in words
    rate_pl_per_day: int
    basal_ng_per_day: int
    next_change_s: int | None
    reservoir_pl: int
    steps: int
    missed_pl: int | None
    delivered_ng: dict[str, str]
    missed_ng: dict[str, str] | None
    alarms: list[str]
    after: dict[str, Any] | None = None  # what `thecal mri after` found, which closed it

    def doses(self, name: str) -> dict[str, Fraction]:
        """`delivered_ng` or `missed_ng` as numbers."""
        kept: dict[str, str] = getattr(self, name) or {}
        return {drug: Fraction(ng) for drug, ng in kept.items()}


def path_of(serial: str) -> Path:
    """The file of this pump."""
    return paths.data("XDG_DATA_HOME") / "thecal" / "mri" / f"{file_name(serial)}.json"


def keep(noted: Noted) -> Path:
    """Put it there, in place of an older one. ThecalError: it cannot be."""
    path = path_of(noted.serial)
    try:
        private.folder(path.parent)
    except OSError as error:
        raise ThecalError(
            f"{path.parent} cannot be made: {error.strerror}", "set XDG_DATA_HOME to a folder of your own"
        ) from None
    atomic_write.write(path, json.dumps({"format": FORMAT, **noted._asdict()}) + "\n")
    return path


def read(serial: str) -> Noted | None:
    """What was noted of this pump last, open or closed; None: nothing. ThecalError: the file is damaged."""
    path = path_of(serial)
    if not path.exists():
        return None
    try:
        document = input_file.json_of(input_file.read_text(path, _MOST_BYTES))
        return _of(document)
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError):
        raise ThecalError(
            f"{path} is damaged, or of another thecal: what was noted before the MRI is lost", "remove it"
        ) from None


def open_of(serial: str) -> Noted | None:
    """The one that was not closed yet."""
    noted = read(serial)
    return noted if noted and noted.after is None else None


def _of(document: dict[str, Any]) -> Noted:
    if document.pop("format") != FORMAT:
        raise ValueError("format")
    noted = Noted(**document)
    numbers = ("pump_us", "next_event", "rate_pl_per_day", "basal_ng_per_day", "reservoir_pl", "steps")
    if any(type(getattr(noted, name)) is not int for name in numbers):
        raise ValueError("a number")
    if noted.missed_pl is not None and type(noted.missed_pl) is not int:
        raise ValueError("missed_pl")
    datetime.fromisoformat(noted.local_time)
    for name in ("delivered_ng", "missed_ng"):
        noted.doses(name)
    if datetime.fromisoformat(noted.at).tzinfo is None:
        raise ValueError("at")
    return noted


def now_text() -> str:
    """This computer's time, as it is kept."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def label(serial: str, alarm: str, raised_us: int) -> str:
    """ "during MRI since ..." of a stall that came within a day of what was noted; "": of any other alarm.

    Trouble with the file costs the label and nothing else.
    """
    if alarm != STALL or not serial:
        return ""
    try:
        noted = open_of(serial)
    except ThecalError:
        return ""
    if noted is None or not 0 <= raised_us - noted.pump_us <= LABELLED_S * US_PER_S:
        return ""
    if abs((datetime.now(UTC) - datetime.fromisoformat(noted.at)).total_seconds()) > LABELLED_S:
        return ""  # the emulated pump of another day with the same number
    return f"during MRI since {datetime.fromisoformat(noted.local_time):%a %Y-%m-%d %H:%M}"
