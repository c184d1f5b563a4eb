#!/usr/bin/env python3
"""`make bench AGAINST=REV`: this tree's figures against those of another commit, measured in turn in one run.

Computers differ from hour to hour by more than most changes do, so no figure is compared with one of
yesterday: the other commit is built beside this one (build/against/, an environment of its own), and the two
are measured alternately, each round in the other order. Printed are the medians, and the median and spread of
the ratio round by round. `--only` names groups of figures (benchmarks/run.py).

A commit whose benchmarks know no groups is measured by those of today, run on its code.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import run

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "against"
RESULT = ROOT / "build" / "bench-against.json"
_OURS = "benchmarks-of-today"


class CannotMeasure(Exception):
    """Why nothing can be compared, in one line."""


class Comparison(NamedTuple):
    """One figure on both sides."""

    name: str
    unit: str
    better: str
    old: float
    new: float
    ratio: float  # new / old, median of the rounds
    low: float
    high: float

    def verdict(self) -> str:
        """What the rounds agree on: better, worse, or nothing."""
        if self.low <= 1 <= self.high:
            return "no difference shown"
        return "better" if (self.ratio > 1) == (self.better == "higher") else "worse"


def git(*arguments: str, folder: Path | None = None) -> str:
    """What git says. Raises CannotMeasure with its last line."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder or ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotMeasure(f"git {arguments[0]}: {(done.stderr.strip() or 'failed').splitlines()[-1]}")
    return done.stdout.strip()


def commit_of(rev: str) -> str:
    """The commit that a name means. Raises CannotMeasure where there is none."""
    try:
        return git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
    except CannotMeasure:
        raise CannotMeasure(f"no commit {rev!r} here; say AGAINST=HEAD~1, or a name of `git log`") from None


def build(rev: str, base: Path = BUILD) -> Path:
    """A checkout of the commit with an environment of its own; made once."""
    commit = commit_of(rev)
    tree = base / commit[:12]
    if not (tree / ".git").exists():
        shutil.rmtree(tree, ignore_errors=True)
        tree.parent.mkdir(parents=True, exist_ok=True)
        git("clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(tree))
    git("checkout", "--quiet", "--force", commit, folder=tree)
    make = ["make", "--silent", "-C", str(tree), f"PYTHON={sys._base_executable}"]  # pyright: ignore
    layered = subprocess.run([*make, "-n", ".venv/.test"], capture_output=True, check=False).returncode == 0
    done = subprocess.run(
        [*make, ".venv/.test" if layered else "setup"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotMeasure(
            f"{rev} cannot be set up: {(done.stderr.strip() or 'make failed').splitlines()[-1]}"
        )
    return tree


def script_for(tree: Path) -> Path:
    """The benchmarks to run on a tree: its own, or a copy of today's where its own know no groups."""
    own = tree / "benchmarks" / "run.py"
    if own.exists() and "--only" in own.read_text(encoding="utf-8"):
        return own
    shutil.rmtree(tree / _OURS, ignore_errors=True)
    shutil.copytree(ROOT / "benchmarks", tree / _OURS, ignore=shutil.ignore_patterns("__pycache__"))
    return tree / _OURS / "run.py"


def measure(tree: Path, group: str, quick: bool) -> list[dict[str, Any]]:
    """One round of one group on one tree. Raises CannotMeasure with the last line of what went wrong."""
    out = ROOT / "build" / "bench-round.json"
    out.unlink(missing_ok=True)
    command = [
        str(tree / ".venv" / "bin" / "python"),
        str(script_for(tree)),
        "--only",
        group,
        "--out",
        str(out),
    ]
    done = subprocess.run(
        command + ["--quick"] * quick, cwd=tree, capture_output=True, text=True, check=False, timeout=3600
    )
    if done.returncode or not out.exists():
        raise CannotMeasure((done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1])
    return json.loads(out.read_text(encoding="utf-8"))["figures"]


def compare(rounds: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]]) -> list[Comparison]:
    """(old figures, new figures) of every round -> what both sides measured, in the order of the new side.
    A figure that is 0 on the old side has no ratio and is left out."""
    found: list[Comparison] = []
    for figure in rounds[0][1]:
        name = figure["name"]
        pairs = [
            (old_value, new_value)
            for old, new in rounds
            for old_value in [one["value"] for one in old if one["name"] == name]
            for new_value in [one["value"] for one in new if one["name"] == name]
        ]
        if len(pairs) < len(rounds) or any(old == 0 for old, _ in pairs):
            continue
        ratios = [new / old for old, new in pairs]
        middle = [statistics.median(side) for side in zip(*pairs, strict=True)]
        found.append(
            Comparison(
                name,
                figure["unit"],
                figure["better"],
                *middle,
                statistics.median(ratios),
                min(ratios),
                max(ratios),
            )
        )
    return found


def table(rows: list[Comparison], rev: str) -> str:
    """For a person."""
    lines = [
        f"{'figure':<28} {rev[:12]:>13} {'now':>13} {'unit':<12} {'now/then':>8}  {'spread':<15} verdict"
    ]
    for row in rows:
        old, new = (f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.4g}" for x in (row.old, row.new))
        spread = f"{row.low:.3f} to {row.high:.3f}"
        values = f"{old:>13} {new:>13} {row.unit:<12} {row.ratio:>8.3f}"
        lines.append(f"{row.name:<28} {values}  {spread:<15} {row.verdict()}")
    return "\n".join(lines)


def alternate(tree: Path, group: str, rounds: int, quick: bool) -> list[Comparison]:
    """Both sides in turn, `rounds` times."""
    both: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]] = []
    for number in range(rounds):
        sides = [tree, ROOT] if number % 2 == 0 else [ROOT, tree]
        measured = {side: measure(side, group, quick) for side in sides}
        both.append((measured[tree], measured[ROOT]))
    return compare(both)


def main() -> int:
    """Build, measure in turn, print, write. 1 and one line on stderr where that cannot be."""
    parser = argparse.ArgumentParser(description="Measure this tree against another commit, in turn.")
    parser.add_argument("rev", help="a commit, tag or branch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--full", action="store_true", help="long measurements instead of the quick ones")
    parser.add_argument(
        "--only",
        type=run.groups,
        default=[name for name in run.GROUPS if name != "chip"],
        help="groups of figures, with commas (without: all but those of the chip)",
    )
    asked = parser.parse_args()
    if asked.rounds < 1:
        parser.error("--rounds: at least 1")
    try:
        tree = build(asked.rev)
    except CannotMeasure as wrong:
        print(f"bench: {wrong}", file=sys.stderr)
        return 1
    rows: list[Comparison] = []
    for group in asked.only:
        try:
            rows += alternate(tree, group, asked.rounds, not asked.full)
        except CannotMeasure as wrong:
            print(f"bench: {group} cannot be compared: {wrong}", file=sys.stderr)
    print(table(rows, asked.rev))
    entries = [{**row._asdict(), "verdict": row.verdict()} for row in rows]
    document = {"against": commit_of(asked.rev), "rounds": asked.rounds, "figures": entries}
    RESULT.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"written to {RESULT}")
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
