"""docs/howto/*.md, followed: the commands that stand in them, as one script of a shell with an empty home."""

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from host.firmware_build.board_on_a_line import BoardOnALine
from host.firmware_build.fake_board import FakeBoard
from thecal.emulator.emulator import Emulator
from thecal.therapy.drug_library import signing

BIN = Path(sys.executable).parent
DEADLINE_S = 110
EDITOR = """#!{}
import pathlib, sys
path = pathlib.Path(sys.argv[1])
text = path.read_text()
assert {!r} in text
path.write_text(text.replace({!r}, {!r}))
"""


def commands_of(page: str) -> str:
    """Every indented block of code, in order."""
    text = re.sub(r"^ *```.*?^ *```", "", page, flags=re.DOTALL | re.MULTILINE)
    blocks = re.findall(r"(?:^\n)((?:^(?: {4}| {8})\S.*\n)+)", text, re.MULTILINE)
    return "".join(textwrap.dedent(block) for block in blocks)


@pytest.fixture
def folder(tmp_path: Path, repo_root: Path) -> Path:
    """Where the reader stands: beside the examples."""
    (tmp_path / "examples").symlink_to(repo_root / "examples")
    return tmp_path


@pytest.fixture
def follow(folder: Path, repo_root: Path) -> Callable[..., str]:
    """`follow(name)` carries out a page; what it said, on both outputs. Any command that fails ends it."""

    def run(
        name: str,
        edit: tuple[str, str] = ("", ""),  # what the reader changes in the editor
        change: Callable[[str], str] = str,
        cwd: Path = folder,
        hear: Callable[[str], None] = lambda line: None,
    ) -> str:
        script = change(commands_of((repo_root / "docs" / "howto" / name).read_text(encoding="utf-8")))
        assert script.count("\n") >= 3
        home = {"HOME": folder, "XDG_CONFIG_HOME": folder / "config", "XDG_DATA_HOME": folder / "data"}
        editor = folder / "editor"
        editor.write_text(EDITOR.format(sys.executable, edit[0], *edit))
        editor.chmod(0o700)
        kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
        environment = {**kept, **{name: str(path) for name, path in home.items()}, "EDITOR": str(editor)}
        environment["PATH"] = f"{BIN}:/usr/bin:/bin"
        with subprocess.Popen(
            ["bash", "-e", "-x", "-c", script], cwd=cwd, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                said += line
                hear(line)
            assert process.wait(DEADLINE_S) == 0, said
        return said

    return run


def test_make_a_library(follow: Callable[..., str], folder: Path):
    said = follow("make-a-library.md", edit=('soft = "15 mg/day"', 'soft = "12 mg/day"'))
    public = signing.public_hex(signing.read_key(folder / "keys" / "pharmacy.pem"))
    assert public in said
    assert "St. Mary, version 3" in said
    assert "sound" in said
    assert "soft 12 mg/day" in said


def test_write_a_therapy(follow: Callable[..., str], folder: Path, repo_root: Path):
    page = (repo_root / "docs" / "howto" / "write-a-therapy.md").read_text(encoding="utf-8")
    [events] = re.findall(r"^    ```toml\n(.*?)^    ```", page, re.DOTALL | re.MULTILINE)
    (folder / "events.toml").write_text(textwrap.dedent(events))
    said = follow("write-a-therapy.md", edit=("2.4 mg/day", "2.6 mg/day"))
    assert "mine.toml: sound" in said
    assert "30 d in" in said
    assert "x 1.08" in said
    assert "</html>" in (folder / "mine.html").read_text()


def test_a_therapy_in_ci(follow: Callable[..., str], folder: Path):
    (folder / "therapy.toml").write_text((folder / "examples" / "morphine-constant.toml").read_text())
    follow("ci.md")
    assert json.loads((folder / "checked.json").read_text())["ok"] is True
    assert json.loads((folder / "result.json").read_text())["steps"] == 30 * 48_000


def test_work_at_the_bench(follow: Callable[..., str], folder: Path):
    said = follow("bench.md")
    truth = json.loads((folder / "truth.json").read_text())
    assert truth["now_us"] == (7 * 60 + 1) * 60_000_000
    assert 12_000 < truth["steps"] <= 14_000
    assert re.search(r"state +infusing", said)
    assert "celsius=-40 °C to 125 °C" in said


def test_flash_a_pico(follow: Callable[..., str], micropython: Path, repo_root: Path):
    """The board is MicroPython's unix port behind a pty, the pump that it becomes an emulated one."""
    files = FakeBoard(micropython)
    try:
        with Emulator(seed=1, paired=False) as pump, BoardOnALine(files, pump) as board:
            said = follow(
                "flash-a-pico.md",
                change=lambda script: script.replace("/dev/ttyACM0", board.port),
                cwd=repo_root,
                hear=lambda line: pump.bench.press_button() if line.startswith("Press the button") else None,
            )
    finally:
        files.close()
    assert re.search(r"The board starts build [0-9a-f]{8} from slot a\.", said)
    assert f"pair with it: thecal pair --port {board.port}" in said
    assert "UNIX-C4494050: paired as clinician" in said
    assert re.search(r"state +unprogrammed", said)
