"""Of `thecal bringup`: temperature, both pressures and the battery."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from thecal.report.bringup import Finding
from thecal.units.amounts import fixed_text
from thecal.workflows.bringup_desk import Desk, absent, good, unasked, wrong
from thecal_protocol.sensors import SENSORS

_ROOM_MC = (5_000, 45_000)
_WARMER_MC = 300
_REST_PA = 5_000
_PRESSED_PA = 1_000
_READ = tuple(  # in this order
    f"{name}_{row[2]}"
    for name in ("temperature", "upstream", "downstream", "battery")
    for row in SENSORS
    if row[1] == name
)
_PINS = {"temperature": "@TEMPERATURE", "upstream": "@UPSTREAM", "downstream": "@DOWNSTREAM"}
_SWAPPED = "the wires of @TEMPERATURE, @UPSTREAM and @DOWNSTREAM may be swapped"


def all_of_them(desk: Desk) -> Iterator[Finding]:
    """One after the other."""
    yield temperature(desk)
    yield pressure(desk, "upstream")
    yield pressure(desk, "downstream")
    yield battery(desk)


def temperature(desk: Desk) -> Finding:
    """In a room, and warmed."""
    part = "temperature"
    before, *_ = desk.parts.ask("sample", *_READ)
    if before is None:
        return _no_reading(desk, part)
    if not _ROOM_MC[0] <= before <= _ROOM_MC[1]:
        text = f"it reads {_celsius(before)}: out of range in a room. A TMP36, its legs in order? {_SWAPPED}"
        return wrong(part, text, mc=before)
    if not desk.anybody:
        return unasked(part, f"it reads {_celsius(before)}; that it follows warmth", mc=before)
    desk.ready("Hold the temperature sensor between two fingers until it is warm")
    after, *_ = desk.parts.ask("sample", *_READ)
    measured = {"mc": before, "mc_warmed": after}
    if after is None or after - before < _WARMER_MC:
        now = "nothing" if after is None else _celsius(after)
        text = f"it does not follow: {_celsius(before)}, and warmed {now}. Is another there? {_SWAPPED}"
        return wrong(part, text, **measured)
    return good(part, f"{_celsius(before)}, warmed {_celsius(after)}", **measured)


def pressure(desk: Desk, part: Literal["upstream", "downstream"]) -> Finding:
    """At rest, and pressed."""
    mine, other = (1, 2) if part == "upstream" else (2, 1)
    where = "before" if part == "upstream" else "behind"
    if desk.anybody and part not in desk.without:
        desk.ready("Let the tube alone, its end open")
    rest = desk.parts.ask("sample", *_READ)
    if rest[mine] is None:
        return _no_reading(desk, part)
    if abs(rest[mine]) > _REST_PA:
        text = (
            f"it reads {_kpa(rest[mine])} with the tube open: out of range. Its zero in pins.py? {_SWAPPED}"
        )
        return wrong(part, text, pa=rest[mine])
    if not desk.anybody:
        return unasked(part, f"it reads {_kpa(rest[mine])}; that it follows pressure", pa=rest[mine])
    desk.ready(f"Squeeze the tube {where} the pump at its {part} sensor, and keep it so")
    pressed = desk.parts.ask("sample", *_READ)
    moved = [0 if a is None or b is None else b - a for a, b in zip(rest, pressed, strict=True)]
    measured = {"pa": rest[mine], "pa_pressed": pressed[mine], "other_pa_moved": moved[other]}
    if abs(moved[mine]) >= _PRESSED_PA:
        return good(part, f"{_kpa(rest[mine])}, squeezed {_kpa(pressed[mine])}", **measured)
    if abs(moved[other]) >= _PRESSED_PA:
        text = "swapped: the other pressure sensor moved. Swap the wires of @UPSTREAM and @DOWNSTREAM"
        return wrong(part, text, **measured)
    return wrong(part, f"it does not follow: {_kpa(rest[mine])}, squeezed the same", **measured)


def battery(desk: Desk) -> Finding:
    """The board's own supply, by its divider."""
    *_, found = desk.parts.ask("sample", *_READ)
    least, most = desk.parts.ask("supply_range_mv")
    if found is None or not least <= found <= most:
        seen = "nothing" if found is None else _volts(found)
        text = f"@BATTERY reads {seen}, not {_volts(least)} to {_volts(most)}: is a radio on that pin?"
        return wrong("battery", text, mv=found)
    return good("battery", f"{_volts(found)}, the board's own supply", mv=found)


def _no_reading(desk: Desk, part: Literal["temperature", "upstream", "downstream"]) -> Finding:
    if not desk.fitted(part, f"a sensor at {_PINS[part]} ({part})"):
        return absent(part, "no sensor: the firmware takes that for a sensor fault")
    text = f"no reading at {_PINS[part]}: the sensor has no supply or its wire is off (or short to 3.3 V)"
    return wrong(part, text)


def _volts(mv: int) -> str:
    return f"{fixed_text(mv / 1000, 2)} V"


def _celsius(mc: int) -> str:
    return f"{fixed_text(mc / 1000, 1)} C"


def _kpa(pa: int) -> str:
    return f"{fixed_text(pa / 1000, 1)} kPa"
