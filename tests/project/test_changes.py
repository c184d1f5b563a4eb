"""Fragments of the changelog: those that are there are well-formed, and what is not is named."""

import re
from pathlib import Path

import pytest

import check_changes
from thecal_protocol.version import VERSION


def test_those_of_the_project(repo_root: Path):
    assert list(check_changes.findings(repo_root)) == []


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("+good.fixed.md", "It works.\n", None),
        ("12.safety.md", "`status` tells\nmore.\n", None),
        ("good.fixed.md", "It works.\n", "a fragment is called +slug.type.md"),
        ("+Good.fixed.md", "It works.\n", "a fragment is called +slug.type.md"),
        ("+good.fixed.txt", "It works.\n", "a fragment is called +slug.type.md"),
        ("+good.better.md", "It works.\n", 'there is no type "better"; the types are safety, security, '),
        ("+good.fixed.md", "", "it is empty"),
        ("+good.fixed.md", "It works\n", "ends with a whole sentence"),
        ("+good.fixed.md", "It works.", "ends with a whole sentence"),
        ("+good.fixed.md", "- It works.\n", "one paragraph"),
        ("+good.fixed.md", "It works.\n\nSo does that.\n", "one paragraph"),
        ("+good.fixed.md", "It works. " * 50 + "So.\n", "at most 400 are read"),
    ],
)
def test_what_is_wrong_is_named(repo_root: Path, tmp_path: Path, name: str, text: str, says: str | None):
    (tmp_path / "pyproject.toml").write_bytes((repo_root / "pyproject.toml").read_bytes())
    (tmp_path / "changes").mkdir()
    (tmp_path / "changes" / "README.md").write_text("not one\n")
    (tmp_path / "changes" / name).write_text(text)
    found = list(check_changes.findings(tmp_path))
    if says is None:
        assert found == []
    else:
        [line] = found
        assert line.startswith(f"changes/{name}: ")
        assert says in line


def test_types_are_explained(repo_root: Path):
    rows = re.findall(r"^\| `(\w+)` \| \S", (repo_root / "changes" / "README.md").read_text(), re.MULTILINE)
    assert rows == check_changes.types(repo_root)


def test_the_changelog_has_room_for_them_and_the_version(repo_root: Path):
    text = (repo_root / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "\n<!-- what is not released yet: changes/ -->\n" in text
    versions = re.findall(r"^## (\d+)\.(\d+)\.(\d+) \(\d{4}-\d\d-\d\d\)$", text, re.MULTILINE)
    numbers = [tuple(map(int, one)) for one in versions]
    assert numbers == sorted(set(numbers), reverse=True)
    assert len(numbers) == len(re.findall(r"^## ", text, re.MULTILINE))
    assert tuple(map(int, VERSION.split("."))) >= numbers[0]


def test_lint_checks_them(repo_root: Path):
    assert "tools/checks/check_changes.py" in (repo_root / "tools" / "lint.sh").read_text()
