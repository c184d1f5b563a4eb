"""The site of `make docs`: built strictly, complete, nothing from the web; its workflow for CI is sound."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from project.docs.test_docs import make_targets
from thecal.cli.app import app

NOWHERE = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}


@pytest.fixture(scope="module")
def site(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` does, somewhere else; a proxy that leads nowhere stands for no internet."""
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)],
        cwd=repo_root,
        env={"PATH": "/usr/bin:/bin", "NO_MKDOCS_2_WARNING": "1", **NOWHERE},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stderr.lower()
    return out


def test_every_page_is_there(site: Path, repo_root: Path):
    for page in (repo_root / "docs").rglob("*.md"):
        assert (site / page.relative_to(repo_root / "docs").with_suffix(".html")).is_file(), page


def test_every_page_is_in_the_menu(repo_root: Path):
    menu = set(re.findall(r": ([\w/-]+\.md)$", (repo_root / "mkdocs.yml").read_text(encoding="utf-8"), re.M))
    docs = repo_root / "docs"
    pages = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")}
    assert menu == pages | {"reference/commands.md"}


def test_nothing_is_loaded_from_the_web(site: Path):
    """No font, script, style or picture with an address."""
    loads = re.compile(r"<(?:script|img|iframe)\b[^>]*\bsrc=[\"']?(?:https?:)?//|url\([\"']?https?://")
    styles = re.compile(r"<link\b[^>]*rel=[\"']?(?:stylesheet|preconnect)[^>]*href=[\"']?(?:https?:)?//")
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not loads.search(text), page
        assert not styles.search(text), page


def test_the_commands_page_has_every_command(site: Path):
    text = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    root: Any = typer.main.get_command(app)
    for name, command in root.commands.items():
        for path in [f"{name} {part}" for part in getattr(command, "commands", {})] or [name]:
            assert f"thecal {path}" in text, path


def test_the_workflow_for_ci(repo_root: Path):
    page = (repo_root / "docs" / "howto" / "ci.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    workflow = yaml.safe_load(text)
    commands = [step["run"] for step in workflow["jobs"]["test"]["steps"] if "run" in step]
    assert commands[0] == "make setup"
    assert set(commands) <= make_targets(repo_root)
