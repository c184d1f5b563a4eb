"""The environment is what the project says: packages come from this tree, the rest is the lock."""

import importlib
import importlib.metadata
import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@pytest.fixture(scope="module")
def project(repo_root):
    return tomllib.loads((repo_root / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def lock(repo_root) -> dict[str, str]:
    lines = (repo_root / "requirements.lock").read_text().splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


@pytest.mark.parametrize(("name", "folder"), [("thecal", "host_tools"), ("wire", "firmware")])
def test_packages_resolve_to_this_tree(repo_root, name, folder):
    module = importlib.import_module(name)
    assert module.__file__ == str(repo_root / folder / name / "__init__.py")


def test_the_console_script_is_thecal_cli_main(project):
    assert project["project"]["scripts"] == {"thecal": "thecal.cli:main"}
    (script,) = importlib.metadata.distribution("thecal").entry_points
    assert (script.name, script.value) == ("thecal", "thecal.cli:main")


def test_the_lock_satisfies_every_range(project, lock):
    ranges = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["dev"]]
    for requirement in map(Requirement, ranges):
        assert lock[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_the_lock_is_closed_under_dependencies(lock):
    """What a locked package needs is locked too, at a version it takes: setup installs with --no-deps."""
    for name in lock:
        for requirement in map(Requirement, importlib.metadata.requires(name) or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert lock[canonicalize_name(requirement.name)] in requirement.specifier, (name, requirement)


def test_what_is_installed_is_the_lock(lock):
    installed = {canonicalize_name(one.name): one.version for one in importlib.metadata.distributions()}
    others = {name: version for name, version in installed.items() if name not in ("thecal", "pip")}
    assert others == lock


def test_the_lock_names_exact_versions_and_nothing_else(repo_root):
    for line in (repo_root / "requirements.lock").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._+]+", line), line
