"""What a campaign is, what one run of it leaves behind, and how runs get their seeds.

A run is a function of its seed and of the code alone: never of the worker, the order or the time. That is
what makes a failing seed worth printing.
"""

import functools
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from thecal._io import paths
from thecal.errors import ThecalError
from thecal.firmware_build import compiled

PASSED = "passed"
FAILED = "failed"  # a promise of the pump was broken
BROKEN = "broken"  # the run itself could not be carried out: the pump died, hung or said nothing

_SEED_BYTES = 6
_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # a flash of 1.4 MB is written anew for each run
_VERSION_DIGITS = 12

Kind = Literal["int", "text"]
Cell = int | float | str | None
Row = dict[str, Cell]
Tell = Callable[[str], None]


class Violated(ThecalError):
    """The pump broke a promise."""


@dataclass
class Run:
    """One run as it goes: campaigns fill it in. What is known when it fails is kept."""

    seed: int
    folder: Path  # private, gone afterwards
    tell: Tell  # a line for whoever watches a replay
    whole: bool = False  # every life of a pump in a process of its own, as a real one has
    steps_physical: int | None = None  # made by the motor over the whole run
    steps_accounted: int | None = None  # what the pump's ledger says in the end
    bound: int | None = None  # by how much the ledger may be ahead
    details: dict[str, Cell] = field(default_factory=dict[str, Cell])


@dataclass(frozen=True)
class Campaign:
    """`carry_out` makes one run: returns when every promise was kept, raises `Violated` when one was not.

    `columns`: what it puts into `Run.details`, one column each. `cells`: how many kinds of runs there are;
    run number n is of kind n % cells, and so is its seed: all kinds come up equally often. `report`: lines
    about all rows, printed at the end.
    """

    name: str
    title: str
    unit: str  # what one run is, in the plural, for people: "runs"
    columns: Mapping[str, Kind]
    carry_out: Callable[[Run], None]
    cells: int = 1
    report: Callable[[Sequence[Row]], Iterable[str]] | None = None
    counted: str = ""  # the column whose sum the summary tells, after its name; "": none


def seed_of(campaign: str, seed: int, number: int, cells: int = 1) -> int:
    """The seed of one run of a campaign: all a replay needs."""
    text = f"{campaign} {seed} {number}".encode()
    rng = int.from_bytes(hashlib.sha256(text).digest()[:_SEED_BYTES], "big")
    return rng - rng % cells + number % cells


@functools.cache
def code_version() -> str:
    """A digest of firmware, unix board and host tools: results of other code are other results."""
    digest = hashlib.sha256()
    booted = compiled.text_of(paths.project_root()).files().values()
    for file in (*booted, *sorted(Path(__file__).resolve().parents[1].rglob("*.py"))):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:_VERSION_DIGITS]


def silent(text: str) -> None:
    """A `Tell` for runs that nobody watches."""


def run_once(campaign: Campaign, number: int, seed: int, tell: Tell = silent, *, whole: bool = False) -> Row:
    """Carry out one run in this process; its row."""
    began_s = time.monotonic()
    outcome, failure = PASSED, ""
    with tempfile.TemporaryDirectory(prefix="thecal-campaign-", dir=_MEMORY) as folder:
        run = Run(seed, Path(folder), tell, whole)
        try:
            campaign.carry_out(run)
        except Violated as broken:
            outcome, failure = FAILED, str(broken)
        except (ThecalError, OSError) as error:
            outcome, failure = BROKEN, f"{type(error).__name__}: {error}"
    row: Row = {
        "campaign": campaign.name,
        "run": number,
        "seed": seed,
        "outcome": outcome,
        "failure": failure,
        "steps_physical": run.steps_physical,
        "steps_accounted": run.steps_accounted,
        "bound": run.bound,
        "wall_s": time.monotonic() - began_s,
        "version": code_version(),
    }
    return row | {name: run.details.get(name) for name in campaign.columns}
