"""A package of an extra that is not there: the command says which to install, and nothing is half done."""

import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from host.cli.conftest import Thecal
from thecal.errors import ThecalError
from thecal.firmware_build import console
from thecal.history import fhir

COMMANDS = [
    ("littlefs", "flash", "flash --image {folder}/x.uf2"),
    ("pyarrow", "campaign", "campaign power-cuts --runs 1 --out {folder}/c"),
    ("distributed", "campaign", "campaign power-cuts --runs 1 --out {folder}/c"),
    ("tornado", "web", "web --json"),
]


@pytest.mark.parametrize(("package", "extra", "line"), COMMANDS)
def test_the_extra_is_named(
    package: str, extra: str, line: str, quick_thecal: Thecal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    ours = f"thecal.{extra}"  # imported by a test before, it would not ask for the package again
    for name in [name for name in sys.modules if f"{name}.".startswith((f"{package}.", f"{ours}."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    done = quick_thecal(*line.format(folder=tmp_path).split())
    assert f"needs {package}, which is not installed; say: pip install 'thecal[{extra}]'" in done.error
    assert not (tmp_path / "x.uf2").exists()


@pytest.mark.parametrize(
    ("package", "extra", "call"),
    [
        ("mpremote", "flash", lambda: console._open_console("/dev/null", 1, "x")),
        ("fhir", "exchange", lambda: fhir._model("device", "Device")),
    ],
)
def test_below_the_command(
    package: str, extra: str, call: Callable[[], object], monkeypatch: pytest.MonkeyPatch
):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ThecalError, match=rf"pip install 'thecal\[{extra}\]'"):
        call()


def test_extras_are_those_of_the_package(repo_root: Path):
    from thecal._io import extras

    project = tomllib.loads((repo_root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(project["optional-dependencies"]) == {
        *(extras.CAMPAIGN, extras.FLASH, extras.EXCHANGE, extras.WEB)
    }
