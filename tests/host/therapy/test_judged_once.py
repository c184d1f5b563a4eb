"""A therapy is judged once: what comes after the judging takes what was found, and looks at no rule again."""

import dataclasses
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from host.therapy.samples import MORPHINE, morphine, with_lines
from thecal.commands.program import prepare
from thecal.therapy import judge
from thecal.therapy.checked import CheckedTherapy
from thecal.therapy.drug_library import store
from thecal.therapy.encode import to_wire
from thecal.therapy.load import parse_therapy

OLD = to_wire(morphine(concentration="10 mg/mL"))
RULES = ("schedule_errors", "errors_of", "figures_of", "warnings_of", "find_bridge", "compare")
OF_THE_LIBRARY = ("soft_limits", "step_limits", "start_warning")


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each rule was looked at."""
    counts = Counter[str]()

    def counted(name: str, rule: Callable[..., Any]) -> Callable[..., Any]:
        def look(*arguments: Any) -> Any:
            counts[name] += 1
            return rule(*arguments)

        return look

    for holder, names in ((judge, RULES), (judge.rules, OF_THE_LIBRARY)):
        for name in names:
            monkeypatch.setattr(holder, name, counted(name, getattr(holder, name)))
    return counts


def test_each_rule_is_looked_at_once_from_the_file_to_the_proposal(looked_at: Counter[str]):
    therapy = parse_therapy(with_lines(MORPHINE, dose="5 mg/day"))
    prepared = prepare(therapy, OLD, state="infusing", least_gap_us=100, left_pl=10**10)
    assert prepared.warnings
    assert prepared.soft_limits == []
    assert prepared.bridge is not None
    assert prepared.changes
    assert looked_at == dict.fromkeys([*RULES, *OF_THE_LIBRARY], 1)


def test_the_encoder_and_the_review_need_no_library(monkeypatch: pytest.MonkeyPatch):
    therapy = judge.replacing(morphine(dose="5 mg/day"), OLD)
    values = to_wire(therapy)

    def gone() -> None:
        raise AssertionError("the library was asked again")

    monkeypatch.setattr(store, "current", gone)
    assert to_wire(therapy) == values
    assert therapy.warnings
    assert therapy.limits[0].max_24h_ng == 6_000_000


def test_the_encoder_loads_neither_rules_nor_library():
    code = "import sys, thecal.therapy.encode; print([m for m in sys.modules if 'thecal.' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "drug_library" not in done.stdout
    assert "rules" not in done.stdout
    assert "judge" not in done.stdout


def test_what_was_found_does_not_change():
    therapy = morphine()
    assert isinstance(therapy, CheckedTherapy)
    with pytest.raises(dataclasses.FrozenInstanceError):
        therapy.limits = ()  # type: ignore[misc]
