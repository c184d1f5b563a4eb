"""`thecal bringup`: a person is led through a new board, part by part, and told what is wired wrong.

What a part does is the board's (`bringup_desk.Parts`); what it means is said here. What needs a person's eyes
or hands is asked only where somebody may be asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from thecal.firmware_build import board_parts
from thecal.firmware_build.facts import Chip
from thecal.report.bringup import BringUp, Finding
from thecal.units.amounts import rounded_text
from thecal.workflows import bringup_motor, bringup_parts, bringup_sensors
from thecal.workflows.bringup_desk import Desk, good, wrong
from thecal.workflows.prompts import Prompter
from thecal_protocol.version import VERSION

NO_DRUG = "No drug, no catheter: water only, or nothing at all."
AGREED = "Bring-up turns the motor. Is the pump free of drug, and no catheter on it?"
_LEAST_S = 2.0  # between two looks at the clock
_OFF = 0.002  # a crystal is a hundred times better: this finds a wrong one
_WRAP_US = 1 << 32
_WORDS = {"good": "good", "wrong": "WRONG", "not_fitted": "not fitted", "unknown": "unknown"}


def bring_up(
    port: str,
    board: Chip,
    prompter: Prompter,
    without: frozenset[str],
    steps_per_turn: int,
    *,
    tell: Callable[[str], None],
    wait_s: float = 0,
) -> BringUp:
    """All of the walk; `tell` hears of each part. `without`: parts that are not fitted. ThecalError: it is no
    new board, it went away, nobody answers."""
    with board_parts.opened(port, wait_s, board) as (parts, about):
        tell(NO_DRUG)
        tell(f"RP-{about.chip}, {about.machine}, MicroPython {about.micropython}")
        held_off, pressed = parts.ask("begin")
        desk = Desk(parts, prompter, without, steps_per_turn, parts.ask("wires"))
        findings: list[Finding] = []
        flash_bytes = board.facts.file_system.blocks * board.facts.flash.block_bytes
        for found in _all(desk, held_off, pressed, flash_bytes):
            finding = replace(found, words=desk.named(found.words))
            findings.append(finding)
            tell(f"{_WORDS[finding.outcome]:<11} {finding.part}: {finding.words}")
    made = datetime.now().isoformat(timespec="seconds")
    return BringUp(made, VERSION, about.machine, about.micropython, about.chip, findings)


def _all(desk: Desk, held_off: int, pressed: int, flash_bytes: int) -> Iterator[Finding]:
    began = _look(desk)
    yield bringup_parts.ram(desk)
    yield bringup_parts.flash(desk, flash_bytes)
    yield bringup_parts.light(desk)
    yield bringup_parts.button(desk, pressed)
    yield from bringup_parts.buzzer(desk)
    yield bringup_motor.supply(desk)
    yield from bringup_motor.motor(desk, held_off)
    yield from bringup_sensors.all_of_them(desk)
    yield _clock(desk, began)


def _now_s() -> float:
    """Of this computer."""
    return time.monotonic()


class _Look(NamedTuple):
    """At the board's clock: what it said, and this computer's time before and after."""

    before_s: float
    board_us: int
    after_s: float


def _look(desk: Desk) -> _Look:
    before_s = _now_s()
    board_us = desk.parts.ask("clock_us")
    return _Look(before_s, board_us, _now_s())


def _clock(desk: Desk, began: _Look) -> Finding:
    """The board's clock over all of the walk, against this computer's."""
    time.sleep(max(0.0, _LEAST_S - (_now_s() - began.after_s)))
    ended = _look(desk)
    hz, wanted_hz = desk.parts.ask("clock_hz")
    least_s, most_s = ended.before_s - began.after_s, ended.after_s - began.before_s
    passed_us = (ended.board_us - began.board_us) % _WRAP_US
    passed_us += round((1e6 * least_s - passed_us) / _WRAP_US) * _WRAP_US
    slowest, fastest = passed_us / 1e6 / most_s - 1, passed_us / 1e6 / least_s - 1
    measured = {
        "hz": hz,
        "slowest_percent": round(100 * slowest, 3),
        "fastest_percent": round(100 * fastest, 3),
    }
    if hz != wanted_hz:
        return wrong("clock", f"the processor runs at {hz} Hz, not {wanted_hz}", **measured)
    if slowest > _OFF or fastest < -_OFF:
        off = rounded_text(100 * (slowest if slowest > 0 else fastest), 2, "+")
        text = f"{off} % off this computer's, and so would every dose be: it is another crystal"
        return wrong("clock", text, **measured)
    return good("clock", f"as this computer's, over {rounded_text(most_s, 2)} s", **measured)
