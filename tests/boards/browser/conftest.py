"""The pump in the page as the site has it, and under node. Built once; skipped where npm's packages are not
to be had, unless THECAL_PAGE=must (.ci/run) says that they are."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import browser_pump

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def vendored() -> Path:
    """The folder with node_modules."""
    try:
        return browser_pump.vendored()
    except browser_pump.Unavailable as error:
        if os.environ.get("THECAL_PAGE") == "must":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def under_node(vendored: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """A job of run.mjs: its fields in, what came of it out."""
    folder = tmp_path_factory.mktemp("node")
    (folder / "node_modules").symlink_to(vendored / "node_modules")
    (folder / "pack").write_bytes(browser_pump.packed(browser_pump.firmware()))
    script = folder / "run.mjs"
    script.write_text(browser_pump.bundled(vendored, HERE / "run.mjs", "--packages=external"))

    def run(**job: object) -> Any:
        command = [*browser_pump.node(), script, folder / "pack", vendored / browser_pump.MICROPYTHON]
        done = subprocess.run(
            [*command, json.dumps(job)], capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]  # a line of its bundle is long
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture(scope="session")
def page_file(vendored: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, as the site has it."""
    path = tmp_path_factory.mktemp("page") / "pump.html"
    path.write_text(browser_pump.page(), encoding="utf-8")
    return path
