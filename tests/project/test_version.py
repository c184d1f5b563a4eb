"""One file states the version of thecal; firmware, package, command line and pages take it from there."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import thecal
from thecal.cli.app import app
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client
from thecal_protocol import version

VERSION = version.VERSION
_STATED = re.compile(rf"(?<![\d.]){re.escape(VERSION)}(?![\d.])")
CODE = ("firmware", "protocol", "boards", "host_tools", "tools", "benchmarks", ".ci", ".github")
CONFIGURATION = {".toml", ".yml", ".yaml", ".sh", ".j2", ""}


def source(root: Path) -> str:
    return str(Path(version.__file__).relative_to(root))


def tracked(root: Path) -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True)
    return [root / name for name in listed.stdout.splitlines() if (root / name).is_file()]


def stated(file: Path) -> Iterator[int]:
    """The lines that state the version: in code a value, not a sentence about the past."""
    text = file.read_text(encoding="utf-8")
    if not _STATED.search(text):
        return
    if file.suffix == ".py":
        tree = ast.parse(text)
        proses = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in (one for one in ast.walk(tree) if isinstance(one, ast.Constant)):
            if isinstance(node.value, str) and id(node) not in proses and _STATED.search(node.value):
                yield node.lineno
    else:
        for number, line in enumerate(text.splitlines(), 1):
            if _STATED.search(line.partition("#")[0]):
                yield number


def test_it_is_a_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_no_other_code_or_configuration_states_it(repo_root: Path):
    files = [
        file
        for file in tracked(repo_root)
        if file.relative_to(repo_root).parts[0] in (*CODE, "Makefile", "pyproject.toml", "mkdocs.yml")
        and file.suffix in {".py", *CONFIGURATION}
    ]
    assert len(files) > 100
    found = [f"{file.relative_to(repo_root)}:{line}" for file in files for line in stated(file)]
    assert [one for one in found if not one.startswith(source(repo_root) + ":")] == []
    assert len(found) == 1


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("a.py", f'"""Of {VERSION}."""\nX = 1  # {VERSION}\n', []),
        ("a.py", f'X = "{VERSION}"\n', [1]),
        ("a.py", f'X = f"thecal {VERSION}, {{1}}"\n', [1]),
        ("a.py", f'X = "1{VERSION}"\n', []),
        ("a.toml", f'a = 1\nversion = "{VERSION}"  # of {VERSION}\n', [2]),
        ("a.toml", f"# {VERSION}\n", []),
    ],
)
def test_a_second_place_is_noticed(tmp_path: Path, name: str, text: str, lines: list[int]):
    (tmp_path / name).write_text(text)
    assert list(stated(tmp_path / name)) == lines


def test_no_page_says_which_version_runs(repo_root: Path):
    """What pumps and commands print is shown without its number, or generated."""
    for page in [repo_root / "README.md", *(repo_root / "docs").rglob("*.md")]:
        assert not re.search(r"(firmware|thecal-\w+,) \d+\.\d+\.\d+", page.read_text(encoding="utf-8")), page


def test_the_package_takes_it_from_there(repo_root: Path):
    project = tomllib.loads((repo_root / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"]["attr"] == f"{version.__name__}.VERSION"
    assert importlib.metadata.version("thecal") == VERSION


def test_make_setup_follows_a_new_one(repo_root: Path):
    [rule] = re.findall(r"^\$\(VENV\)/\.thecal:(.*)$", (repo_root / "Makefile").read_text(), re.MULTILINE)
    assert source(repo_root) in rule


def test_host_and_pump_say_it():
    assert thecal.__version__ == VERSION
    said = CliRunner().invoke(app, ["--version"]).stdout
    assert said.startswith(f"thecal {VERSION}, protocol ")
    with Emulator(seed=1) as pump, Client.connect(pump.port) as client:
        assert client.hello().firmware == VERSION


def test_it_is_read_without_importing_anything(repo_root: Path, tmp_path: Path):
    """As setuptools reads it for a wheel."""
    code = (
        "from setuptools.config.pyprojecttoml import read_configuration as read;"
        "print(read('pyproject.toml')['project']['version'])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=repo_root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split()[-1] == VERSION
