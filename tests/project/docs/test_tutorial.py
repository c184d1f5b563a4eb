"""docs/tutorial/tutorial.md, followed to the letter by somebody with an empty home: its commands, in its
order.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.cli.conftest import heed_ctrl_c
from host.cli.test_emulate import first_line

BIN = Path(sys.executable).parent
FIVE_MINUTES_S = 300
ANSWERS = {"program": "y\n", "bolus": "y\n"}
REFUSED = 'thecal bolus --dose "5 mg" --duration "5 h"'


def commands_of(page: str) -> list[str]:
    """What stands in indented blocks, but for what sets up."""
    lines = re.findall(r"^    (\S.*)$", page, re.MULTILINE)
    return [line for line in lines if line.startswith(("thecal ", "export THECAL"))]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a new user: no key, no store, no settings."""
    kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    home["XDG_DATA_HOME"] = str(tmp_path / "data")
    return {**kept, **home, "PATH": f"{BIN}:/usr/bin:/bin"}


@pytest.fixture
def pump(tmp_path: Path, environment: dict[str, str], repo_root: Path) -> Iterator[dict[str, str]]:
    """Step 2, in a terminal of its own; the port has another name, so that two runs do not meet."""
    page = (repo_root / "docs" / "tutorial" / "tutorial.md").read_text(encoding="utf-8")
    [line] = [line for line in commands_of(page) if line.startswith("thecal emulate")]
    assert "--link /tmp/pump" in line
    words = shlex.split(line.replace("/tmp/pump", str(tmp_path / "pump")))
    process = subprocess.Popen(
        words, cwd=repo_root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=heed_ctrl_c,
    )  # fmt: skip
    try:
        assert first_line(process) == str(tmp_path / "pump")
        yield environment
    finally:
        process.send_signal(signal.SIGINT)  # Ctrl-C
        process.communicate(timeout=30)


@pytest.mark.timeout(FIVE_MINUTES_S)
def test_the_tutorial_step_by_step(pump: dict[str, str], repo_root: Path, tmp_path: Path):
    page = (repo_root / "docs" / "tutorial" / "tutorial.md").read_text(encoding="utf-8")
    assert "make setup" in page
    began_s = time.monotonic()
    environment = dict(pump)
    seen: dict[str, str] = {}
    for line in commands_of(page):
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            environment[name] = value.replace("/tmp/pump", str(tmp_path / "pump"))
        elif line == "thecal monitor":
            seen[line] = watched(environment, repo_root)
        elif not line.startswith("thecal emulate"):
            done = subprocess.run(
                shlex.split(line), cwd=repo_root, env=environment, capture_output=True, text=True,
                input=ANSWERS.get(line.split()[1], ""), timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode == (1 if line == REFUSED else 0), (line, done)
            seen[line] = done.stdout + done.stderr
    assert time.monotonic() - began_s < FIVE_MINUTES_S
    assert "sound" in seen["thecal check examples/morphine-constant.toml"]
    assert "Constant morphine runs." in seen["thecal program examples/morphine-constant.toml"]
    assert re.search(r"state +infusing", seen["thecal status"])
    assert "infusing" in seen["thecal monitor"]
    assert "runs for 10 min" in seen['thecal bolus --dose "0.2 mg" --duration "10 min"']
    assert "stopped" in seen['thecal stop --for "20 min"'], seen  # the log among them says why it is not
    assert "bolus_started" in seen["thecal log --count 8"]
    history = seen["thecal history"]
    for command in ("program", "bolus", "stop"):
        assert command in history
    assert "the pump refused" in seen[REFUSED]
    assert "7 d in" in seen["thecal simulate examples/morphine-constant.toml --for 7d"]


def watched(environment: dict[str, str], folder: Path) -> str:
    """`thecal monitor` until its first line, then Ctrl-C: exit code 0."""
    process = subprocess.Popen(
        ["thecal", "monitor"], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, preexec_fn=heed_ctrl_c,
    )  # fmt: skip
    line = first_line(process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    return line
