"""The wheel, built as `make dist` builds it and installed where no checkout is, works by itself.

The packages that thecal needs are lent by the environment of the tests, so that it takes seconds; CI installs
them (.github/workflows/wheel.yml).
"""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from thecal_protocol.version import VERSION

BUILD = "import sys, setuptools.build_meta as b; print(getattr(b, 'build_' + sys.argv[1])(sys.argv[2]))"
PARTS = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
FOLDERS = ("host_tools", "protocol", "firmware", "boards", "examples")
LENT = Path(pytest.__file__).resolve().parents[1]


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False, timeout=110
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
        carried = {name for name in names if name.startswith("thecal/_home/protocol/thecal_protocol/")}
        for name in carried:
            assert archive.read(name) == archive.read(name.removeprefix("thecal/_home/protocol/"))


def test_what_it_says_of_itself(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        about = HeaderParser().parsestr(archive.read(f"thecal-{VERSION}.dist-info/METADATA").decode())
        entries = archive.read(f"thecal-{VERSION}.dist-info/entry_points.txt").decode()
    assert (about["Name"], about["Version"], about["License-Expression"]) == ("thecal", VERSION, "MIT")
    assert about["Description-Content-Type"] == "text/markdown"
    assert "not a medical device" in about.get_payload()
    assert set(about.get_all("Provides-Extra") or ()) == {"campaign", "exchange", "flash"}
    assert "thecal = thecal.cli:main" in entries


def test_it_works_where_no_checkout_is(python: Path, repo_root: Path, tmp_path: Path):
    smoke = repo_root / "tools" / "checks" / "wheel_smoke.py"
    said = run(sys.executable, smoke, python, "--quick", cwd=tmp_path)
    assert said == "the installed thecal works by itself\n"
