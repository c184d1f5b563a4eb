"""CONTRIBUTING.md: what it lists under "Add a command" and "Add an alarm" is where it says."""

import re
from pathlib import Path

import pytest

from project.docs.test_docs import make_targets

SECTIONS = {"Add a command": r"skip[_-]bridge", "Add an alarm": r"records_format"}
NOT_COUNTED = {"tests", "tools", "benchmarks", "docs", "build", ".venv", ".git"}
_ROW = re.compile(r"^\| `([^`|]+)` \| `([^`|]+)` \| ([^|]+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def page(repo_root: Path) -> str:
    return (repo_root / "CONTRIBUTING.md").read_text(encoding="utf-8")


def section(page: str, title: str) -> str:
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


def untrue(root: Path, text: str) -> list[str]:
    """Rows whose file is not there, or does not hold the example."""
    found = [(name, example) for name, example, _ in _ROW.findall(text)]
    return [
        f"{name}: {example}"
        for name, example in found
        if not (root / name).is_file() or example not in (root / name).read_text(encoding="utf-8")
    ]


@pytest.mark.parametrize("title", SECTIONS)
def test_each_file_holds_its_example(page: str, repo_root: Path, title: str):
    text = section(page, title)
    assert untrue(repo_root, text) == []
    table = text.split("<!-- touched")[1].split("<!-- /touched -->")[0]
    assert len(_ROW.findall(table)) == len(re.findall(r"^\|", table, re.MULTILINE)) - 2


@pytest.mark.parametrize("title", SECTIONS)
def test_no_other_file_holds_it(page: str, repo_root: Path, title: str):
    """Whoever follows the table has found all that a person writes by hand, but for tests and pages."""
    text = section(page, title)
    listed = {file for file, _, _ in _ROW.findall(text)}
    for folder in (one for one in repo_root.iterdir() if one.is_dir() and one.name not in NOT_COUNTED):
        for file in folder.rglob("*.py"):
            if re.search(SECTIONS[title], file.read_text(encoding="utf-8"), re.IGNORECASE):
                assert str(file.relative_to(repo_root)) in listed


def test_a_row_that_is_no_longer_true_is_noticed(repo_root: Path, tmp_path: Path):
    row = "| `a.py` | `def skip` | what |\n"
    assert untrue(tmp_path, row) == ["a.py: def skip"]
    (tmp_path / "a.py").write_text("def other(): pass\n")
    assert untrue(tmp_path, row) == ["a.py: def skip"]
    (tmp_path / "a.py").write_text("def skip(): pass\n")
    assert untrue(tmp_path, row) == []


def test_the_files_and_commands_that_it_names_are_there(page: str, repo_root: Path):
    known = make_targets(repo_root)
    for words in re.findall(r"`([^`\n]+)`|^ {4}(\S.*)$", page, re.MULTILINE):
        text = words[0] or words[1]
        if match := re.match(r"make [a-z]+", text):
            assert match[0] in known, text
        if re.fullmatch(
            r"(?:python )?(?:tests|tools|firmware|host_tools|boards|requirements|docs)/[\w./]+", text
        ):
            assert (repo_root / text.removeprefix("python ")).exists(), text


def test_the_areas_of_commits_and_the_length(page: str):
    assert "`area: what it does now`, under 72 characters" in section(page, "Commits")
