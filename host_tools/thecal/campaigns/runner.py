"""Runs a campaign: batches of runs over the cores or a dask scheduler, finished ones kept as they come.

Which worker makes a run, and when, changes nothing about it (`base`).
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

from thecal._io import extras
from thecal.campaigns import base, catalog
from thecal.campaigns.base import Row
from thecal.campaigns.results import Results, of_other_code
from thecal.errors import ThecalError

BATCH = 50
_CONNECT_S = 10
_WORKERS_S = 60.0  # for so long a scheduler may have no worker
_ASK_EVERY_S = 1.0
_GLANCE_S = 0.02
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
        """Find what is finished already; how many runs. ThecalError when there is something unexpected. The
        folder is this runner's until `run` has ended."""
        self.results.claim()
        try:
            self._look(resume=resume)
        except BaseException:
            self.results.give_back()
            raise
        return len(self.rows)

    def _look(self, *, resume: bool) -> None:
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

    def run(self, scheduler: str, on_row: OnRow, tell: Callable[[str], None] = lambda text: None) -> None:
        """Make every run that is missing. Ctrl-C: the finished batches stay. `tell`: why nothing happens."""
        try:
            self._run(scheduler, on_row, tell)
        finally:
            self.results.give_back()

    def _run(self, scheduler: str, on_row: OnRow, tell: Callable[[str], None]) -> None:
        for rows in self._batches_done(scheduler, tell):
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

    def _batches_done(self, scheduler: str, tell: Callable[[str], None]) -> Iterator[list[Row]]:
        batches = self._missing()
        if not batches:
            return
        if scheduler == IN_PROCESS:
            for batch in batches:
                yield run_batch(self.campaign.name, batch)
        else:
            yield from _on_dask(scheduler, self.campaign.name, batches, tell)


def _on_dask(
    scheduler: str, name: str, batches: Iterable[Batch], tell: Callable[[str], None]
) -> Iterator[list[Row]]:
    distributed: Any = extras.load("distributed", extras.CAMPAIGN, "a campaign")
    with _client(scheduler) as client:
        workers = _Workers(client, scheduler, tell)
        workers.look()
        futures: Any = [client.submit(run_batch, name, batch, pure=False) for batch in batches]
        done: Any = distributed.as_completed(futures)
        try:
            while not done.is_empty():
                if not done.has_ready():
                    workers.look()
                    time.sleep(_GLANCE_S)
                    continue
                future = next(done)
                yield future.result()
                future.release()
        except (OSError, CancelledError) as error:
            raise ThecalError(
                f"the dask scheduler at {scheduler or 'this computer'} went away: {error}",
                "start it again, and go on with --resume",
            ) from None
        except BaseException:
            client.cancel(futures)
            raise


class _Workers:
    """Whether anybody works: a scheduler takes work without one, and says nothing."""

    def __init__(self, client: Any, scheduler: str, tell: Callable[[str], None]) -> None:
        self._client = client
        self._scheduler = scheduler
        self._tell = tell
        self._asked_s = -_ASK_EVERY_S
        self._none_since_s = -1.0  # there is one, or it was not asked yet

    def look(self) -> None:
        """ThecalError: there has been none for a minute."""
        now_s = time.monotonic()
        if 0 <= now_s - self._asked_s < _ASK_EVERY_S:
            return
        self._asked_s = now_s
        if self._client.nthreads():
            self._none_since_s = -1.0
        elif self._none_since_s < 0:
            self._none_since_s = now_s
            self._tell(f"no dask worker at {self._scheduler}: waiting {_WORKERS_S:g} s for one ...")
        elif now_s > self._none_since_s + _WORKERS_S:
            raise ThecalError(
                f"the dask scheduler at {self._scheduler} has had no worker for {_WORKERS_S:g} s",
                f"start one with: dask worker {self._scheduler}; then go on with --resume",
            )


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
