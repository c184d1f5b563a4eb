"""Runs a campaign: batches of runs over the cores or a dask scheduler, finished ones kept as they come.

Which worker makes a run, and when, changes nothing about it (`base`).
"""

import contextlib
import logging
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

from thecal._io import extras
from thecal.campaigns import base, catalog
from thecal.campaigns.base import Row
from thecal.campaigns.results import Results, of_other_code
from thecal.errors import ThecalError

BATCH = 50
_CONNECT_S = 10
IN_PROCESS = "sync"  # `scheduler`: no cluster, everything in this process

Batch = list[tuple[int, int]]  # run number, seed
OnRow = Callable[[Row], None]


def run_batch(name: str, batch: Batch) -> list[Row]:
    """What a worker does."""
    campaign = catalog.load(name)
    return [base.run_once(campaign, number, seed) for number, seed in batch]


class Runner:
    """One campaign with one seed, in one folder of results."""

    def __init__(self, name: str, runs: int, seed: int, folder: Path, *, batch: int = BATCH) -> None:
        self.campaign = catalog.load(name)
        self.runs = runs
        self.seed = seed
        self.batch = batch
        self.results = Results(folder, self.campaign, seed)
        self.rows: list[Row] = []  # finished, of this and of earlier goes

    def take_up(self, *, resume: bool) -> int:
        """Find what is finished already; how many runs. ThecalError when there is something unexpected."""
        if self.results.parts() and not resume:
            raise ThecalError(
                f"{self.results.folder} holds results already",
                "add --resume to go on with them, or name another folder with --out",
            )
        self.rows = [row for row in self.results.rows() if _number(row) < self.runs]
        others = of_other_code(self.rows, base.code_version())
        if others:
            raise ThecalError(
                f"{others} runs in {self.results.folder} were made with other code than this",
                "begin anew in another folder, named with --out",
            )
        self.results.make_folder()
        return len(self.rows)

    def run(self, scheduler: str, on_row: OnRow) -> None:
        """Make every run that is missing. Ctrl-C: the finished batches stay."""
        for rows in self._batches_done(scheduler):
            others = of_other_code(rows, base.code_version())
            if others:
                raise ThecalError(
                    "a worker runs other code than this",
                    "bring every worker to the same checkout, then --resume",
                )
            self.results.write(rows)
            self.rows += rows
            for row in rows:
                on_row(row)

    def _missing(self) -> list[Batch]:
        finished = {_number(row) for row in self.rows}
        numbers = [number for number in range(self.runs) if number not in finished]
        name, cells = self.campaign.name, self.campaign.cells
        pairs = [(number, base.seed_of(name, self.seed, number, cells)) for number in numbers]
        return [pairs[at : at + self.batch] for at in range(0, len(pairs), self.batch)]

    def _batches_done(self, scheduler: str) -> Iterator[list[Row]]:
        batches = self._missing()
        if not batches:
            return
        if scheduler == IN_PROCESS:
            for batch in batches:
                yield run_batch(self.campaign.name, batch)
        else:
            yield from _on_dask(scheduler, self.campaign.name, batches)


def _on_dask(scheduler: str, name: str, batches: Iterable[Batch]) -> Iterator[list[Row]]:
    distributed: Any = extras.load("distributed", extras.CAMPAIGN, "a campaign")
    with _client(scheduler) as client:
        futures: Any = [client.submit(run_batch, name, batch, pure=False) for batch in batches]
        done: Any = distributed.as_completed(futures)
        try:
            for future in done:
                yield future.result()
                future.release()
        except BaseException:
            client.cancel(futures)
            raise


@contextlib.contextmanager
def _client(scheduler: str) -> Generator[Any]:
    """A client of the named scheduler, or of a cluster of our own over all cores."""
    distributed: Any = extras.load("distributed", extras.CAMPAIGN, "a campaign")
    if scheduler:
        try:
            client = distributed.Client(scheduler, timeout=_CONNECT_S)
        except (OSError, ValueError) as error:
            raise ThecalError(
                f"there is no dask scheduler at {scheduler}: {error}", "start one with: dask scheduler"
            ) from None
        with client:
            yield client
        return
    with (
        distributed.LocalCluster(
            n_workers=os.cpu_count() or 1,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def _number(row: Row) -> int:
    number = row["run"]
    if not isinstance(number, int):
        raise TypeError("a run without its number")
    return number
