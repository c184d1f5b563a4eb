#!/usr/bin/env python3
"""Mutation run: does a test fail when the code that guards the patient is changed?

    tools/evidence/mutate.py [--count 320] [--seed 1] [--out build/mutation.json]

Small changes (a comparison, a number, a call left out, a condition always true) are made one at a time in a
copy of the project, in `pump/safety` and `pump/dosing`, sampled by the seed; then the fast tests of the guard
and the dosing core run, some of them on the emulator. A change that no test notices survives;
docs/howto/mutation.md says what became of those.
Results are kept as they come: the same call again goes on where it was ended.
"""

import argparse
import ast
import contextlib
import copy
import importlib
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("firmware/pump/safety", "firmware/pump/dosing")
# Fast under CPython; those of one's own kind come first, as `-x` ends at the first that fails.
SAFETY = ("tests/firmware/safety",)
DOSING = tuple(
    f"tests/firmware/dosing/test_{name}.py"
    for name in (
        "given_and_planned limits review_boluses review_commands review_fillings slow_flow late_serving"
        " exactness limbs scale schedule hundred_years command_instant"
    ).split()
)
LEFT_OUT = (  # minutes, or of another interpreter
    "31_bit or 63_bit or every_interpreter or pushes_an_extended or over_before_the_other"
    " or exact_microsecond or raises_nothing or 60000000 or early_or_late or just_when_a_window"
)
LONGEST_S = 240
_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


@dataclass(frozen=True)
class Mutant:
    """One change: node `number` of the file's tree, in this way."""

    path: str
    number: int
    way: str
    line: int

    @property
    def name(self) -> str:
        return f"{self.path}:{self.line}:{self.number}:{self.way}"


def _ways(node: ast.AST) -> Iterator[str]:
    """What can be done to a node."""
    if isinstance(node, ast.Compare | ast.BinOp | ast.BoolOp):
        op = node.ops[0] if isinstance(node, ast.Compare) else node.op
        if type(op) in _SWAPPED:
            yield "swap"
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "not"
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield "more"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
        yield "drop"
    if isinstance(node, ast.If | ast.While):
        yield "never"
        if isinstance(node, ast.If):
            yield "always"
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "leave out"
    if isinstance(node, ast.AugAssign):
        yield "leave out"


def mutants(path: str, text: str) -> list[Mutant]:
    """Every change that can be made in a file."""
    found: list[Mutant] = []
    for number, node in enumerate(ast.walk(ast.parse(text))):
        for way in _ways(node):
            found.append(Mutant(path, number, way, getattr(node, "lineno", 0)))
    return found


def _change(node: ast.AST, way: str) -> ast.AST:
    """The node that takes its place."""
    if way == "swap" and isinstance(node, ast.Compare):
        node.ops[0] = _SWAPPED[type(node.ops[0])]()  # type: ignore[assignment]
    elif way == "swap" and isinstance(node, ast.BinOp | ast.BoolOp):
        node.op = _SWAPPED[type(node.op)]()  # type: ignore[assignment]
    elif isinstance(node, ast.Constant):
        node.value = not node.value if isinstance(node.value, bool) else int(str(node.value)) + 1
    elif way == "drop" and isinstance(node, ast.UnaryOp):
        return node.operand
    elif isinstance(node, ast.If | ast.While):
        node.test = ast.Constant(way == "always")
    elif way == "leave out":
        return ast.Pass()
    return node


class _At(ast.NodeTransformer):
    def __init__(self, target: ast.AST, way: str) -> None:
        self._target, self._way = target, way

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self._target:
            return ast.copy_location(_change(node, self._way), node)
        return self.generic_visit(node)


def mutated(text: str, mutant: Mutant) -> str:
    """The file with this change."""
    tree = ast.parse(text)
    target = list(ast.walk(tree))[mutant.number]
    return ast.unparse(ast.fix_missing_locations(_At(target, mutant.way).visit(copy.copy(tree))))


def shown(text: str, mutant: Mutant) -> str:
    """The line as it was."""
    return text.splitlines()[mutant.line - 1].strip()


def sample(count: int, seed: int) -> list[Mutant]:
    """So many of all, by the seed."""
    every: list[Mutant] = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).glob("*.py")):
            name = str(path.relative_to(ROOT))
            every += mutants(name, path.read_text(encoding="utf-8"))
    random.Random(seed).shuffle(every)
    return every[:count]


def verdict(tree: Path, mutant: Mutant) -> str:
    """`killed`, `timeout` (killed as well) or `survived`."""
    path = tree / mutant.path
    text = path.read_text(encoding="utf-8")
    path.write_text(mutated(text, mutant), encoding="utf-8")
    # The guard is no part of what the dosing core's own tests run.
    tests = SAFETY if "/safety/" in mutant.path else (*DOSING, *SAFETY)
    try:
        return in_a_process_of_its_own(tree, tests)
    finally:
        path.write_text(text, encoding="utf-8")


def in_a_process_of_its_own(tree: Path, tests: tuple[str, ...]) -> str:
    """What these tests say, in the copy."""
    child = os.fork()
    if not child:
        _run(tree, tests)

    def over(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, over)
    signal.alarm(LONGEST_S)
    try:
        return "survived" if os.waitpid(child, 0)[1] == 0 else "killed"
    except TimeoutError:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return "timeout"
    finally:
        signal.alarm(0)


def _run(tree: Path, tests: tuple[str, ...]) -> None:
    """In the child: the tests, in the copy."""
    code = 99
    with contextlib.suppress(BaseException):
        os.chdir(tree)
        # `thecal` is installed from elsewhere: here, and in what tests start, the copy counts
        copied = [str(tree / folder) for folder in ("host_tools", "firmware", "protocol")]
        sys.path[:0] = copied
        os.environ["PYTHONPATH"] = os.pathsep.join(copied)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        arguments = ["-q", "-x", "-n", "0", "-p", "no:cacheprovider", "--timeout", "60", "--tb", "no"]
        arguments += ["-W", "ignore:Module already imported"]
        code = int(pytest.main([*arguments, "-k", f"not ({LEFT_OUT})", *tests]))
    os._exit(code)


def copy_of_the_project(folder: Path) -> None:
    """Without what is made from it."""
    if folder.exists():
        shutil.rmtree(folder)
    ignored = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", ".hypothesis", ".*_cache")
    shutil.copytree(ROOT, folder, ignore=ignored)


def main() -> int:
    """Run; 1 when the tests fail without any change."""
    importlib.import_module("hypothesis")  # once, for every mutant
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=320)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "mutation.json")
    given = parser.parse_args()
    out: Path = given.out
    out.parent.mkdir(parents=True, exist_ok=True)
    rows: dict[str, dict[str, str]] = json.loads(out.read_text()) if out.exists() else {}
    tree = out.parent / "mutation-tree"
    copy_of_the_project(tree)
    os.environ["THECAL_HOME"] = str(tree)  # for tests that run the emulator
    if verdict(tree, Mutant("firmware/pump/safety/__init__.py", 0, "", 0)) != "survived":
        print("the tests fail without any change", file=sys.stderr)
        return 1
    for number, mutant in enumerate(sample(given.count, given.seed), 1):
        if mutant.name not in rows:
            text = (tree / mutant.path).read_text(encoding="utf-8")
            found = verdict(tree, mutant)
            rows[mutant.name] = {"verdict": found, "way": mutant.way, "line": shown(text, mutant)}
            out.write_text(json.dumps(rows, indent=1), encoding="utf-8")
            if found == "survived":
                print(f"{number:4} {mutant.name}  {shown(text, mutant)}", flush=True)
    survived = sum(row["verdict"] == "survived" for row in rows.values())
    print(f"{len(rows)} mutants, {survived} survived")
    return 0


if __name__ == "__main__":
    sys.exit(main())
