"""Every printed example of the pages is what its command prints, on an emulated pump where it needs one."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.cli.conftest import changed
from project.docs.printed import Printed, differs, examples
from support.emulated_keys import keys_for
from thecal import Pump
from thecal.emulator.emulator import Emulator

ROOT = Path(__file__).resolve().parents[3]
THECAL = str(Path(sys.executable).parent / "thecal")
PAGES = {one.page for one in examples(ROOT)}
NOT_RUN = ("thecal emulate", "export ")  # the one runs on; the other is for the reader's shell
PORTS = ("/tmp/pump", "/dev/ttyACM0")  # what pages call the pump


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(seed=1) as emulator:
        yield emulator


def prepare(page: str, emulator: Emulator, folder: Path) -> None:
    """What a page takes to be there before its first example."""
    (folder / "examples").symlink_to(ROOT / "examples")
    text = (ROOT / page).read_text(encoding="utf-8")
    if "day.toml" in text:
        [events] = re.findall(r"```toml\n(\[\[event\]\].*?)```", text, re.DOTALL)
        (folder / "day.toml").write_text(events)
    if page.endswith("cli.md"):
        with Pump(emulator.port) as pump:
            pump.propose_program(changed(folder, 'dose = "2.4 mg/day"', 'dose = "2 mg/day"')).commit()


def run(one: Printed, emulator: Emulator, folder: Path) -> str:
    """What it prints, on both outputs, questions answered as the page has it."""
    answers = "".join(f"{answer}\n" for answer in re.findall(r"\[y/N\] (\w)", "\n".join(one.lines)))
    environment = {**os.environ, "COLUMNS": "80", "THECAL_PORT": emulator.port, **keys_for(emulator.port)}
    environment.pop("THECAL_LIBRARY", None)
    done = subprocess.run(
        ["bash", "-c", one.command.replace("thecal ", f"{THECAL} ", 1)],
        cwd=folder, env=environment, input=answers, text=True, timeout=40, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return re.sub(r"(\[y/N\]) (?=.)", r"\1 y\n", done.stdout.replace(emulator.port, PORT_OF[one.page]))


PORT_OF = {
    page: next((port for port in PORTS if port in (ROOT / page).read_text(encoding="utf-8")), PORTS[0])
    for page in PAGES
}


def test_they_are_found():
    assert len([one for one in examples(ROOT) if one.lines]) >= 9
    assert {"docs/tutorial/session.md", "docs/howto/simulate.md", "docs/reference/cli.md"} <= PAGES


@pytest.mark.parametrize("page", sorted(PAGES))
def test_each_is_what_its_command_prints(page: str, emulator: Emulator, tmp_path: Path):
    prepare(page, emulator, tmp_path)
    for one in (one for one in examples(ROOT) if one.page == page and not one.command.startswith(NOT_RUN)):
        if one.command == "thecal status":
            emulator.bench.advance_by(25_000_000)  # the reader is as quick
        output = run(one, emulator, tmp_path)
        if not one.lines or "[y/N]" not in one.lines[-1]:
            assert differs(one.lines, output) == "", f"{one}\n{output}"
        else:  # the page ends at the question
            assert differs((*one.lines, "..."), output) == "", f"{one}\n{output}"


def test_one_that_is_no_longer_true_is_noticed():
    shown = ("rate   120 uL/day", "...", "Program this? [y/N] y")
    assert differs(shown, "rate  120 uL/day\n\nx\nProgram this? [y/N] y\n") == ""
    assert "121" in differs(shown, "rate  121 uL/day\nProgram this? [y/N] y\n")
    assert differs(shown, "rate  120 uL/day\nx\n") != ""
    assert differs(("a",), "a\nb\n") != ""
    assert differs(("in 0.3 s (12 345 x real time)",), "in 1.38 s (9 x real time)\n") == ""


def test_the_document(tmp_path: Path):
    page = (ROOT / "docs" / "tutorial" / "session.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    words = "simulate examples/morphine-constant.toml --for 1d --json".split()
    done = subprocess.run([THECAL, *words], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(block).items() <= json.loads(done.stdout).items()
