"""The worked examples of docs/explanation/dosing.md, carried out on the real dosing core.

A table row is (seconds after the commit, what happens, uL/day after, steps by then). The words of "what
happens" are read here: `commit`, `patient bolus`, `extended bolus 1 mg over 4 h`, `stop`, `resume`,
`clock +2h`, `nothing`; after a comma, `refused: REASON`.
"""

import re
import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Any

from firmware.dosing import rig
from thecal.therapy.encode import to_wire
from thecal.therapy.judge import checked
from thecal.therapy.models import Therapy
from thecal.units import quantities

_ROW = re.compile(r"^\| (\d+) s \| ([^|]+) \| ([\d.]+) \| (\d+) \|$", re.MULTILINE)
_MILLION = 1_000_000
_MIDNIGHT_DAY = 9501  # a Monday


class Example:
    """One section "### title" of the page: its TOML, its rows."""

    def __init__(self, page: str, title: str):
        text = page.split(f"### {title}\n")[1].split("\n### ")[0]
        blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
        self.changes = tomllib.loads(blocks[0]) if blocks else {}
        self.rows = [
            (int(at), what, Fraction(rate), int(steps)) for at, what, rate, steps in _ROW.findall(text)
        ]


def titles(page: str) -> list[str]:
    """Every worked example of the page."""
    return re.findall(r"^### (.+)$", page.split("## Worked examples")[1], re.MULTILINE)


def therapy(root: Path, changes: dict[str, Any]) -> dict[str, Any]:
    """The wire table of the example's therapy: the constant morphine of examples/ with `changes`."""
    base = tomllib.loads((root / "examples" / "morphine-constant.toml").read_text(encoding="utf-8"))
    return dict(to_wire(checked(Therapy.model_validate({**base, **changes}))))


def play(example: Example, wire: dict[str, Any], begin: list[dict[str, Any]]) -> list[tuple[Fraction, int]]:
    """(uL/day, steps since the commit) after each row. `begin`: what happened before the commit, at once."""
    pump = rig.Rig()
    pump.delivery.local.set_at(0, 0, _MIDNIGHT_DAY, 0, 0)
    for event in begin:
        assert pump.act(event) is None, event
    found: list[tuple[Fraction, int]] = []
    for at_s, what, _, _ in example.rows:
        pump.run_to(at_s * _MILLION)
        action, _, wanted = what.partition(", refused: ")
        refused = pump.act(event_of(action, wire)) if action != "nothing" else None
        assert refused == (wanted or None), f"{at_s} s {what}: {refused}"
        rate = Fraction(pump.delivery.rates.pl_per_day(wire["step_volume_pl"]), _MILLION)
        found.append((rate, pump.delivery.count.steps()))
    return found


def event_of(what: str, wire: dict[str, Any]) -> dict[str, Any]:
    """An event of the rig from the page's words."""
    if what.startswith("commit"):
        return {"do": "program", "therapy": wire}
    if what in ("patient bolus", "stop", "resume"):
        return {"do": what.replace(" ", "_")}
    if match := re.fullmatch(r"(extended )?bolus (.+) over (.+)", what):
        return {
            "do": "bolus",
            "extended": int(bool(match[1])),
            "dose_ng": quantities.parse_whole(match[2], quantities.MASS),
            "duration_us": quantities.parse_whole(match[3], quantities.DURATION),
        }
    if match := re.fullmatch(r"clock (.+)", what):
        offset = quantities.parse_whole(match[1], quantities.DURATION, negative=True)
        return {"do": "clock", "absolute": 0, "offset_us": offset}
    raise ValueError(what)
