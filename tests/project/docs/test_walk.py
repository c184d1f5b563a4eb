"""The way of a therapy on the page about architecture: files and functions are there, it hardly climbs."""

import ast
import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "explanation" / "architecture.md"
MOST_CLIMBS = 2
_STEP = re.compile(r"^(\d+)\. `([\w/]+\.py)` `(\w+)`", re.MULTILINE)
_BESIDE = re.compile(r"\(`(\w+\.py)`\)")
_PACKAGES = {
    "thecal": ROOT / "host_tools" / "thecal",
    "thecal_protocol": ROOT / "protocol" / "thecal_protocol",
}


def walk() -> list[tuple[int, Path, str]]:
    text = PAGE.read_text(encoding="utf-8").split("## The way of a therapy")[1].split("\n## ")[0]
    return [(int(number), ROOT / file, name) for number, file, name in _STEP.findall(text)]


def file_of(module: str) -> Path | None:
    package, _, rest = module.partition(".")
    if package not in _PACKAGES:
        return None
    path = _PACKAGES[package].joinpath(*rest.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def imports_of(file: Path) -> frozenset[Path]:
    """What a file imports of ours, lazily or for its types too."""
    names = set[str]()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found for name in names if (found := file_of(name)) is not None)


def reaches(file: Path, other: Path) -> bool:
    """Whether a file imports another, itself or through what it imports."""
    seen, left = {file}, [file]
    while left:
        for found in imports_of(left.pop()) - seen:
            if found == other:
                return True
            seen.add(found)
            left.append(found)
    return False


def climbs(files: list[Path]) -> list[tuple[str, str]]:
    """Steps up: to a file that imports the one before."""
    return [(a.name, b.name) for a, b in pairwise(files) if a != b and reaches(b, a)]


@pytest.mark.parametrize("step", walk(), ids=lambda step: f"{step[0]}-{step[2]}")
def test_file_and_name_are_there(step: tuple[int, Path, str]):
    _, file, name = step
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.ClassDef)
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def test_the_files_beside_them_are_there():
    text = PAGE.read_text(encoding="utf-8").split("## The way of a therapy")[1].split("\n## ")[0]
    for name in _BESIDE.findall(text):
        assert any((file.parent / name).is_file() for _, file, _ in walk()), name


def test_the_way_is_numbered_and_leads_from_the_file_to_the_pump():
    steps = walk()
    assert [number for number, _, _ in steps] == list(range(1, len(steps) + 1))
    rooms = [str(file.relative_to(ROOT)).split("/")[0] for _, file, _ in steps]
    assert list(dict.fromkeys(rooms)) == ["host_tools", "protocol", "firmware"]


def test_on_the_host_it_climbs_twice_at_most():
    host = [file for _, file, _ in walk() if "firmware" not in file.relative_to(ROOT).parts]
    assert 0 < len(climbs(host)) <= MOST_CLIMBS, climbs(host)


def test_a_climb_is_found():
    therapy = _PACKAGES["thecal"] / "therapy"
    assert climbs([therapy / "encode.py", therapy / "judge.py"]) == [("encode.py", "judge.py")]
    assert climbs([therapy / "judge.py", therapy / "encode.py"]) == []
