"""The wheel, built as `make dist` builds it and installed where no checkout is, works by itself.

The packages that thecal needs are lent by the environment of the tests, so that it takes seconds; CI installs
them (.github/workflows/wheel.yml).
"""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
import yaml

from thecal.link.session import PROTOCOL
from thecal_protocol.version import VERSION

BUILD = "import sys, setuptools.build_meta as b; print(getattr(b, 'build_' + sys.argv[1])(sys.argv[2]))"
PARTS = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
FOLDERS = ("host_tools", "protocol", "firmware", "boards", "examples")
pytestmark = pytest.mark.timeout(400)
LENT = Path(pytest.__file__).resolve().parents[1]


def run(*command: object, cwd: Path, **environment: str) -> str:
    """By itself: nothing that this run of pytest, or of thecal's tests, has set."""
    ours = ("PYTEST_", "THECAL_", "PYTHON")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    inherited["XDG_RUNTIME_DIR"] = str(cwd)  # its pumps are nobody's who looks which pumps run
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=360,  # only what hangs
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel that is built of it."""
    folder = tmp_path_factory.mktemp("dist")
    tree = folder / "tree"
    tree.mkdir()
    for name in PARTS:
        shutil.copy(repo_root / name, tree)
    for name in FOLDERS:
        shutil.copytree(repo_root / name, tree / name)
    run(sys.executable, "-c", BUILD, "sdist", folder, cwd=tree)
    with tarfile.open(folder / f"thecal-{VERSION}.tar.gz") as archive:
        archive.extractall(folder / "again", filter="data")
    run(sys.executable, "-c", BUILD, "wheel", folder, cwd=folder / "again" / f"thecal-{VERSION}")
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (file,) = dist.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment with nothing of ours in it but the wheel."""
    home = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=home)
    (packages,) = home.glob("lib/python*/site-packages")
    # A .pth file in a folder that is lent by one is not read: the editable install stays out.
    (packages / "lent.pth").write_text(f"{LENT}\n")
    pip = (sys.executable, "-m", "pip", "--python", home / "bin" / "python", "install", "--quiet")
    run(*pip, "--no-deps", "--no-index", "--no-compile", wheel, cwd=home)
    return home / "bin" / "python"


def test_it_holds_the_pump_and_no_general_name(wheel: Path, repo_root: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert {name.partition("/")[0] for name in names} == {
            "thecal", "thecal_protocol", f"thecal-{VERSION}.dist-info"
        }  # fmt: skip
        assert not [name for name in names if name.endswith((".pyc", ".mpy"))]
        for folder in FOLDERS[1:]:
            for file in (repo_root / folder).rglob("*"):
                name = file.relative_to(repo_root).as_posix()
                if file.is_file() and file.suffix not in (".pyc", ".mpy"):
                    assert archive.read(f"thecal/_home/{name}") == file.read_bytes()
        for file in (repo_root / "host_tools" / "thecal" / "web" / "static").iterdir():
            assert archive.read(f"thecal/web/static/{file.name}") == file.read_bytes()
        carried = {name for name in names if name.startswith("thecal/_home/protocol/thecal_protocol/")}
        for name in carried:
            assert archive.read(name) == archive.read(name.removeprefix("thecal/_home/protocol/"))


@pytest.fixture
def project(python: Path, repo_root: Path, tmp_path: Path) -> dict[str, str]:
    """A project of somebody else, in the folder of the test, with the examples: what its shell has set."""
    shutil.copytree(repo_root / "examples", tmp_path / "examples")
    return {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "THECAL_KEYS": str(tmp_path / "keys"),
        "PIP_NO_INDEX": "1",
        "PIP_QUIET": "1",
    }


def test_what_it_says_of_itself(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        about = HeaderParser().parsestr(archive.read(f"thecal-{VERSION}.dist-info/METADATA").decode())
        entries = archive.read(f"thecal-{VERSION}.dist-info/entry_points.txt").decode()
    assert (about["Name"], about["Version"], about["License-Expression"]) == ("thecal", VERSION, "MIT")
    assert about["Description-Content-Type"] == "text/markdown"
    assert "not a medical device" in about.get_payload()
    assert set(about.get_all("Provides-Extra") or ()) == {"campaign", "exchange", "flash", "web"}
    assert "thecal = thecal.cli:main" in entries
    assert "[pytest11]\nthecal = thecal.pytest_plugin" in entries


def test_it_works_where_no_checkout_is(python: Path, repo_root: Path, tmp_path: Path):
    smoke = repo_root / "tools" / "checks" / "wheel_smoke.py"
    said = run(sys.executable, smoke, python, "--quick", cwd=tmp_path)
    assert said == "the installed thecal works by itself\n"


# What somebody else's tests look like that fail, that share a run, and that want nothing of thecal.
TESTS = """
def test_pumps_of_one_test(thecal_emulator):
    assert thecal_emulator().serial_number != thecal_emulator(serial_number="MINE").serial_number

def test_fails(thecal_pump):
    assert thecal_pump.serial_number == "other"

def test_mistyped(thecal_pump):
    thecal_pump.bench.inject("motr_stall")
"""
ALONE = """
def test_nothing_was_imported():
    import sys
    own = {"thecal", "thecal.pytest_plugin", "thecal_protocol", "thecal_protocol.version"}
    assert {name for name in sys.modules if name.startswith("thecal")} <= own

def test_no_pump(tmp_path):
    assert not list(tmp_path.iterdir())
"""
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")


def test_a_failing_test_shows_the_log_of_its_pump(python: Path, project: dict[str, str], tmp_path: Path):
    (tmp_path / "test_ours.py").write_text(TESTS)
    with pytest.raises(AssertionError) as caught:
        run(python, *PYTEST, "test_ours.py", cwd=tmp_path, **project)
    said = str(caught.value)
    assert "2 failed, 1 passed" in said
    assert said.count("- thecal pump UNIX-") == 2
    assert "  boot  " in said
    assert 'no injection is called "motr_stall"; did you mean motor_stall?' in said


def test_who_asks_for_no_pump_pays_for_none(python: Path, tmp_path: Path):
    (tmp_path / "test_alone.py").write_text(ALONE)
    assert "2 passed" in run(python, *PYTEST, "test_alone.py", cwd=tmp_path)


def test_the_steps_of_the_action(
    python: Path, wheel: Path, project: dict[str, str], repo_root: Path, tmp_path: Path
):
    action = yaml.safe_load((repo_root / "action.yml").read_text())
    inputs = {name: about.get("default", "") for name, about in action["inputs"].items()}
    inputs |= {"therapy": "examples/morphine-constant.toml", "for": "1h", "package": str(wheel)}
    assert [step["shell"] for step in action["runs"]["steps"]] == ["bash"] * 3
    for step in action["runs"]["steps"]:
        values = {name: _filled(str(text), inputs) for name, text in step["env"].items()}
        run("bash", "-eo", "pipefail", "-c", step["run"], cwd=tmp_path, **project, **values)
    assert '"ok": true' in (tmp_path / "thecal-check.json").read_text()
    assert '"steps": 2000' in (tmp_path / "thecal-simulate.json").read_text()


def _filled(text: str, inputs: dict[str, str]) -> str:
    for name, value in inputs.items():
        text = text.replace(f"${{{{ inputs.{name} }}}}", value)
    return text


def test_the_recipe_for_gitlab(wheel: Path, project: dict[str, str], tmp_path: Path):
    """Line by line; the last are the tests of the example project, with the plugin and two workers."""
    job = yaml.safe_load((tmp_path / "examples" / "ci" / "gitlab-ci.yml").read_text())["thecal"]
    values = {
        **project,
        **job["variables"],
        "THECAL": str(wheel),
        "PYTEST_ADDOPTS": "-n2 -q -p no:cacheprovider",
    }
    said = [
        run("bash", "-eo", "pipefail", "-c", line.replace("--for 30d", "--for 1h"), cwd=tmp_path, **values)
        for line in job["script"]
    ]
    assert "5 passed" in said[-1]
    checked, simulated = job["artifacts"]["paths"]
    assert '"ok": true' in (tmp_path / checked).read_text()
    assert '"steps": 2000' in (tmp_path / simulated).read_text()


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here")
def test_the_recipe_for_any_shell_with_a_host_in_c(wheel: Path, project: dict[str, str], tmp_path: Path):
    """hello.c reads the table hash from the refusal, without a warning of the compiler."""
    file = tmp_path / "examples" / "ci" / "ci.sh"
    file.write_text(
        file.read_text()
        .replace("--for 30d", "--for 1h")
        .replace('"$CC" -o', '"$CC" -Wall -Wextra -Werror -o')
    )
    said = run("sh", file, cwd=tmp_path, THECAL=str(wheel), **project)
    assert said.splitlines()[-1] == PROTOCOL
    assert len((tmp_path / "examples" / "hello.c").read_text().splitlines()) <= 66
