"""Five courses of which a report is made: what clinicians meet, and what a report must not get wrong.

`record(name, folder)` simulates one and keeps its record; tests read the report of it, and
`tools/evidence/report_pages.py` draws all of them to be looked at.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from thecal.report import chain, command
from thecal.report import record as records
from thecal.report.record import Record

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "morphine-constant.toml"
DAY_US = 86_400_000_000

_MIXTURE = """schema = 1
name = "Morphine and bupivacaine, titration"
[pump]
reservoir = "20 mL"
fill = "18 mL"
step_volume = "5 nL"
[catheter]
pump_tubing = "140 uL"
length = "61 cm"
volume_per_length = "2.2 uL/cm"
[[drug]]
name = "morphine"
concentration = "10 mg/mL"
[[drug]]
name = "bupivacaine"
concentration = "15 mg/mL"
[basal]
mode = "flex"
[[basal.step]]
start = "07:00"
dose = "{day}"
[[basal.step]]
start = "22:00"
dose = "{night}"
[patient_bolus]
dose = "0.1 mg"
duration = "10 min"
lockout = "2 h"
max_per_24h = {boluses}
[limits]
max_dose_24h = "6 mg"
max_rate = "24 mL/day"
[alarms]
low_reservoir = "2 mL"
low_reservoir_days = 3
"""


@dataclass(frozen=True)
class Course:
    """What is simulated. `therapies`: by file name; the first is programmed."""

    therapies: dict[str, str]
    lasting: str
    start: str
    events: str = ""
    spoilt: bool = False

    @property
    def lasting_us(self) -> int:
        """How long."""
        unit = {"d": DAY_US, "h": DAY_US // 24, "m": DAY_US // 1440}[self.lasting[-1]]
        return int(self.lasting[:-1]) * unit


def _event(at: str, do: str, **more: str) -> str:
    word = "inject" if do.startswith("!") else "do"
    lines = ["[[event]]", f'at = "{at}"', f'{word} = "{do.lstrip("!")}"']
    return "\n".join([*lines, *(f'{name.rstrip("_")} = "{value}"' for name, value in more.items())]) + "\n"


def _asked(days: range, hours: tuple[float, ...]) -> str:
    """The patient asks at these hours of each of these days, a little later each day."""
    return "".join(
        _event(f"{day * 1440 + int(60 * hour) + 7 * (day % 5)}min", "patient_bolus")
        for day in days
        for hour in hours
    )


def _titration() -> Course:
    doses = (("0.05 mg/h", "0.03 mg/h", 4), ("0.06 mg/h", "0.04 mg/h", 4), ("0.08 mg/h", "0.05 mg/h", 6))
    files = {
        f"step{number}.toml": _MIXTURE.format(day=day, night=night, boluses=most)
        for number, (day, night, most) in enumerate(doses, 1)
    }
    events = [
        _asked(range(0, 9, 2), (2.5, 3.2, 8.0, 11.7)),
        _event("3d", "clinician_bolus", dose="0.2 mg", duration="15 min"),
        _event("9d", "program", file="step2.toml"),
        _asked(range(9, 17, 3), (3.0, 8.4, 9.0)),
        _event("17d", "program", file="step3.toml"),
        _asked(range(17, 30, 2), (4.0, 11.0)),
        _event("24d", "stop"),
        _event("1443min", "set_clock", offset="-1h"),
        _event("34591min", "resume"),
        _event("25d", "refill", volume="18 mL", residual="13.8 mL"),
    ]
    return Course(files, "30d", "2026-03-02T09:30", "".join(events))


COURSES = {
    "quiet": Course({"quiet.toml": EXAMPLE.read_text()}, "7d", "2026-03-02T09:30"),
    "titration": _titration(),
    "stall": Course(
        {"stall.toml": EXAMPLE.read_text()},
        "5d",
        "2026-03-02T09:30",
        _event("30h", "!motor_stall", for_="20min")
        + _event("50h", "patient_bolus")
        + _event("3d", "!motor_stall", for_="10h")
        + _event("119h", "!motor_stall", for_="5h"),
    ),
    "broken": Course(
        {"broken.toml": EXAMPLE.read_text()},
        "4d",
        "2026-03-02T09:30",
        _event("20h", "patient_bolus") + _event("40h", "stop") + _event("41h", "resume"),
        spoilt=True,
    ),
    "new": Course({"new.toml": EXAMPLE.read_text()}, "10m", "2026-03-02T09:30"),
}


def record(name: str, folder: Path) -> tuple[Record, bytes]:
    """The record of a course, and the key of its log."""
    course = COURSES[name]
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in course.therapies.items():
        (folder / file).write_text(text)
    events = folder / f"{name}-events.toml"
    events.write_text(course.events)
    found, key = command.from_simulation(
        folder / next(iter(course.therapies)),
        course.lasting_us,
        events if course.events else None,
        datetime.fromisoformat(course.start),
        7,
    )
    assert key is not None
    return (_spoilt(found, key, folder / f"{name}.json") if course.spoilt else found), key


def _spoilt(found: Record, key: bytes, path: Path) -> Record:
    """Saved, and then somebody took the stop out of it."""
    found.seal = chain.seal_of(found, key)
    records.save(found, path)
    document = json.loads(path.read_text())
    document["events"] = [event for event in document["events"] if event["kind"] != "stopped"]
    path.write_text(json.dumps(document))
    return records.of_file(path)
