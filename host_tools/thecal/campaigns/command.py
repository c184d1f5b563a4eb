"""`thecal campaign`: run many seeded simulations, keep their results, print what replays each failure.

Also `python -m thecal.campaigns.command`, with the same options. What a campaign is: `thecal.campaigns`; how
its runs are spread and kept: `thecal.campaigns.runner`. Imports dask and pyarrow only when it runs.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thecal._io import terminal
from thecal.campaigns import base, catalog
from thecal.errors import ThecalError

if TYPE_CHECKING:
    from thecal.campaigns.base import Row
    from thecal.campaigns.runner import Runner

FAILED = 1
_RUNS = 1000
_SHOWN = 20  # failures printed in full; the results hold them all
_SCHEMA = 1

Document = Callable[[dict[str, Any]], None]  # is given the one document; nothing is printed then


def run(
    name: str,
    *,
    runs: int = _RUNS,
    seed: int = 1,
    scheduler: str = "",
    out: Path | None = None,
    resume: bool = False,
    document: Document | None = None,
) -> int:
    """Run a campaign; the exit code. Progress on stderr, failures and the summary on stdout, or in
    `document`."""
    from thecal.campaigns.runner import Runner

    if runs < 1:
        raise ThecalError(f"{runs} runs are none", "ask for at least 1 with --runs")
    folder = out or Path("build", "campaigns", f"{name}-seed{seed}")
    runner = Runner(name, runs, seed, folder, batch=_batch(runs))
    before = runner.take_up(resume=resume)
    told = _Told(base.silent if document else _print)
    for row in _failures(runner):
        told.failure(row)
    began_s = time.monotonic()
    try:
        with _Progress(runner.campaign.title, runs, before, told.failures) as progress:

            def finished(row: "Row") -> None:
                if row["outcome"] != base.PASSED:
                    told.failure(row)
                progress.advance(told.failures)

            runner.run(scheduler, finished, lambda text: print(text, file=sys.stderr, flush=True))
    except KeyboardInterrupt:
        told.say(_summary(runner, before, time.monotonic() - began_s))
        kept = f"{len(runner.rows)} of {runs} runs are kept in {folder}; go on with --resume"
        print(kept, file=sys.stderr)
        raise
    took_s = time.monotonic() - began_s
    report = list(runner.campaign.report(runner.rows)) if runner.campaign.report else []
    told.say("\n".join((_summary(runner, before, took_s), *report, f"results: {folder}")))
    if document:
        document(_as_json(runner, before, report) | {"took_s": took_s, "folder": str(folder)})
    return FAILED if told.failures else 0


def replay(name: str, seed: int, document: Document | None = None) -> int:
    """Make the one run of this seed, in this process, telling what happens; the exit code."""
    campaign = catalog.load(name)
    told: list[str] = []
    row = base.run_once(campaign, 0, seed, told.append if document else print, whole=True)
    code = 0 if row["outcome"] == base.PASSED else FAILED
    if document:
        shown = {column: value for column, value in row.items() if column != "run"}
        document({"schema": _SCHEMA, **shown, "told": told})
        return code
    for column in (
        "outcome",
        "failure",
        "steps_physical",
        "steps_accounted",
        "bound",
        *campaign.columns,
        "version",
    ):
        if row[column] not in (None, ""):
            print(f"{column}: {row[column]}")
    return code


def replay_command(row: "Row") -> str:
    """What to type to see this run again."""
    return f"thecal campaign {row['campaign']} --replay {row['seed']}"


def _batch(runs: int) -> int:
    """Runs a task: enough to make the overhead small, few enough that every core has some."""
    return max(1, min(50, runs // 16))


def _print(text: str) -> None:
    print(text, flush=True)


class _Told:
    """Tells failures as they come: the first in full, of every one how to see it again."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.failures = 0

    def failure(self, row: "Row") -> None:
        """One more."""
        self.failures += 1
        if self.failures <= _SHOWN:
            self.say(f"run {row['run']} {row['outcome']}: {row['failure']}")
        self.say(f"  replay: {replay_command(row)}")


def _failures(runner: "Runner") -> "list[Row]":
    return [row for row in runner.rows if row["outcome"] != base.PASSED]


def _total(runner: "Runner") -> int:
    """Of what the campaign counts."""
    column = runner.campaign.counted
    return sum(count for row in runner.rows if isinstance(count := row[column], int))


def _summary(runner: "Runner", before: int, took_s: float) -> str:
    """The counts, for people."""
    rows, counted = runner.rows, runner.campaign.counted
    new = len(rows) - before
    text = f"{len(rows)} of {runner.runs} {runner.campaign.unit}, {len(_failures(runner))} failures"
    if counted:
        text = f"{_total(runner)} {counted} in {text}"
    if before:
        text += f" ({before} were finished before)"
    if new and took_s > 0:
        text += f"; {new} in {took_s:.0f} s, {new / took_s:.1f} a second"
    return text


def _as_json(runner: "Runner", before: int, report: list[str]) -> dict[str, object]:
    """The counts and every failure, with what replays it."""
    counted = runner.campaign.counted
    told = ("run", "seed", "outcome", "failure")
    return {
        "schema": _SCHEMA,
        "campaign": runner.campaign.name,
        "seed": runner.seed,
        "runs": runner.runs,
        "finished": len(runner.rows),
        "finished_before": before,
        "counted": {counted: _total(runner)} if counted else {},
        "failures": [
            {name: row[name] for name in told} | {"replay": replay_command(row)} for row in _failures(runner)
        ],
        "report": report,
    }


class _Progress:
    """A progress bar on stderr; nothing where stderr is no terminal."""

    def __init__(self, title: str, runs: int, before: int, failures: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[failures]} failures"),
        )
        console = terminal.console(stderr=True)
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task(title, total=runs, completed=before, failures=failures)

    def __enter__(self) -> "_Progress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, failures: int) -> None:
        """One run more; so many have failed."""
        self._bar.update(self._task, advance=1, failures=failures)
