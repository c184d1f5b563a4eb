"""`thecal campaign`: run many seeded simulations, keep their results, print what replays each failure.

Also `python -m thecal.campaign`, with the same options. What a campaign is: `thecal.campaigns`; how its runs
are spread and kept: `thecal.campaigns.runner`. Imports dask and pyarrow only when it runs.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from thecal.errors import ThecalError

if TYPE_CHECKING:
    from thecal.campaigns.base import Row
    from thecal.campaigns.runner import Runner

FAILED = 1
_RUNS = 1000
_SHOWN = 20  # failures printed in full; the results hold them all


def run(
    name: str,
    *,
    runs: int = _RUNS,
    seed: int = 1,
    scheduler: str = "",
    out: Path | None = None,
    resume: bool = False,
) -> int:
    """Run a campaign; the exit code. Progress on stderr, failures and the summary on stdout."""
    from thecal.campaigns.runner import Runner

    if runs < 1:
        raise ThecalError(f"{runs} runs are none", "ask for at least 1 with --runs")
    folder = out or Path("build") / "campaigns" / f"{name}-seed{seed}"
    runner = Runner(name, runs, seed, folder, batch=_batch(runs))
    before = runner.take_up(resume=resume)
    failures = [row for row in runner.rows if row["outcome"] != "passed"]
    for row in failures:
        _tell_failure(row)
    began_s = time.monotonic()
    try:
        with _Progress(runner.campaign.title, runs, before, len(failures)) as progress:
            runner.run(scheduler, lambda row: _finished(row, progress.advance))
    except KeyboardInterrupt:
        _summary(runner, before, time.monotonic() - began_s)
        raise ThecalError(
            f"interrupted after {len(runner.rows)} of {runs} runs, which are kept in {folder}",
            "go on with --resume",
        ) from None
    failed = _summary(runner, before, time.monotonic() - began_s)
    if runner.campaign.report is not None:
        print("\n".join(runner.campaign.report(runner.rows)))
    print(f"results: {folder}")
    return FAILED if failed else 0


def replay(name: str, seed: int) -> int:
    """Make the one run of this seed, in this process, telling what happens; the exit code."""
    from thecal import campaigns
    from thecal.campaigns import base

    campaign = campaigns.load(name)
    row = base.run_once(campaign, 0, seed, print, whole=True)
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
    return 0 if row["outcome"] == base.PASSED else FAILED


def replay_command(row: "Row") -> str:
    """What to type to see this run again."""
    return f"thecal campaign {row['campaign']} --replay {row['seed']}"


def _batch(runs: int) -> int:
    """Runs a task: enough to make the overhead small, few enough that every core has some."""
    return max(1, min(50, runs // 16))


def _finished(row: "Row", advance: Callable[[bool], None]) -> None:
    failed = row["outcome"] != "passed"
    if failed:
        _tell_failure(row)
    advance(failed)


_told = Counter[str]()


def _tell_failure(row: "Row") -> None:
    _told["failures"] += 1
    if _told["failures"] <= _SHOWN:
        print(f"run {row['run']} {row['outcome']}: {row['failure']}")
    print(f"  replay: {replay_command(row)}", flush=True)


def _summary(runner: "Runner", before: int, took_s: float) -> int:
    """Print the counts; how many failed."""
    rows, counted = runner.rows, runner.campaign.counted
    failed = sum(row["outcome"] != "passed" for row in rows)
    new = len(rows) - before
    text = f"{len(rows)} of {runner.runs} {runner.campaign.unit}, {failed} failures"
    if counted:
        total = sum(count for row in rows if isinstance(count := row[counted], int))
        text = f"{total} {counted} in {text}"
    if before:
        text += f" ({before} were finished before)"
    if new and took_s > 0:
        text += f"; {new} in {took_s:.0f} s, {new / took_s:.1f} a second"
    print(text)
    return failed


class _Progress:
    """A progress bar on stderr; nothing where stderr is no terminal."""

    def __init__(self, title: str, runs: int, before: int, failures: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._failures = failures
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[failures]} failures"),
        )
        self._bar = Progress(*columns, console=Console(stderr=True))
        self._task = self._bar.add_task(title, total=runs, completed=before, failures=failures)

    def __enter__(self) -> "_Progress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, failed: bool) -> None:
        """One run more."""
        self._failures += failed
        self._bar.update(self._task, advance=1, failures=self._failures)


def parser() -> argparse.ArgumentParser:
    """The options of `python -m thecal.campaign`."""
    from thecal.campaigns import MODULES

    options = argparse.ArgumentParser(prog="thecal campaign", description="Run many seeded simulations.")
    options.add_argument("name", help=f"which one: {', '.join(sorted(MODULES))}")
    options.add_argument("--runs", type=int, default=_RUNS, help="how many (%(default)s)")
    options.add_argument("--seed", type=int, default=1, help="another seed, other runs (%(default)s)")
    options.add_argument(
        "--scheduler", default="", help="a dask scheduler, tcp://...; default: all cores here"
    )
    options.add_argument("--out", type=Path, help="folder of the results (build/campaigns/NAME-seedSEED)")
    options.add_argument("--resume", action="store_true", help="go on with the results in that folder")
    options.add_argument(
        "--replay", type=int, metavar="SEED", help="make the one run of this seed, and tell of it"
    )
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """One command line; the exit code."""
    asked = parser().parse_args(arguments)
    try:
        if asked.replay is not None:
            return replay(asked.name, asked.replay)
        return run(
            asked.name,
            runs=asked.runs,
            seed=asked.seed,
            scheduler=asked.scheduler,
            out=asked.out,
            resume=asked.resume,
        )
    except ThecalError as error:
        print(error, file=sys.stderr)
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
