"""Fixtures of every test: where the project is, and code run under the two MicroPythons.

- `repo_root`: the project's folder.
- `micropython`: the interpreter of the unix port, the one from the environment.
- `run_micropython(code_or_file, *args)`: code under the unix port, 63-bit small integers.
- `run_wasm(code_or_file, *args)`: code under MicroPython on WebAssembly, 31-bit small integers as on RP2040.
- `tmp_path` (pytest's own): a private folder per test. Temporary files of the test and of the programs
  that it starts go below it too.

The run fixtures last the whole session, so that hypothesis tests may use them. They fail the test, with all
output, when the code raises; `check=False` hands back the result instead.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from thecal.firmware_build import compiled

ROOT = Path(__file__).resolve().parent.parent
# The tests start hundreds of commands, and each would compile all of thecal again; and each run of pytest
# would work out anew what its asserts say, most of what collecting takes.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
WASM_RUNNER = ROOT / "tests" / "support" / "wasm_runner.py"

# ci: the same examples every time, so that red means the change. dev: new ones, so that bugs turn up.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("dev", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


@dataclass(frozen=True)
class Run:
    """What a program left behind."""

    stdout: str
    stderr: str
    returncode: int


Runner = Callable[..., Run]


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def micropython() -> Path:
    """MicroPython's unix port, beside the Python that runs the tests."""
    path = Path(sys.executable).parent / "micropython"
    if not path.is_file():
        pytest.fail(f"no MicroPython at {path}: run the tests with .venv/bin/python after `make setup`")
    return path


@pytest.fixture(scope="session")
def run_micropython(micropython: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Run code (text) or a file (Path) under the unix port; `import pump`, `thecal_protocol` and `board`
    work in it.
    """
    environment = {
        **os.environ,
        "MICROPYPATH": compiled.text_of(ROOT).micropython_path,
    }
    folder = tmp_path_factory.mktemp("micropython")

    def run(code: str | Path, *args: str, heap: str = "480K", timeout: float = 60, check: bool = True) -> Run:
        with _as_file(code, folder) as file:
            command = [str(micropython), "-X", f"heapsize={heap}", str(file), *map(str, args)]
            return _run(command, environment, timeout, check)

    return run


@pytest.fixture(scope="session")
def run_wasm(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Run code (text) or a file (Path) on 31-bit small integers; `import pump` and `thecal_protocol` work in
    it.

    Each run compiles the interpreter anew (most of a second), so let one run work through many cases. The
    code sees nothing but a copy of firmware/, as /input (the runtime does not keep its word to mount it
    read-only).
    """
    folder = tmp_path_factory.mktemp("wasm")
    firmware = folder / "firmware"
    for part in ("firmware", "protocol"):
        shutil.copytree(
            ROOT / part, firmware, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
        )

    def run(code: str | Path, *args: str, timeout: float = 100, check: bool = True) -> Run:
        with _as_file(code, folder) as file:
            command = [sys.executable, str(WASM_RUNNER), str(firmware), str(file), *map(str, args)]
            return _run(command, dict(os.environ), timeout, check)

    return run


@pytest.fixture(autouse=True)
def _private_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporary files of this test and of its programs land in its own folder."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.fixture(autouse=True, scope="session")
def _one_cache() -> Iterator[None]:
    """Programs whose home is another one find the compiled firmware all the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"))
        yield


@pytest.fixture(autouse=True, scope="session")
def _private_keys_and_no_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees or touches keys, real or of emulated pumps, nor the store or the running pumps of whoever
    runs it; those of the store name a file of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THECAL_KEYS", str(tmp_path_factory.mktemp("keys")))
        patch.setenv("THECAL_STORE", "off")
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))  # what is noted before an MRI
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("running")))
        yield


@contextmanager
def _as_file(code: str | Path, folder: Path) -> Iterator[Path]:
    """The code as a file that MicroPython can run: the file itself, or a temporary one with the text."""
    if isinstance(code, Path):
        yield code
        return
    with tempfile.NamedTemporaryFile("w", suffix=".py", dir=folder, encoding="utf-8") as file:
        file.write(code)
        file.flush()
        yield Path(file.name)


def _run(command: list[str], environment: dict[str, str], timeout: float, check: bool) -> Run:
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check and done.returncode != 0:
        pytest.fail(f"exit code {done.returncode} of {command[0]}\n{done.stdout}{done.stderr}")
    return Run(done.stdout, done.stderr, done.returncode)
