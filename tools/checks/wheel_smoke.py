"""Does an installed thecal work by itself, outside any checkout? CI and a test ask.

    python tools/checks/wheel_smoke.py ENVIRONMENT/bin/python [--quick]

Everything runs in an empty folder, with keys and store of its own: what the package carries is all there is.
Exit code 1 with the first thing that does not work.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

EXAMPLE = "examples/morphine-constant.toml"
# A command line of thecal, and what it leaves behind or says.
QUICK = (
    ("examples examples", EXAMPLE),
    (f"simulate {EXAMPLE} --for 24h --seed 1 --json", '"steps": 48000'),
    ("flash --image pump.uf2", "pump.uf2"),
)
ALONE = (
    *QUICK,
    ("--version", "thecal "),
    (f"check {EXAMPLE}", ""),
    (f"simulate {EXAMPLE} --for 1h --source --json", '"steps": 2000'),
    (f"report --simulate {EXAMPLE} --for 1d --out day.pdf", "day.pdf"),
    ("library show morphine", "morphine"),
    ("campaign power-cuts --runs 1 --scheduler sync --out cuts", ""),
)
PUMPED = (
    (f"program {EXAMPLE} --yes --port pump", ""),
    ("status --port pump --json", '"infusing"'),
)
DEADLINE_S = 240


def main(arguments: list[str]) -> int:
    """The first argument is the Python of the environment."""
    python = Path(arguments[0]).absolute()
    with tempfile.TemporaryDirectory(prefix="thecal-smoke-") as folder:
        try:
            lines = QUICK if "--quick" in arguments else ALONE
            _all(python.parent / "thecal", Path(folder), lines)
        except _Broken as broken:
            print(broken, file=sys.stderr)
            return 1
    print("the installed thecal works by itself")
    return 0


class _Broken(Exception):
    """What does not work."""


def _all(thecal: Path, folder: Path, lines: Iterable[tuple[str, str]]) -> None:
    own = {"THECAL_KEYS": str(folder / "keys"), "THECAL_STORE": str(folder / "store.sqlite")}
    mine = ("THECAL_HOME", "PYTHONPATH", "MICROPYPATH", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if name not in mine} | own
    for line, wanted in lines:
        _run(thecal, line, wanted, folder, environment)
    command = [str(thecal), "emulate", "--link", "pump", "--json"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as pump:
        try:
            assert pump.stdout is not None
            line = pump.stdout.readline()
            if "port" not in (json.loads(line) if line else {}):
                raise _Broken("thecal emulate: no port")
            for line, wanted in PUMPED:
                _run(thecal, line, wanted, folder, environment)
        finally:
            pump.terminate()  # not SIGINT: a shell in the background has it ignored


def _run(thecal: Path, line: str, wanted: str, folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [str(thecal), *line.split()],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=DEADLINE_S,
    )  # fmt: skip
    if done.returncode or wanted not in done.stdout:
        raise _Broken(f"thecal {line}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
