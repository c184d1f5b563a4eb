"""pytest's plugin `thecal`: an emulated pump for each test that asks for one. How to: docs/howto/ci.md.

    def test_my_host(thecal_pump):
        my_host.program(thecal_pump.port)
        thecal_pump.bench.advance("6 h")
        assert thecal_pump.bench.truth().steps == 12_000

`thecal_pump` is booted, paired and not programmed; `thecal_emulator` makes as many as a test needs, with the
arguments of `thecal.Emulator`. Each has a serial number, flash, keys and a store of its own below the test's
`tmp_path`, and random numbers that are the same in every run. Time stands still but for `bench.advance`. A
test that fails shows the log of its pumps. Nothing of thecal is imported before a test asks for a pump.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from thecal.emulator.emulator import Emulator

_PUMPS = pytest.StashKey[list["Emulator"]]()
_FOLDER = pytest.StashKey[Path]()
_SHOWN = 40  # records of each pump's log: the last ones
_OWN_FOLDER = "give each run a --basetemp of its own, or none: pytest empties it at the start of each run"


def pytest_configure(config: pytest.Config) -> None:
    """pytest would remove a `--basetemp` in which the pumps of another run are at work."""
    named = config.getoption("basetemp")
    if not named or _is_worker(config):
        return
    try:
        folder = os.open(named, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # there is none yet, or pytest says what is wrong with it
        return
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = f"{named} is the --basetemp of another run with pumps; {_OWN_FOLDER}"
        raise pytest.UsageError(text) from None
    finally:
        os.close(folder)


def _is_worker(config: pytest.Config) -> bool:
    """Of pytest-xdist: its folder lies in that of the run."""
    return hasattr(config, "workerinput")


@pytest.fixture(scope="session")
def _thecal_folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The run's folder, held as long as the run lasts: see `pytest_configure`."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if _is_worker(request.config) else base
    folder = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(folder, fcntl.LOCK_SH)
    yield base
    os.close(folder)


@pytest.fixture
def thecal_emulator(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _thecal_folder: Path
) -> Iterator[Callable[..., Emulator]]:
    """Makes booted pumps, paired unless `paired=False`; all end with the test. Arguments: as of
    `thecal.Emulator`."""
    from thecal.emulator.command import keep_key
    from thecal.emulator.emulator import Emulator

    folder = tmp_path / "thecal"
    folder.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setenv("THECAL_KEYS", str(folder / "keys"))
    monkeypatch.setenv("THECAL_STORE", str(folder / "store.sqlite"))
    request.node.stash[_FOLDER] = folder
    pumps: list[Emulator] = request.node.stash.setdefault(_PUMPS, [])

    def make(**settings: Any) -> Emulator:
        number = len(pumps) + 1
        own: dict[str, Any] = {
            "seed": zlib.crc32(f"{request.node.nodeid} {number}".encode()),
            "flash": folder / f"pump-{number}.flash",
        }
        pump = running.enter_context(Emulator(**{**own, **settings}))
        pumps.append(pump)
        if settings.get("paired", True):
            keep_key(pump)
        return pump

    with contextlib.ExitStack() as running:
        yield make


@pytest.fixture
def thecal_pump(thecal_emulator: Callable[..., Emulator]) -> Emulator:
    """A pump of this test's own: booted, paired, not programmed."""
    return thecal_emulator()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What the pumps of a test that fails have to say, while they run."""
    report = yield
    if report.failed:
        folder = item.stash.get(_FOLDER, None)
        if folder is not None and not folder.exists():
            report.sections.append(("thecal", f"{folder} is gone: did another run remove it? {_OWN_FOLDER}"))
        for pump in item.stash.get(_PUMPS, list["Emulator"]()):
            if pump.serial_number:
                report.sections.append((f"thecal pump {pump.serial_number}", _log_of(pump)))
    return report


def _log_of(pump: Emulator) -> str:
    """The last of its log, or why there is none."""
    from thecal.errors import ThecalError
    from thecal.eventlog import text
    from thecal.pump import Pump

    try:
        with Pump(pump.port) as it:
            return "\n".join(map(text.line, it.log(count=_SHOWN)))
    except ThecalError as error:
        return f"its log cannot be read: {error}"
