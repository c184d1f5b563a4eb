"""`thecal bringup` on a stand-in of a new board: the board's classes over pins whose wiring is at fault."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tty
from pathlib import Path
from typing import Any, Self

import pytest

from host.bringup.person import GOOD, Person, groups, merged
from thecal import cli
from thecal.workflows import bringup

STAND_IN = Path(__file__).parent / "scripts" / "stand_in.py"
ABOUT = {
    "machine": "Raspberry Pi Pico with RP2040",
    "version": [1, 28],
    "hz": 125_000_000,
    "clock": 1,
    "blocks": 352,
    "flash": "ok",
    "files": [],
}


class StandIn:
    """A board on a pty. `wiring`: what is otherwise than it should be."""

    def __init__(self, micropython: Path, folder: Path, **wiring: Any) -> None:
        self.wiring = {**ABOUT, **GOOD, **wiring}
        self._deeds = 0
        self._world, self._seen = folder / "world.json", folder / "seen.json"
        self.do()
        master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._process = subprocess.Popen(
            [micropython, "-X", "heapsize=700K", STAND_IN, self._world, self._seen],
            stdin=master, stdout=master,
        )  # fmt: skip
        os.close(master)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
        os.close(self._slave)

    def leave(self) -> None:
        """Its cable is pulled."""
        self._process.kill()
        self._process.wait(10)

    def seen(self) -> dict[str, int]:
        return json.loads(self._seen.read_text())

    def do(self, **change: Any) -> None:
        if "supply" in change and "supply_for_good" in self.wiring:
            change["supply"] = self.wiring["supply_for_good"]
        self._deeds += 1
        self._world.write_text(json.dumps({**self.wiring, **change, "deed": self._deeds}))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bringup, "_LEAST_S", 0.2)
    return tmp_path


def walk(
    monkeypatch: pytest.MonkeyPatch, board: StandIn, *more: object, person: Person | None = None
) -> tuple[int, str, Person]:
    """Through the board, with somebody before it."""
    person = person or Person(board)
    monkeypatch.setattr(sys, "stdin", person)
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(person):
        code = cli.run(["bringup", "--port", board.port, *map(str, more)])
    return code, out.getvalue(), person


def findings(folder: Path) -> dict[str, tuple[str, str]]:
    """What the record says of each part."""
    document = json.loads((folder / "bringup.json").read_text())
    return {one["part"]: (one["outcome"], one["words"]) for one in document["findings"]}


@pytest.mark.req("HOST-27", part="a board that is as it should be")
def test_a_good_board_has_nothing_wrong(micropython, folder, monkeypatch):
    """And a person may err, five times; the record is for nobody else; the board is reset."""
    with StandIn(micropython, folder) as board:
        person = Person(board)
        person.mistakes = ["y"]
        code, out, person = walk(monkeypatch, board, person=person)
        seen = board.seen()
    assert code == 0, out + person.getvalue()
    assert {outcome for outcome, _ in findings(folder).values()} == {"good"}
    assert out.endswith("\nbringup.json: nothing is wrong with what was looked at\n")
    assert out.startswith("No drug, no catheter: water only")
    assert person.asked[0].startswith("Bring-up turns the motor. Is the pump free of drug, and no catheter")
    assert (seen["force"], seen["resets"]) == (0, 1)
    assert (folder / "bringup.json").stat().st_mode & 0o777 == 0o600
    document = json.loads((folder / "bringup.json").read_text())
    assert (document["kind"], document["schema"], document["good"]) == ("thecal-bringup", 1, True)
    assert (document["chip"], document["machine"]) == ("832A512F", "Raspberry Pi Pico with RP2040")


@pytest.mark.req("HOST-27", part="what is swapped, open, inverted")
@pytest.mark.parametrize("names", groups(), ids="; ".join)
def test_what_is_wired_wrong_is_said(micropython, folder, monkeypatch, names: list[str]):
    wiring, says = merged(names)
    with StandIn(micropython, folder, **wiring) as board:
        code, out, _ = walk(monkeypatch, board)
    found = {part: words for part, (outcome, words) in findings(folder).items() if outcome == "wrong"}
    assert code == 1
    assert found.keys() == says.keys(), out
    for part, words in says.items():
        assert found[part].startswith(words), out
        assert f"WRONG       {part}: {words}" in out


@pytest.mark.req("HOST-27", part="what needs nobody")
def test_without_anybody_what_a_person_must_see_is_not_known(micropython, folder, monkeypatch):
    with StandIn(micropython, folder, encoder="absent", divider="absent", sense="tied") as board:
        without = [
            word for part in ("encoder", "motor-supply", "buzzer-sense") for word in ("--without", part)
        ]
        code, out, person = walk(monkeypatch, board, "--json", "--yes", *without)
        assert board.seen()["resets"] == 1
    assert (code, person.getvalue()) == (0, "")
    document = json.loads(out)
    assert document.pop("record") == "bringup.json"
    assert document == json.loads((folder / "bringup.json").read_text())
    found = {one["part"]: one["outcome"] for one in document["findings"]}
    assert {part for part, outcome in found.items() if outcome == "unknown"} == {
        "light", "button", "buzzer", "enable", "turn", "direction", "temperature", "upstream", "downstream",
    }  # fmt: skip
    absent = {part for part, outcome in found.items() if outcome == "not_fitted"}
    assert absent == {"encoder", "motor supply", "buzzer sense"}
    assert {"RAM", "flash", "steps", "battery", "clock"} <= {
        part for part, is_ in found.items() if is_ == "good"
    }


def test_the_chip_itself_may_be_at_fault(micropython, folder, monkeypatch):
    """A smaller flash that is worn, another clock, steps that are not made; and a part that is not there is
    asked about."""
    wiring = {"clock": 1.3, "motor": "stutters", "blocks": 100, "encoder": "absent", "divider": "absent"}
    with StandIn(micropython, folder, **wiring) as board:
        code, _, person = walk(monkeypatch, board)
    found = findings(folder)
    assert code == 1
    assert found["flash"][1].startswith("a file system of 409 600 bytes where 1 441 792 should be")
    assert "% off this computer's, and so would every dose be" in found["clock"][1]
    assert found["steps"][1].startswith("19")
    assert "of 200 were made" in found["steps"][1]
    assert found["encoder"][0] == found["motor supply"][0] == "not_fitted"
    assert "Is it fitted? [y/n]" in person.getvalue()
    for wiring, says in (
        ({"files": ["bringup~/"]}, "it takes no file"),
        ({"flash": "forgets"}, "4 bytes of a file read back wrong"),
    ):
        with StandIn(micropython, folder, hz=48_000_000, **wiring) as board:
            walk(monkeypatch, board, "--no-input", "--yes")
        found = findings(folder)
        assert found["flash"][1].startswith(says)
        assert found["clock"][1] == "the processor runs at 48000000 Hz, not 125000000"


REFUSED = {
    "a therapy": (
        {"files": ["program-0"]},
        "has a therapy, and bring-up turns the motor of a new board; take another",
    ),
    "a radio": ({"machine": "Raspberry Pi Pico W with RP2040"}, "the board is a Pico W; its radio"),
    "another chip": (
        {"machine": "Raspberry Pi Pico 2 with RP2350"},
        "put MicroPython 1.27 or 1.28 for RPI_PICO",
    ),
    "an older MicroPython": ({"version": [1, 20]}, "which is untried; put MicroPython 1.27 or 1.28"),
}


@pytest.mark.req("HOST-27", part="no board with a program, and none that nobody knows")
@pytest.mark.parametrize("why", REFUSED)
def test_another_board_is_refused_and_left_as_it_is(micropython, folder, monkeypatch, why: str):
    wiring, says = REFUSED[why]
    with StandIn(micropython, folder, **wiring) as board:
        code, out, person = walk(monkeypatch, board)
        assert "resets" not in board.seen()
    assert (code, out) == (1, "")  # before a word of it
    assert says in person.getvalue().rsplit("\n", 2)[-2]
    assert not (folder / "bringup.json").exists()


@pytest.mark.req("HOST-27", part="a running pump")
def test_a_running_pump_is_refused(folder, blank, quick_thecal):
    done = quick_thecal("bringup", "--port", blank.port, "--yes")
    assert done.code == 1
    assert f"a pump runs on {blank.port} and gives no console" in done.err
    assert not (folder / "bringup.json").exists()


def test_nothing_is_done_before_the_yes_and_nobody_is_asked_for_ever(micropython, folder, monkeypatch):
    """A no; answers that are none; Ctrl-C; a board that goes away. No record of any, and the motor is off."""
    with StandIn(micropython, folder) as board:
        for words, says in (
            (["n"], "not confirmed: nothing was changed"),
            (["y", *["what?"] * 5], "no answer to be understood in 5 tries: nothing was changed"),
        ):
            person = Person(board)
            person.mistakes = words
            code, _, person = walk(monkeypatch, board, person=person)
            assert code == 1
            assert says in person.getvalue().rsplit("\n", 2)[-2]
        assert board.seen()["force"] == 0
        for line, code in (
            (["--no-input"], 1),
            (["--json"], 2),
            (["--without", "motor", "--yes"], 2),
            (["--steps-per-turn", "0", "--yes"], 2),
        ):
            assert walk(monkeypatch, board, *line)[0] == code
        stops = Person(board)
        stops.stops_at = "What did the shaft do"
        code, _, person = walk(monkeypatch, board, person=stops)
        assert (code, board.seen()["force"], board.seen()["resets"]) == (130, 0, 1)
        assert "interrupted" in person.getvalue()
        gone = Person(board)
        gone.leaves = board
        code, _, person = walk(monkeypatch, board, person=gone)
    assert code == 1
    assert "the board went away amid the bring-up; plug it in" in person.getvalue()
    assert not (folder / "bringup.json").exists()


@pytest.mark.req("HOST-27", part="the report shows it")
def test_the_report_shows_the_record_and_keeps_it(micropython, folder, monkeypatch, quick_thecal, blank):
    with StandIn(micropython, folder, light="dead") as board:
        walk(monkeypatch, board)
    done = quick_thecal("report", "--bringup", "bringup.json", "--save", "kept.json", port=blank.port)
    assert done.code == 0, done
    shown = (folder / "report.html").read_text()
    assert "Bring-up of the board" in shown
    assert "wrong: light" in shown
    assert "This bring-up was of RP-832A512F" in shown
    alone = quick_thecal("report", "--bringup", "bringup.json", "--out", "alone.html")
    assert alone.code == 0, alone
    assert "A pump&#39;s board" in (folder / "alone.html").read_text()
    again = quick_thecal("report", "--log", "kept.json", "--out", "again.html")
    assert again.code == 0, again
    assert "it is GPIO 25" in (folder / "again.html").read_text()


BAD = {
    "no JSON": "{",
    "another kind": '{"kind": "thecal-record"}',
    "a later one": '{"kind": "thecal-bringup", "schema": 2}',
    "no findings": '{"kind": "thecal-bringup", "schema": 1}',
    "findings that are none": '{"kind": "thecal-bringup", "schema": 1, "findings": [3]}',
    "another thing": "[]",
    "bytes": "\udcff",
}


@pytest.mark.parametrize("kind", BAD)
def test_a_record_that_is_none_is_refused_in_a_line(folder, quick_thecal, kind: str):
    (folder / "bad.json").write_bytes(BAD[kind].encode("utf-8", "surrogateescape"))
    done = quick_thecal("report", "--log", "nowhere.jsonl", "--bringup", "bad.json")
    assert done.error.startswith("bad.json is no record of a bring-up: ")
    assert not (folder / "report.html").exists()
