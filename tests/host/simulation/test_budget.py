"""What a simulation asks of its pump fits the pump's budgets, however long it is (SEC-19)."""

import os
from pathlib import Path
from typing import Any

import pytest

from pump.link.budgets import FOR_STOP, FRAMES, Budgets
from thecal.link.session import Session
from thecal.simulation.pump import SimulatedPump
from thecal.simulation.scenario.load import load_events
from thecal.simulation.simulate import Plan, Watch, simulate
from thecal.therapy.checked import CheckedTherapy
from thecal.therapy.load import load_therapy, parse_therapy
from thecal_protocol.messages import STATUS
from thecal_protocol.roles import CLINICIAN

SOAK = bool(os.environ.get("THECAL_SOAK"))
S = 1_000_000
DAY_US = 86_400 * S
EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
MORPHINE = EXAMPLES / "morphine-constant.toml"
EVERY_HALF_HOUR = """
[[periodic_bolus]]
dose = "2 mcg"
duration = "5 min"
every = "30 min"
first = "1 min"
"""


def asked_by(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], Any]:
    """The second of the pump's time of each request, and the outcome. The real firmware, with its budgets,
    refused none of them for its number."""
    seconds: list[int] = []
    pumps: list[SimulatedPump] = []
    numbered = Session._numbered

    def counted(self: Session, opcode: int, values: dict[str, object]) -> tuple[int, bytes]:
        seconds.append(pumps[0].at_us // S if pumps else 0)
        return numbered(self, opcode, values)

    monkeypatch.setattr(Session, "_numbered", counted)
    outcome = simulate(plan, Watch(begin=pumps.append))
    assert not [refusal for refusal in outcome.refusals if refusal.reason == "over_budget"]
    return seconds, outcome


def least_in_store(seconds: list[int]) -> tuple[int, int]:
    """The fewest requests that the clinician had in store, and how often none was missing."""
    store = Budgets(0, True)
    mine = store._frames[CLINICIAN - 1]
    least, full = mine.most, 0
    for second in seconds:
        full += mine.has(second, mine.most)
        assert store.take_frame(CLINICIAN, STATUS, second)
        least = min(least, mine.left)
    return least, full


def dense() -> CheckedTherapy:
    """48 periodic boluses a day; with 24 of the patient's, as many records as there can be."""
    text = MORPHINE.read_text().replace("[limits]", EVERY_HALF_HOUR + "[limits]", 1)
    return parse_therapy(text.replace("max_per_24h = 6", "max_per_24h = 24").replace('"2 h"', '"30 min"'))


@pytest.mark.timeout(7200 if SOAK else 120)
@pytest.mark.req("SEC-19", part="a year of `thecal simulate`")
@pytest.mark.parametrize("kind", ["constant", "dense"])
def test_a_year_of_simulation_fits(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Before each piece of time the store is full again, so that a year is as its first days."""
    days = 365 if SOAK else 20 if kind == "constant" else 2
    therapy = load_therapy(MORPHINE) if kind == "constant" else dense()
    events = tmp_path / "events.toml"
    hours = range(3, 24 * days) if kind == "dense" else range(3, 24 * days, 24)
    events.write_text("".join(f'[[event]]\nat = "{hour} h"\ndo = "patient_bolus"\n' for hour in hours))
    plan = Plan(therapy, days * DAY_US, load_events(events), seed=1)
    seconds, outcome = asked_by(plan, monkeypatch)
    assert sum(bolus.kind == "patient" for bolus in outcome.boluses) == len(
        hours
    )  # at the end refused: empty
    least, full = least_in_store(seconds)
    assert least > FRAMES + FOR_STOP - 1000
    assert full >= len(set(seconds)) - 1  # all but the begin
