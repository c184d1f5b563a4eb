"""A motor that delivers too much: invisible to the count of steps, flagged at the next refill (RES-03)."""

import json
from pathlib import Path

import pytest

from host.cli.conftest import MORPHINE
from thecal.simulation.document import simulation_json
from thecal.simulation.scenario.load import load_events
from thecal.simulation.simulate import Outcome, Plan, simulate
from thecal.therapy.load import parse_therapy

DAY_US = 86_400_000_000
# What 2.4 mg/day take in months, in 10 days and large steps.
COARSE = (
    MORPHINE.read_text(encoding="utf-8").replace('"2.5 nL"', '"50 nL"').replace('"20 mg/mL"', '"2 mg/mL"')
)
REFILL = '[[event]]\nat = "10d"\ndo = "refill"\nvolume = "40 mL"\nresidual = "measured"\n'
OVER = '[[event]]\nat = "0s"\ninject = "over_delivery"\nfactor = "1.2"\n'


def simulated(folder: Path, events: str, days: int = 11) -> Outcome:
    path = folder / "events.toml"
    path.write_text(events)
    return simulate(Plan(parse_therapy(COARSE), days * DAY_US, load_events(path), seed=1))


@pytest.mark.req("RES-03", part="over-delivery of 20 % is flagged at the next refill")
def test_over_delivery_shows_at_the_refill(tmp_path: Path):
    outcome = simulated(tmp_path, OVER + REFILL)
    assert outcome.steps == outcome.ledger.accounted_steps == 11 * 24_000  # the count knows nothing of it
    document = json.loads(json.dumps(simulation_json(outcome)))
    assert document["refills"] == [
        {
            "at_s": 864_000,
            "filled_nl": "40000000",
            "counted_nl": "28000000",
            "residual_nl": "25600000",
            "difference_nl": "-2400000",
            "missed_nl": "0",
            "ratio": "1.2",
            "suspicious": True,
        }
    ]


def test_an_exact_motor_is_not_flagged(tmp_path: Path):
    outcome = simulated(tmp_path, REFILL)
    (check,) = [check for _, check in outcome.refills]
    assert (check.ratio, check.apart_pl, check.suspicious) == (1, 0, False)


def test_a_given_residual_is_taken(tmp_path: Path):
    events = REFILL.replace('"measured"', '"25.9 mL"') + REFILL.replace("10d", "11d").replace(
        "measured", "40 mL"
    )
    outcome = simulated(tmp_path, events)
    (_, first), (_, second) = outcome.refills
    assert first.suspicious
    assert (second.filled_pl, second.counted_pl) == (40 * 10**9, 40 * 10**9 - 1_200_000_000)
    assert not second.suspicious
