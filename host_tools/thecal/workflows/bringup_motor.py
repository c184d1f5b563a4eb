"""Of `thecal bringup`: the motor's supply, enable line, steps, direction and encoder."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping

from thecal.report.bringup import Finding
from thecal.units.amounts import count_text
from thecal.workflows.bringup_desk import Desk, absent, good, unasked, wrong

_TURN_US = 4_000_000  # about how long a turn takes
_SLOWEST_US = 20_000  # between two steps
_AT_ONCE_US = 6_000_000  # of steps in one order: shorter than the console is waited for
_FEW = 40  # steps that the encoder is tried with
_FLOATS = (
    "nothing holds EN while the chip is in reset: 10 kOhm from EN to 3.3 V at the driver is missing, or "
    "the wire from @ENABLE is off"
)
_NO_TURN = ("0", "t")
_SLACK = 2  # the encoder tells of the step before


def supply(desk: Desk) -> Finding:
    """By its divider, where that is fitted."""
    part = "motor supply"
    if desk.parts.ask("supply") < 1:
        if not desk.fitted("motor-supply", "the motor's supply at @SUPPLY"):
            return absent(part, "no divider at @SUPPLY: nobody notices when the supply is gone", level=0)
        text = "missing: @SUPPLY is low. Switch the motor's supply on; else the divider or its wire is off"
        return wrong(part, text, level=0)
    if not desk.anybody:
        return good(part, "@SUPPLY is high", level=1)
    desk.ready("Switch the motor's supply off")
    off = desk.parts.ask("supply")
    desk.ready("Switch the motor's supply on again")
    on = desk.parts.ask("supply")
    if off:
        return wrong(
            part,
            "@SUPPLY stays high without it: it is tied to 3.3 V, or the divider hangs at another supply",
            level=1,
            level_without=off,
        )
    if not on:
        return wrong(part, "it did not come back: a loose wire or clamp", level=on, level_without=off)
    return good(part, "seen, and seen to go", level=on, level_without=off)


def motor(desk: Desk, held_off: int) -> Iterator[Finding]:
    """Enable line, steps, direction and encoder. `held_off`: with nothing of the chip's on the line, the
    driver's own resistor keeps the motor off."""
    if held_off:
        yield good("enable resistor", "it keeps the motor off while the chip is in reset", held_off=1)
    else:
        text = _FLOATS
        yield wrong("enable resistor", text, held_off=0)
    enable = _enable(desk)
    yield enable
    made, missed = yield from _steps(desk)
    did = yield from _turn(desk)
    _, unheld = _turned(desk, _FEW, held=False)
    measured = {"missed_moving": missed, "made_moving": made, "missed_still": unheld}
    if enable.outcome == "wrong" or did in _NO_TURN:
        text = "it cannot be told while the motor does not move and stand as it should: mend that first"
        yield Finding("encoder", "unknown", text, measured)
    else:
        yield _encoder(desk, measured)


def _enable(desk: Desk) -> Finding:
    """Is the shaft free when it should be, and held?"""
    if not desk.anybody:
        return unasked("enable", "that the motor is held when it is on, and free when off")
    desk.parts.ask("hold", False)
    free = desk.yes("The motor is off. Turn its shaft with your fingers: does it turn freely?")
    desk.parts.ask("hold", True)
    held = desk.yes("The motor is on. Try again: is the shaft held now?")
    desk.parts.ask("hold", False)
    return _enable_by(free, held)


def _enable_by(free: bool, held: bool) -> Finding:
    if free and held:
        return good("enable", "free when off, held when on")
    if free:
        return wrong(
            "enable",
            "never held: no motor supply, a coil is open, EN does not reach the driver, or it sleeps "
            "(A4988: join RESET and SLEEP)",
        )
    if held:
        return wrong(
            "enable",
            "held when it should be off: EN is tied to ground, or the wire from @ENABLE goes elsewhere",
        )
    text = "inverted: held when off, free when on. MOTOR_OFF of the motor driver's file is the other level"
    return wrong("enable", text)


def _steps(desk: Desk) -> Generator[Finding, None, tuple[int, int]]:
    """A turn of counted steps: how many were made, and missed."""
    if desk.anybody:
        desk.ready("Put a mark on the shaft: it is to turn once, the way that drives water out. Be ready")
    made, missed = _turned(desk, desk.steps_per_turn, held=True)
    measured = {"asked": desk.steps_per_turn, "made": made}
    if made == desk.steps_per_turn:
        yield good("steps", f"{count_text(made)} were made and counted", **measured)
    else:
        text = (
            f"{count_text(made)} of {count_text(desk.steps_per_turn)} were made: the chip's PIO or its clock"
        )
        yield wrong("steps", text, **measured)
    return made, missed


def _turned(desk: Desk, count: int, *, held: bool) -> tuple[int, int]:
    """Steps made, and those that the encoder did not see move."""
    least_us = desk.parts.ask("least_gap_us")
    gap_us = max(2 * least_us, min(_SLOWEST_US, _TURN_US // count))
    most = max(1, _AT_ONCE_US // gap_us)
    made = lost = 0
    while count:
        now = min(count, most)
        more, missed = desk.parts.ask("turn", now, gap_us, held)
        made, lost, count = made + more, lost + missed, count - now
    return made, lost


def _turn(desk: Desk) -> Generator[Finding, None, str]:
    """Was it a turn, and which way? What the shaft did, by the keys below."""
    if not desk.anybody:
        yield unasked("turn", "that the shaft turned once")
        yield unasked("direction", "that it drives water out")
        return ""
    did = desk.choice(
        "What did the shaft do?",
        ("1", "it turned once"),
        ("0", "it did not move"),
        ("t", "it trembled or hummed, and did not turn"),
        ("l", "it turned less than once"),
        ("m", "it turned more than once"),
    )
    several = f"{count_text(desk.steps_per_turn)} steps are one turn of a motor with this --steps-per-turn"
    words = {
        "0": "the shaft did not move: STEP (@STEP) or the motor's supply does not reach the driver, or "
        "STEP and another wire are swapped",
        "t": "it trembles: the wires of two coils are mixed up, or one is open; both wires of one conduct",
        "l": f"less than a turn: {several}; the driver makes smaller steps (MS pins)",
        "m": f"more than a turn: {several}; the driver makes larger steps (MS pins: a wire is off?)",
    }
    if did != "1":
        yield wrong("turn", words[did])
    else:
        yield good("turn", f"once, by {count_text(desk.steps_per_turn)} steps")
    if did in _NO_TURN:
        yield Finding("direction", "unknown", "it cannot be told of a motor that does not turn", {})
    elif desk.yes("Did it turn the way that drives water out?"):
        yield good("direction", "out")
    else:
        text = "reversed: swap the two wires of one coil, or set FORWARD in pins.py to the other level"
        yield wrong("direction", text)
    return did


def _encoder(desk: Desk, measured: Mapping[str, int]) -> Finding:
    """Of a motor that moves it misses nothing; of one without force everything."""
    part, unheld = "encoder", measured["missed_still"]
    missed, made = measured["missed_moving"], measured["made_moving"]
    sees_moving, sees_still = missed <= _SLACK, unheld >= _FEW - _SLACK
    if sees_moving and sees_still:
        return good(part, "it sees the motor move, and sees it stand", **measured)
    if sees_moving and unheld <= _SLACK:
        if not desk.fitted("encoder", "an encoder at @STALL"):
            return absent(
                part,
                "nobody notices a motor that stands still: set MOTOR_FEEDBACK to 0 in pins.py",
                **measured,
            )
        text = "@STALL stays low when the motor stands: its wire is off, or the comparator has no supply"
        return wrong(part, text, **measured)
    if not sees_moving and unheld <= _SLACK:
        return wrong(part, "inverted: @STALL is high when the motor moves and low when it stands", **measured)
    if made - missed <= _SLACK and sees_still:
        text = "@STALL says that the motor never moves: its wire is tied high, or the light barrier is blind"
        return wrong(part, text, **measured)
    text = (
        f"it saw {count_text(made - missed)} of {count_text(made)} steps: it slips, or the motor loses steps"
    )
    return wrong(part, text, **measured)
