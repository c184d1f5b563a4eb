"""README.md is a front door: short, with two commands, one picture, three doors and a map that is whole."""

import re
import subprocess
from pathlib import Path

import pytest

LINES = 80


@pytest.fixture(scope="module")
def page(repo_root: Path) -> str:
    return (repo_root / "README.md").read_text(encoding="utf-8")


def test_it_is_short_and_says_first_what_thecal_is_not(page: str):
    assert len(page.splitlines()) <= LINES
    assert "**thecal is not a medical device.**" in page.split("\n    make run\n")[0]


def test_two_commands(page: str):
    assert re.findall(r"^ {4}(\S.*)$", page, re.MULTILINE) == ["make run", "make test"]


def test_one_picture_that_make_pictures_makes(page: str, repo_root: Path):
    [picture] = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page)
    assert page.index(picture) < page.index("## ")  # it opens with it
    assert (repo_root / picture).stat().st_size < 1_000_000
    recipe = (repo_root / "Makefile").read_text().split("\npictures:")[1].split("\n\n")[0]
    assert picture in recipe


def test_three_doors(page: str):
    rows = re.findall(r"^\| \*\*([^*]+)\*\* \| .*\]\(docs/", page, re.MULTILINE)
    assert rows == ["Flash a board", "Use it in CI", "Program a pump"]


def test_the_map_has_every_folder(page: str, repo_root: Path):
    listed = subprocess.run(["git", "ls-files"], cwd=repo_root, capture_output=True, text=True, check=True)
    folders = {name.split("/")[0] for name in listed.stdout.splitlines() if "/" in name}
    shown = {name.split("/")[0] for name in re.findall(r"^\| \[?`([^`]+/)`", page, re.MULTILINE)}
    assert shown == {name for name in folders if not name.startswith(".")}


def test_it_leads_to_all_that_a_newcomer_looks_for(page: str):
    for target in (
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "LICENSE",
        "docs/reference/glossary.md",
        "docs/explanation/safety.md",
    ):
        assert f"]({target})" in page
