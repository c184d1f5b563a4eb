"""The Makefile as a person meets it: help is complete, every target works, flash says why it does not."""

import os
import re
import subprocess

import pytest

PROMISED = ["help", "setup", "run", "test", "lint", "emulate", "bench", "flash"]


@pytest.fixture
def make(repo_root):
    """Run make in the project as from a fresh shell, not as a child of the make that runs the tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["make", *arguments]
        return subprocess.run(
            command, cwd=repo_root, env=environment, capture_output=True, text=True, check=False
        )

    return run


def test_help_is_the_default_and_names_every_target(make, repo_root):
    shown = make().stdout
    assert make("help").stdout == shown
    targets = re.findall(r"^([a-z]+):", (repo_root / "Makefile").read_text(), re.MULTILINE)
    assert set(PROMISED) <= set(targets)
    for target in targets:
        assert re.search(rf"^  make {target} +\S", shown, re.MULTILINE), target


@pytest.mark.parametrize("target", PROMISED[1:])
def test_every_target_has_a_recipe(make, target):
    assert make("--dry-run", "--always-make", target).returncode == 0


def test_flash_without_a_port_says_what_it_needs(make):
    done = make("flash")
    assert done.returncode != 0
    assert "--port" in done.stderr


def test_the_soak_runs_all_that_is_long(repo_root):
    """What is short without THECAL_SOAK is nowhere whole unless the soak names it."""
    makefile = (repo_root / "Makefile").read_text()
    named = re.findall(r"tests/[\w./]+", makefile[makefile.index("\nsoak:") : makefile.index("\ndocs:")])
    for file in (repo_root / "tests").rglob("*.py"):
        if re.search(r'environ\.get\("THECAL_SOAK"', file.read_text()):
            path = str(file.relative_to(repo_root))
            assert any(path == one or path.startswith(f"{one}/") for one in named), path
