"""`make bench AGAINST=REV`, on a small repository of two commits whose benchmarks are known."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

_BENCH = """
import json, sys
open("order", "a").write("{value} ")
assert sys.argv[1:3] == ["--only", "plan"]
figure = {{"name": "plan_run_us", "value": {value}, "unit": "us", "better": "lower", "note": ""}}
json.dump({{"figures": [figure]}}, open(sys.argv[sys.argv.index("--out") + 1], "w"))
"""
_MAKEFILE = ".venv/.test:\n\t@mkdir -p .venv/bin && ln -sf {python} .venv/bin/python && touch $@\n"


@pytest.fixture(scope="module")
def against(repo_root):
    sys.path.insert(0, str(repo_root / "benchmarks"))
    try:
        yield importlib.import_module("against")
    finally:
        sys.path.remove(str(repo_root / "benchmarks"))


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def project(against, tmp_path, monkeypatch) -> Path:
    """Two commits: the benchmark says 10 us, then 5 us. The module takes it for its own project."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "Makefile").write_text(_MAKEFILE.format(python=sys.executable))
    git(tmp_path, "init", "-q")
    for value in (10, 5):
        (tmp_path / "benchmarks" / "run.py").write_text(_BENCH.format(value=value))
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-qm", str(value))
    subprocess.run(["make", "-s", ".venv/.test"], cwd=tmp_path, check=True)
    (tmp_path / "build").mkdir()
    monkeypatch.setattr(against, "ROOT", tmp_path)
    return tmp_path


def test_both_sides_are_measured_in_turn_and_compared(against, project):
    tree = against.build("HEAD~1", project / "build" / "against")
    (row,) = against.alternate(tree, "plan", rounds=3, quick=True)
    assert row[3:] == (10, 5, 0.5, 0.5, 0.5)
    assert row.verdict() == "better"
    assert (tree / "order").read_text().split() == ["10"] * 3
    assert (project / "order").read_text().split() == ["5"] * 3
    assert "0.500 to 0.500  better" in against.table([row], "HEAD~1")


def test_what_cannot_be_compared_is_said_in_a_line(against, project):
    with pytest.raises(against.CannotMeasure, match="no commit 'yesterday' here"):
        against.build("yesterday")
    tree = against.build("HEAD~1", project / "build" / "against")
    with pytest.raises(against.CannotMeasure, match=r"^AssertionError$"):
        against.alternate(tree, "link", rounds=1, quick=True)


def test_old_benchmarks_give_way_to_those_of_today(against, project):
    tree = against.build("HEAD~1", project / "build" / "against")
    (tree / "benchmarks" / "run.py").write_text("knows no groups")
    script = against.script_for(tree)
    assert script.parent.parent == tree
    assert script.read_text() == (project / "benchmarks" / "run.py").read_text()


@pytest.mark.parametrize(
    ("old", "new", "better", "verdict"),
    [
        ((10, 10, 10), (8, 9, 7), "lower", "better"),
        ((10, 10, 10), (8, 9, 7), "higher", "worse"),
        ((10, 10, 10), (8, 11, 9), "lower", "no difference shown"),
    ],
)
def test_the_verdict_is_what_all_rounds_agree_on(against, old, new, better, verdict):
    def figures(value):
        return [{"name": "x", "value": value, "unit": "s", "better": better, "note": ""}]

    (row,) = against.compare([(figures(a), figures(b)) for a, b in zip(old, new, strict=True)])
    assert row.verdict() == verdict
