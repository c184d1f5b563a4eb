"""docs/tutorial/session.md shows what the commands print: those that need no pump are run and compared."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

THECAL = str(Path(sys.executable).parent / "thecal")


@pytest.fixture(scope="module")
def page(repo_root: Path) -> str:
    return (repo_root / "docs" / "tutorial" / "session.md").read_text(encoding="utf-8")


def printed(page: str, command: str) -> list[str]:
    """What stands under `$ command`, up to an empty line or the block's end."""
    return page.split(f"\n$ {command}\n")[1].split("```")[0].split("\n\n")[0].strip("\n").split("\n")


def run(root: Path, home: Path, *arguments: str) -> list[str]:
    environment = {**os.environ, "XDG_CONFIG_HOME": str(home), "XDG_DATA_HOME": str(home), "COLUMNS": "100"}
    environment.pop("THECAL_LIBRARY", None)
    done = subprocess.run(
        [THECAL, *arguments], cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    return [line.rstrip() for line in done.stdout.rstrip("\n").split("\n")]


def test_check(page: str, repo_root: Path, tmp_path: Path):
    command = "check examples/morphine-constant.toml"
    assert run(repo_root, tmp_path, *command.split()) == printed(page, f"thecal {command}")


def test_simulate(page: str, repo_root: Path, tmp_path: Path):
    command = "simulate examples/morphine-constant.toml --for 7d"
    [head, *shown] = printed(page, f"thecal {command}")
    [first, *rest] = run(repo_root, tmp_path, *command.split())
    assert rest == shown
    assert re.sub(r"[\d., ]+ (s|x)", r"N \1", first) == re.sub(r"[\d., ]+ (s|x)", r"N \1", head)


def test_json(page: str, repo_root: Path, tmp_path: Path):
    [block] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    command = "simulate examples/morphine-constant.toml --for 1d --json"
    found = json.loads("".join(run(repo_root, tmp_path, *command.split())))
    assert json.loads(block).items() <= found.items()
