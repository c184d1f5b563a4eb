"""`simulate` against fractions: every step at its microsecond, every account, whatever happens in between."""

import sys
from array import array
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from firmware.dosing.oracle import Course
from host.therapy.samples import CONSTANT, HEAD, MORPHINE
from thecal.simulation.scenario.load import parse_events
from thecal.simulation.scenario.models import (
    ClinicianBolusEvent,
    PrimeEvent,
    ProgramEvent,
    SetClockEvent,
    StopEvent,
)
from thecal.simulation.simulate import Outcome, Plan, simulate
from thecal.therapy.encode import to_wire
from thecal.therapy.judge import replacing
from thecal.therapy.load import parse_therapy
from thecal.units import local_time

NO_SHRINK = [Phase.explicit, Phase.reuse, Phase.generate]
HOUR_US = 3_600_000_000


def steps_of(path: Path) -> list[int]:
    times = array("Q")
    times.frombytes(path.read_bytes())
    if sys.byteorder != "little":
        times.byteswap()
    return list(times)


def expected_steps(plan: Plan, outcome: Outcome) -> list[int]:
    """What the oracle makes of the same events, those refused left out."""
    therapy = to_wire(plan.therapy)
    day, second, _ = local_time.to_wire(plan.start)
    events: list[dict[str, Any]] = [{"at_us": 0, "do": "program", "therapy": therapy}]
    reasons: list[str | None] = [None]
    refused = [(refusal.at_us, refusal.what) for refusal in outcome.refusals]
    for event in plan.events:
        known: dict[str, Any] = {"at_us": event.at_us, "do": event.what}
        what = event.what
        if isinstance(event, ProgramEvent):
            known["therapy"] = therapy = to_wire(replacing(event.therapy, therapy))
        if isinstance(event, PrimeEvent):
            known["dry"] = int(event.dry)
        if isinstance(event, StopEvent):
            known["resume_after_s"] = event.resume_after_s
        if isinstance(event, ClinicianBolusEvent):
            known |= {"do": "bolus", "extended": int(event.extended)}
            known |= {"dose_ng": event.dose_ng, "duration_us": event.duration_us}
            what = "extended_bolus" if event.extended else "clinician_bolus"
        elif isinstance(event, SetClockEvent):
            known |= {"do": "clock", "absolute": 0, "offset_us": event.offset_us}
        events.append(known)
        was_refused = (event.at_us, what) in refused
        if was_refused:
            refused.remove((event.at_us, what))
        reasons.append("refused" if was_refused else None)
    assert refused == []
    scenario = {"day": day, "second": second, "events": events, "end_us": plan.duration_us}
    return Course(scenario, reasons).steps(plan.therapy.model.pump.step_volume_pl)


THERAPY = """
schema = 1
name = "random"
[pump]
reservoir = "40 mL"
fill = "40 mL"
step_volume = "{step} pL"
[catheter]
pump_tubing = "140 uL"
length = "89 cm"
volume_per_length = "2.2 uL/cm"
[[drug]]
name = "hydromorphone"
concentration = "{conc} ng/mL"
[basal]
{basal}
[patient_bolus]
dose = "{bolus} ng"
duration = "{bolus_s}s"
lockout = "50 min"
max_per_24h = 5
[[periodic_bolus]]
dose = "{bolus} ng"
duration = "211s"
every = "7 h"
first = "61 min"
"""


@st.composite
def plans(draw: st.DrawFn) -> tuple[str, str]:
    conc = draw(st.sampled_from([10_000_000, 19_997_000, 1_000_003]))
    step = draw(st.sampled_from([24_870, 99_991, 250_300]))
    low = 48 * conc // 1000 + 1  # 0.048 mL/day
    dose = st.integers(low, 8 * low)
    if draw(st.booleans()):
        basal = f'mode = "continuous"\ndose = "{draw(dose)} ng/day"\n'
    else:
        starts = draw(st.lists(st.integers(0, 1439), min_size=1, max_size=4, unique=True))
        parts = [
            f'[[basal.step]]\nstart = "{at // 60:02}:{at % 60:02}"\ndose = "{draw(dose)} ng/day"\n'
            for at in sorted(starts)
        ]
        basal = 'mode = "flex"\n' + "".join(parts)
    text = THERAPY.format(
        step=step, conc=conc, basal=basal, bolus=draw(st.integers(low // 50 + 1, low // 10)), bolus_s=307
    )
    events = ""
    for at_us in sorted(draw(st.lists(st.integers(0, 30 * HOUR_US), max_size=8))):
        do = draw(st.sampled_from(["patient_bolus", "clinician_bolus", "stop", "resume", "set_clock"]))
        events += f'[[event]]\nat = "{at_us} us"\ndo = "{do}"\n'
        if do == "clinician_bolus":
            events += (
                f'dose = "{draw(st.integers(1, low // 8))} ng"\nduration = "{draw(st.integers(60, 999))} s"\n'
            )
            events += f"extended = {str(draw(st.booleans())).lower()}\n"
        if do == "set_clock":
            events += f'offset = "{draw(st.integers(-90, 90)) or 60} min"\n'
    return text, events


@pytest.mark.req("DEL-01", "DEL-09", part="a whole pump, over its serial port")
@settings(max_examples=20, phases=NO_SHRINK, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=plans())
def test_random_days(plan: tuple[str, str], tmp_path: Path):
    text, events = plan
    planned = Plan(
        therapy=parse_therapy(text),
        duration_us=30 * HOUR_US,
        events=parse_events(events, "events", tmp_path),
        seed=1,
        trace=tmp_path / "trace",
    )
    outcome = simulate(planned)
    made = steps_of(tmp_path / "trace")
    assert made == expected_steps(planned, outcome)
    ledger, therapy = outcome.ledger, planned.therapy.model
    assert outcome.steps == ledger.accounted_steps == len(made)
    volume_pl = len(made) * therapy.pump.step_volume_pl
    assert ledger.volume_pl == volume_pl
    # what the boluses gave is exact, so right after one began they may be ahead of the whole steps
    assert 0 <= sum(ledger.volume_pl_by_source.values()) - volume_pl < therapy.pump.step_volume_pl
    assert ledger.reservoir_pl == therapy.pump.fill_pl - volume_pl
    drug = therapy.primary
    exact_ng = Fraction(volume_pl * drug.concentration_ng_per_ml, 10**9)
    assert ledger.delivered_ng == {drug.name: exact_ng}


def test_mixture_is_exact_for_every_drug():
    mixture = HEAD + (
        '[[drug]]\nname = "morphine"\nconcentration = "20 mg/mL"\n'
        '[[drug]]\nname = "bupivacaine"\nconcentration = "7.3 mg/mL"\n'
        '[basal]\nmode = "continuous"\ndose = "2.4 mg/day"\n'
    )
    outcome = simulate(Plan(parse_therapy(mixture), 24 * HOUR_US, seed=1))
    assert outcome.ledger.delivered_ng == {"morphine": 2_400_000, "bupivacaine": 876_000}


NEXT = MORPHINE.replace("20 mg/mL", "10 mg/mL") + "[bridge]\n"
BRIDGED = """
[[event]]
at = "6h"
do = "refill"
volume = "40 mL"
residual = "39.9 mL"
[[event]]
at = "6h"
do = "program"
file = "next.toml"
[[event]]
at = "20h"
do = "stop"
for = "25min"
[[event]]
at = "21h"
do = "patient_bolus"
"""
PRIMED = """
[[event]]
at = "1h"
do = "implant"
[[event]]
at = "1h"
do = "prime"
dry = true
[[event]]
at = "5h"
do = "cancel_plan"
"""
PLAN = '[[plan]]\nafter = "2h"\ndose = "2 mg/day"\n[[plan]]\nafter = "9h"\ndose = "1.7 mg/day"\n'


@pytest.mark.parametrize(
    ("text", "events", "refused"),
    [
        (MORPHINE, BRIDGED, ["bridge"]),
        (CONSTANT, PRIMED, ["not_running"]),
        (CONSTANT + PLAN, PRIMED, []),
    ],
)
def test_bridge_prime_and_plan(text: str, events: str, refused: list[str], tmp_path: Path):
    fine, coarse = "2.5 nL", "49.999 nL"  # fewer steps: quicker to hold against fractions
    (tmp_path / "next.toml").write_text(NEXT.replace(fine, coarse))
    planned = Plan(
        therapy=parse_therapy(text.replace(fine, coarse)),
        duration_us=150 * HOUR_US,
        events=parse_events(events, "events", tmp_path),
        seed=1,
        trace=tmp_path / "trace",
    )
    outcome = simulate(planned)
    assert [refusal.reason for refusal in outcome.refusals] == refused
    assert steps_of(tmp_path / "trace") == expected_steps(planned, outcome)
    assert outcome.steps == outcome.ledger.accounted_steps
    assert {bolus.outcome for bolus in outcome.boluses if not bolus.reason} == {"delivered"}
