"""The command line from the outside: `thecal` as a process, against an emulated pump whose time we hold."""

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.emulated_keys import keys_for
from support.ready_command import run_command
from thecal import cli
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client
from thecal.therapy.encode import to_wire
from thecal.therapy.load import load_therapy

ROOT = Path(__file__).resolve().parents[3]
THECAL = Path(sys.executable).parent / "thecal"
MORPHINE = ROOT / "examples" / "morphine-constant.toml"
DEADLINE_S = 40


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line on stderr of a command that failed."""
        assert self.code == 1, self
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        return self.err.strip()


def heed_ctrl_c() -> None:
    """As at a terminal: tests that run in the background of a shell are started deaf to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


Thecal = Callable[..., Done]


@pytest.fixture(scope="session")
def thecal() -> Thecal:
    """`thecal(*arguments)` runs the command in a process of its own and waits for its end."""

    def run(*arguments: object, stdin: str = "", port: str = "", cwd: Path | None = None) -> Done:
        environment = {**os.environ, "THECAL_PORT": port, "COLUMNS": "100", **keys_for(port, *arguments)}
        done = run_command(*arguments, input=stdin, timeout=DEADLINE_S, env=environment, cwd=cwd)
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def quick_thecal(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Thecal:
    """The same without a process of its own, so without its start: for the many ways to be wrong."""

    def run(*arguments: object, stdin: str = "", port: str = "") -> Done:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        monkeypatch.setenv("THECAL_PORT", port)
        monkeypatch.setenv("COLUMNS", "100")
        code = cli.run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Done(code, out, err)

    return run


@pytest.fixture(scope="module")
def blank() -> Iterator[Emulator]:
    """A pump that was never programmed; its time stands still."""
    with Emulator(seed=1) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def pump() -> Iterator[Emulator]:
    """A pump that runs the morphine example; its time stands still unless the bench lets it pass."""
    with Emulator(seed=1) as emulator:
        program(emulator, MORPHINE)
        yield emulator


def program(emulator: Emulator, path: Path) -> None:
    """Program the pump without the command line."""
    with Client.connect(emulator.port) as client:
        client.commit(client.propose_program(to_wire(load_therapy(path))).digest)


def changed(folder: Path, old: str, new: str) -> Path:
    """The morphine example with one text in it replaced."""
    text = MORPHINE.read_text()
    assert old in text
    path = folder / "changed.toml"
    path.write_text(text.replace(old, new, 1))
    return path
