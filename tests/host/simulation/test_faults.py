"""Faults and conditions of an events file reach the bench, end, and go on over resets and power cuts."""

from pathlib import Path

import pytest

from host.simulation.test_events import HOUR_US, event
from host.therapy.samples import MORPHINE
from thecal.commands.delivered import bound_steps
from thecal.simulation.scenario.load import parse_events
from thecal.simulation.simulate import Outcome, Plan, simulate
from thecal.therapy.load import parse_therapy

STEPS_PER_HOUR = 2000
BOUND = bound_steps(2500)


def run(*events: str, hours: int = 24, trace: Path | None = None, seed: int = 1) -> Outcome:
    known = parse_events("".join(events), "events", Path())
    return simulate(Plan(parse_therapy(MORPHINE), hours * HOUR_US, known, seed=seed, trace=trace))


def counted(at: str, what: str, more: str = "") -> str:
    """An event with fields that are no texts."""
    return f'[[event]]\nat = "{at}"\ninject = "{what}"\n{more}\n'


@pytest.mark.req("INT-06", part="therapy goes on by itself after a watchdog reset")
def test_a_watchdog_reset_is_survived(tmp_path: Path):
    outcome = run(
        event("2h", "watchdog_bite"), event("5h", "watchdog_bite"), hours=10, trace=tmp_path / "trace"
    )
    assert outcome.resets == 2
    assert outcome.state == "infusing"
    due = 10 * STEPS_PER_HOUR
    assert due - 2 * BOUND - 2 <= outcome.steps <= due
    assert outcome.steps <= outcome.ledger.accounted_steps <= outcome.steps + 2 * BOUND
    times = (tmp_path / "trace").read_bytes()
    steps = [int.from_bytes(times[at : at + 8], "little") for at in range(0, len(times), 8)]
    assert len(steps) == outcome.steps
    assert steps == sorted(steps)


@pytest.mark.req("BOL-07", part="a reset")
@pytest.mark.parametrize(
    ("what", "given_pl"), [("watchdog_bite", 2_000_000), ("power_cut", 2_000_000), ("hang", None)]
)
def test_a_bolus_ends_with_a_reset_and_what_was_given_before_stays_its_own(what: str, given_pl: int | None):
    """The pump counts by source since its boot; the simulation knows what came before. When a hanging pump
    stopped giving the bolus, nobody can tell."""
    cut = event("242min", what, **({"for_": "1min"} if what == "power_cut" else {}))
    outcome = run(
        event("2h", "patient_bolus"), event("4h", "patient_bolus"), cut, event("7h", "patient_bolus"), hours=8
    )
    assert outcome.resets == 1
    assert [(x.outcome, x.given_pl) for x in outcome.boluses] == [
        ("delivered", 5_000_000), ("cut_short", given_pl), ("delivered", 5_000_000)
    ]  # fmt: skip
    by_source = outcome.ledger.volume_pl_by_source
    assert by_source["patient_bolus"] == 10_000_000 + (given_pl or 0)
    assert sum(by_source.values()) == outcome.ledger.volume_pl


@pytest.mark.req("BOL-11", part="told as one bridge")
@pytest.mark.parametrize("cut_at", ["5h", "40h"])
def test_a_bridge_over_a_reset_is_one_bridge(tmp_path: Path, cut_at: str):
    """335.8 uL at 240 uL/day take 33 h 35 min: the first cut is inside, the second after it."""
    (tmp_path / "weaker.toml").write_text(MORPHINE.replace("20 mg/mL", "10 mg/mL") + "[bridge]\n")
    events = event("1h", "refill", volume="40 mL", residual="39 mL") + event(
        "1h", "program", file="weaker.toml"
    )
    known = parse_events(events + event(cut_at, "power_cut", for_="1min"), "events", tmp_path)
    outcome = simulate(Plan(parse_therapy(MORPHINE), 120 * HOUR_US, known, seed=1))
    assert outcome.refusals == []
    assert [(x.kind, x.outcome, x.given_pl) for x in outcome.boluses] == [
        ("bridge", "delivered", 335_800_000)
    ]
    by_source = outcome.ledger.volume_pl_by_source
    assert by_source["bridge"] == 335_800_000
    assert sum(by_source.values()) == outcome.ledger.volume_pl


def test_a_reset_and_an_event_at_the_same_instant():
    """The reset takes a tenth of a second, unless something is to happen before."""
    outcome = run(event("2h", "watchdog_bite"), event("2h", "stop"), event("7200050ms", "resume"), hours=3)
    assert outcome.refusals == []
    assert outcome.state == "infusing"


def test_conditions_last_over_a_reset_and_a_power_cut():
    """A stalled motor stays stalled; half a day of over-delivery empties the reservoir by its factor."""
    outcome = run(
        event("1h", "motor_stall", for_="2h"),
        event("2h", "watchdog_bite"),
        event("9000s", "power_cut", for_="10s"),
        hours=4,
    )
    assert outcome.resets == 2
    assert outcome.steps <= 2 * STEPS_PER_HOUR + 2


def test_an_occluded_catheter_jams_the_motor_and_frees_it():
    """150 kPa come after 15 uL, 6000 steps."""
    outcome = run(event("1h", "occlusion", for_="10h"), hours=10)
    assert outcome.steps <= STEPS_PER_HOUR + 6000


@pytest.mark.parametrize(
    "fault",
    [
        counted("2h", "battery_level", "percent = 5"),
        counted("2h", "temperature", 'celsius = 41\nfor = "1h"'),
        event("2h", "sensor_stuck", sensor="battery", for_="1h"),
        event("2h", "sensor_missing", sensor="upstream", for_="1h"),
        event("2h", "sensor_noise", sensor="downstream", for_="1h"),
        event("2h", "occlusion", where="upstream", for_="1min"),
        counted("2h", "link_flood", 'bytes_per_s = 300\nfor = "5min"'),
        event("2h", "flash_bit_flip"),
        event("2h", "planner_fault", kind="rate", factor="0.5", for_="1h"),
        event("2h", "code_damage", for_="1h"),
        event("2h", "buzzer_broken", for_="1h"),
        event("2h", "press_button"),
    ],
)
def test_every_fault_can_be_simulated_and_repeats(fault: str, tmp_path: Path):
    first = run(fault, hours=4, trace=tmp_path / "one")
    again = run(fault, hours=4, trace=tmp_path / "two")
    assert first.trace_sha256 == again.trace_sha256
    assert 0 < first.steps <= 4 * STEPS_PER_HOUR


def test_a_slow_planner_recovers():
    outcome = run(event("2h", "planner_fault", kind="rate", factor="0.5", for_="1h"), hours=4)
    assert abs(outcome.steps - 3.5 * STEPS_PER_HOUR) <= 4
