"""Therapy texts for the tests, and ways to bend them."""

from pathlib import Path
from typing import Any

from thecal.errors import Problem
from thecal.therapy.checked import CheckedTherapy
from thecal.therapy.encode import to_wire
from thecal.therapy.judge import judge, replacing
from thecal.therapy.load import parse_model, parse_therapy
from thecal.therapy.models import Therapy

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "examples").glob("*.toml"))

HEAD = """\
schema = 1
name = "sample"
[pump]
reservoir = "40 mL"
fill = "40 mL"
step_volume = "2.5 nL"
[catheter]
pump_tubing = "140 uL"
length = "89 cm"
volume_per_length = "2.2 uL/cm"
"""
DRUG = """\
[[drug]]
name = "morphine"
concentration = "20 mg/mL"
"""
BASAL = """\
[basal]
mode = "continuous"
dose = "2.4 mg/day"
"""
PATIENT = """\
[patient_bolus]
dose = "0.1 mg"
duration = "5 min"
lockout = "2 h"
max_per_24h = 6
"""
REST = """\
[limits]
max_dose_24h = "6 mg"
max_rate = "24 mL/day"
[alarms]
low_reservoir = "2 mL"
low_reservoir_days = 3
max_pause = "30 min"
"""
MORPHINE = HEAD + DRUG + BASAL + PATIENT + REST
CONSTANT = HEAD + DRUG + BASAL


def flex(*steps: tuple[str, str] | tuple[str, str, list[str]], drug: str = DRUG) -> str:
    """A flex therapy of (start, dose) or (start, dose, days)."""
    text = HEAD + drug + '[basal]\nmode = "flex"\n'
    for step in steps:
        text += f'[[basal.step]]\nstart = "{step[0]}"\ndose = "{step[1]}"\n'
        if len(step) == 3:
            text += f"days = {step[2]}\n".replace("'", '"')
    return text


def morphine(**replacements: str) -> CheckedTherapy:
    """MORPHINE with lines replaced: `morphine(dose="5 mg/day")` sets the first `dose` line."""
    return parse_therapy(with_lines(MORPHINE, **replacements))


def errors_of(text: str) -> list[Problem]:
    """Everything that is wrong with a therapy whose single fields are right."""
    return list(judge(parse_model(text)).errors)


def wire(therapy: CheckedTherapy | Therapy, running: CheckedTherapy | None = None) -> dict[str, Any]:
    """On the wire, in the place of `running`; a model that was not judged is sent right or wrong."""
    judged = judge(therapy).judged if isinstance(therapy, Therapy) else therapy
    return to_wire(judged if running is None else replacing(judged, to_wire(running)))


def with_lines(text: str, **replacements: str) -> str:
    """Replaces the value of the first line that sets each name."""
    lines = text.splitlines()
    for name, value in replacements.items():
        index = next(i for i, line in enumerate(lines) if line.startswith(f"{name} ="))
        lines[index] = f'{name} = "{value}"'
    return "\n".join(lines) + "\n"
