"""`thecal bringup` over the emulated chip's USB line: PIO, PWM, ADC and all, with faults in the wiring."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from boards.rp2040.wired_board import WiredBoard
from host.bringup.person import Person, groups, merged
from host.cli.conftest import THECAL, heed_ctrl_c
from thecal import cli
from thecal.workflows import bringup

STEPS = 40  # of a turn

pytestmark = pytest.mark.timeout(900)


def walk(monkeypatch: pytest.MonkeyPatch, folder: Path, board: WiredBoard) -> tuple[int, str, dict[str, str]]:
    """The exit code, all that was said, and the words for what is wrong. The clock is the chip's: a slow
    computer makes it a slow chip."""
    person = Person(board, STEPS)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdin", person)
    monkeypatch.setattr(bringup, "_now_s", lambda: board.chip.now_us / 1e6)
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(person):
        code = cli.run(["bringup", "--port", board.port, "--steps-per-turn", str(STEPS)])
    said = out.getvalue() + person.getvalue()
    document = json.loads((folder / "bringup.json").read_text()) if (folder / "bringup.json").exists() else {}
    found = document.get("findings", ())
    return code, said, {one["part"]: one["words"] for one in found if one["outcome"] == "wrong"}


def test_a_good_board_has_nothing_wrong(image, tmp_path, monkeypatch):
    with WiredBoard(image) as board:
        code, said, wrong = walk(monkeypatch, tmp_path, board)
    assert (code, wrong) == (0, {}), said


@pytest.mark.req("HOST-27", part="what is swapped, open, inverted, on the chip")
@pytest.mark.parametrize("names", groups(), ids="; ".join)
def test_what_is_wired_wrong_is_said(image, tmp_path, monkeypatch, names: list[str]):
    wiring, says = merged(names)
    with WiredBoard(image, **wiring) as board:
        code, said, wrong = walk(monkeypatch, tmp_path, board)
    assert code == 1, said
    assert wrong.keys() == says.keys(), said
    for part, words in says.items():
        assert wrong[part].startswith(words), said


def test_ctrl_c_in_the_middle_of_a_turn_leaves_the_motor_off(image, tmp_path):
    """As a process, which is told so while the board makes steps."""
    with WiredBoard(image) as board:
        with subprocess.Popen(
            [THECAL, "bringup", "--port", board.port, "--no-input", "--yes"],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c,
        ) as process:  # fmt: skip
            assert board.turning.wait(300)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=300)
        seen = board.seen()
    assert process.returncode == 130, err
    assert "WRONG" not in out
    assert (seen["force"], seen["position"] < 200) == (0, True)
    assert not (tmp_path / "bringup.json").exists()
