"""A module that is found by its name alone is called like nothing that a reader knows from elsewhere."""

import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from thecal.firmware_build import compiled

ROOT = Path(__file__).resolve().parents[2]
# What everybody imports, here or not.
FAMOUS = frozenset(
    "attr boto3 bs4 celery click dotenv flask jinja2 jwt magic markdown motor numpy pandas panel path pip "
    "pkg_resources psutil pydantic pytest redis requests rich serial setuptools six sh tornado toml typer "
    "urllib3 usb watchdog websockets yaml zmq".split()
)
OURS = "thecal"
PATH = compiled.text_of(ROOT).folders
FOLDERS = [ROOT / folder for folder in (*PATH, "boards/rp2040", "boards/browser")]


def names_in(folder: Path) -> set[str]:
    """What `import` finds in a folder."""
    files = {file.stem for file in folder.glob("*.py")}
    return files | {package.parent.name for package in folder.glob("*/__init__.py")}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_no_name_is_taken(folder: Path):
    installed = {name for name, makers in packages_distributions().items() if OURS not in makers}
    assert {"serial", "watchdog", "pytest"} <= installed
    names = names_in(folder)
    assert names
    assert names & (installed | FAMOUS | sys.stdlib_module_names) == set()


@pytest.mark.parametrize("board", ["unix", "rp2040", "browser"])
def test_no_two_modules_of_a_board_have_one_name(board: str):
    own = [file.stem for file in (ROOT / "boards" / board).rglob("*.py")]
    found = own + [file.stem for file in (ROOT / "boards" / "common").glob("*.py")]
    found += [name for folder in ("firmware", "protocol") for name in names_in(ROOT / folder)]
    assert sorted(found) == sorted(set(found))


def test_every_folder_with_modules_is_on_the_path():
    found = {file.parent for file in (ROOT / "boards" / "unix").rglob("*.py")}
    assert {str(folder.relative_to(ROOT)) for folder in found} <= set(PATH)


def test_the_page_names_the_same_path():
    assert f"MICROPYPATH={':'.join(PATH)}\n" in (ROOT / "docs/reference/boards-unix.md").read_text()
