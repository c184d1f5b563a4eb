"""The browser board under node: the suite of every board, the unix board's steps, faults of its world."""

import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from boards.browser import oracle
from boards.browser.oracle import DAY_US, HOUR_US, MINUTE_US
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client
from thecal_protocol import codec
from thecal_protocol.therapy import THERAPY

NODE = Callable[..., Any]
BOLUS = oracle.bolus(20_000, 5 * MINUTE_US, 6 * HOUR_US)


def test_the_browser_board_conforms(under_node: NODE, repo_root: Path):
    suite = repo_root / "tests" / "boards" / "unix" / "conformance.py"
    said = under_node(do="conformance", suite=str(suite))
    assert said == {"found": [], "moved": 43}  # steps were made: it did run


@pytest.mark.req("HOST-31", part="their microseconds, under node")
def test_the_steps_of_a_day_are_those_of_the_unix_board(under_node: NODE, tmp_path: Path):
    """The same program at the same instant; the page lets time pass in pieces, the bench in one."""
    program = oracle.program(1_234_567, 999_983, boluses=[BOLUS], basal_ng_per_day=1_234_546)
    until_us = [*range(7 * HOUR_US + 1, DAY_US, 7 * HOUR_US + 1), DAY_US]
    page = under_node(do="day", program=program, until_us=until_us, trace=str(tmp_path / "page"))
    assert (page["refused"], page["lateRuns"], page["lives"]) == ("", 0, 1)
    blob = bytes.fromhex(page["sent"])
    with Emulator(seed=1) as unix, Client.connect(unix.port) as client:
        client.commit(client.propose_program(codec.decode(THERAPY, blob, 0, len(blob))).digest)
        unix.bench.trace(tmp_path / "unix")
        unix.bench.advance_to(DAY_US)
        unix.bench.trace(None)
    made, expected = (array.array("Q", (tmp_path / name).read_bytes()) for name in ("page", "unix"))
    assert len(made) == page["moved"] == page["show"]["counted"] == oracle.steps_by(program, DAY_US)
    assert made == expected


def test_what_the_pump_tells_a_programmer(under_node: NODE):
    program = oracle.program()
    said = under_node(do="day", program=program, until_us=[HOUR_US])
    status = said["status"]
    assert status["steps"] == said["moved"] == oracle.steps_by(program, HOUR_US)
    assert (status["rate_pl_per_day"], status["alarms"], status["now_s"]) == (1_000_000_000, 0, 3600)


def test_a_stall_is_seen_and_told(under_node: NODE):
    stall = [HOUR_US + MINUTE_US, 30 * MINUTE_US]
    until_us = [stall[0], stall[0] + 20 * MINUTE_US]
    said = under_node(do="day", program=oracle.program(), until_us=until_us, stall=stall)
    assert said["lost"] > 16
    assert said["show"]["alarms"] == [["motor_stall", "critical"]]
    assert said["show"]["state"] == "held"
    assert said["show"]["counted"] == said["moved"] + said["lost"]


@pytest.mark.req("INT-03", part="in the page")
def test_a_hung_firmware_is_reset_and_goes_on(under_node: NODE):
    program = oracle.program()
    until_us = [HOUR_US, 2 * HOUR_US]
    said = under_node(do="day", program=program, until_us=until_us, hang=HOUR_US)
    due = oracle.steps_by(program, 2 * HOUR_US)
    assert said["lives"] == 2
    assert due - 200 < said["moved"] <= due
    assert said["show"]["state"] == "infusing"


def test_a_program_that_the_pump_refuses_is_told(under_node: NODE):
    said = under_node(do="day", program=oracle.program(50_000_000), until_us=[HOUR_US])
    assert said["refused"].startswith("out_of_range basal_rate_pl_per_day")
    assert said["moved"] == 0
