"""No nuisance: weeks, and a year, of normal therapy with normal noise of the sensors: no alarms but due ones.

The year takes minutes: THECAL_SOAK=1 (`make soak`) runs it. The weeks do the same with a smaller filling, and
are fewer without it."""

import os
from pathlib import Path

import pytest

from host.therapy.samples import CONSTANT, EXAMPLES, MORPHINE, PATIENT, flex
from thecal.simulation.document import simulation_json
from thecal.simulation.scenario.load import parse_events
from thecal.simulation.simulate import Plan, simulate
from thecal.therapy.load import parse_therapy

DAY_US = 86_400_000_000
ALARMS = '[alarms]\nlow_reservoir = "2 mL"\nlow_reservoir_days = 3\n'
THERAPY = (
    flex(("06:30", "3.6 mg/day"), ("22:00", "4.8 mg/day"), ("09:00", "6 mg/day", ["sat", "sun"]))
    + PATIENT
    + ALARMS
)
SOAK = bool(os.environ.get("THECAL_SOAK"))
soak = pytest.mark.skipif(not SOAK, reason="minutes: THECAL_SOAK=1 (make soak)")


def life(days: int, fill: str, refill_days: tuple[int, ...], clock_days: tuple[int, int]) -> str:
    """Two patient boluses a day, a stop of 10 min a month, refills, the clock moved forth and back."""
    events: list[str] = []
    for day in range(days):
        for hour in (9, 17 + day % 5):
            events.append(f'at = "{24 * day + hour} h"\ndo = "patient_bolus"')
        if day % 30 == 12:
            events.append(f'at = "{24 * day + 3} h"\ndo = "stop"\nfor = "10 min"')
    for day in refill_days:
        events.append(f'at = "{24 * day + 12} h"\ndo = "refill"\nvolume = "{fill}"\nresidual = "measured"')
    for day, offset in zip(clock_days, ("+1h", "-1h"), strict=True):
        events.append(f'at = "{24 * day + 2} h"\ndo = "set_clock"\noffset = "{offset}"')
    return "".join(f"[[event]]\n{event}\n" for event in events)


def alarms_of(therapy: str, events: str, days: int, folder: Path, seed: int) -> list[object]:
    """Names of the alarms that were raised, all cleared again; nothing was refused, nothing is uncounted."""
    plan = Plan(parse_therapy(therapy), days * DAY_US, parse_events(events, "life", folder), seed=seed)
    document = simulation_json(simulate(plan))
    alarms = document["alarms"]
    assert isinstance(alarms, list)
    assert all(alarm["cleared_s"] is not None for alarm in alarms), alarms
    assert document["steps"] == document["accounted_steps"]
    assert document["refusals"] == []
    assert document["state"] == "infusing"
    return [alarm["id"] for alarm in alarms]


@pytest.mark.req("MOT-02", part="weeks of normal noise are no fault")
@pytest.mark.req("RES-02", part="a refill on time: no alarm; a late one: low_reservoir, until the refill")
@pytest.mark.parametrize("late", [False, True])
def test_weeks_of_normal_therapy(late: bool, tmp_path: Path):
    """In a tenth of the steps. 8 mL last 26 days to the low alarm, and 6 more; 4.5 mL last 10."""
    days, fill, refill, clocks = (40, "8 mL", 24, (10, 30)) if SOAK else (19, "4.5 mL", 9, (6, 14))
    therapy = THERAPY.replace('fill = "40 mL"', f'fill = "{fill}"').replace('"2.5 nL"', '"25 nL"')
    events = life(days, fill, (refill + 6 * late,), clocks)
    assert alarms_of(therapy, events, days, tmp_path, 5) == ["low_reservoir"] * late


@soak
@pytest.mark.req("MOT-02", part="a year of normal noise is no fault")
@pytest.mark.req(
    "RES-02", part="a year of refills on time: no alarm; late ones: low_reservoir, until the refill"
)
@pytest.mark.parametrize(
    ("refills", "due"), [((110, 230), []), ((110, 278), ["low_reservoir"]), ((168, 310), ["low_reservoir"])]
)
@pytest.mark.timeout(3600)
def test_a_year_of_normal_therapy(refills: tuple[int, ...], due: list[str], tmp_path: Path):
    """40 mL last 165 days to the low alarm, and 7 more."""
    assert alarms_of(THERAPY, life(365, "40 mL", refills, (83, 293)), 365, tmp_path, 5) == due


WEEKS = 2 if SOAK else 1
BRIDGE = MORPHINE.replace("20 mg/mL", "10 mg/mL") + "[bridge]\n"
PERIODIC = '[[periodic_bolus]]\ndose = "0.1 mg"\nduration = "5 min"\nevery = "6 h"\nfirst = "2 h"\n'
TAPER = "".join(f'[[plan]]\nafter = "{day} d"\ndose = "{24 - day} mg/day"\n' for day in range(1, 7))
OFTEN = "".join(f'[[event]]\nat = "{hour} h"\ndo = "patient_bolus"\n' for hour in range(5, WEEKS * 7 * 24, 4))
CHANGED = (
    '[[event]]\nat = "30 h"\ndo = "refill"\nvolume = "40 mL"\nresidual = "measured"\n'
    '[[event]]\nat = "31 h"\ndo = "program"\nfile = "next.toml"\n'
)
KINDS = {
    "periodic": (CONSTANT + PERIODIC + ALARMS, ""),
    "patient, as often as it is allowed": (MORPHINE, OFTEN),
    "bridge": (MORPHINE, CHANGED),
    "plan": (CONSTANT.replace("2.4 mg/day", "24 mg/day") + TAPER, ""),
    "minimum": (CONSTANT.replace('"continuous"\ndose = "2.4 mg/day"', '"minimum"'), ""),
    **{path.stem: (path.read_text(encoding="utf-8"), "") for path in EXAMPLES},
}


@pytest.mark.req("DEL-03", "DEL-04", "MOT-01", "MOT-02", part="weeks of each kind of therapy raise nothing")
@pytest.mark.parametrize("kind", KINDS)
def test_weeks_of_every_kind_of_therapy_raise_nothing(kind: str, tmp_path: Path):
    therapy, events = KINDS[kind]
    therapy = therapy.replace('"2.5 nL"', '"10 nL"')  # a quarter of the steps
    (tmp_path / "next.toml").write_text(BRIDGE.replace('"2.5 nL"', '"10 nL"'), encoding="utf-8")
    assert alarms_of(therapy, events, WEEKS * 7, tmp_path, 7) == []
