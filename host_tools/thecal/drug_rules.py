"""What is known of drugs: rules that refuse, and soft limits that warn. Provisional, not medical advice.

The figures come from secondary sources (the project's clinical notes, which cite them) and are shown with
that source; an institution is expected to replace the table by its own drug library.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from thecal.amounts import concentration_text, dose_rate_text

MCG = 10**3
MG = 10**6
PROVISIONAL = "thecal clinical notes, drug table (provisional)"
BACLOFEN_SOURCE = "thecal clinical notes, drug table: baclofen has no patient bolus (provisional)"


@dataclass(frozen=True)
class DrugRule:
    """One drug: soft limits, whether a patient may ask for boluses, how long a filling keeps."""

    name: str
    max_concentration_ng_per_ml: int
    max_dose_ng_per_day: int
    patient_bolus: bool = True
    max_rise_ng_per_day: int | None = None  # of one step of a titration
    max_step_percent: int | None = None  # of one step, up or down
    # (up to this concentration, days that a filling keeps), lowest first
    stable_days: tuple[tuple[int, int], ...] = ()
    source: str = PROVISIONAL


_RULES = (
    DrugRule("morphine", 20 * MG, 15 * MG),
    DrugRule("hydromorphone", 15 * MG, 10 * MG),
    DrugRule(
        "ziconotide",
        100 * MCG,
        19_200,
        max_rise_ng_per_day=2400,
        stable_days=((25 * MCG, 40), (100 * MCG, 84)),
    ),
    DrugRule("fentanyl", 10 * MG, 1000 * MCG),
    DrugRule("sufentanil", 5 * MG, 500 * MCG),
    DrugRule("bupivacaine", 30 * MG, 20 * MG),
    DrugRule("clonidine", 1000 * MCG, 600 * MCG),
    DrugRule(
        "baclofen", 2000 * MCG, 1000 * MCG, patient_bolus=False, max_step_percent=30, source=BACLOFEN_SOURCE
    ),
)
_BY_NAME = {rule.name: rule for rule in _RULES}


def rule_for(name: str) -> DrugRule | None:
    """The rule for a drug, by its name in any case; salts ("morphine sulfate") by the first word."""
    words = name.casefold().split()
    return _BY_NAME.get(words[0]) if words else None


def stable_days(name: str, concentration_ng_per_ml: int) -> int | None:
    """How many days a filling keeps, where the table says so."""
    rule = rule_for(name)
    for highest, days in rule.stable_days if rule else ():
        if concentration_ng_per_ml <= highest:
            return days
    return None


def concentration_warning(rule: DrugRule, concentration_ng_per_ml: int) -> str | None:
    """One line when the concentration is above the soft limit."""
    if concentration_ng_per_ml <= rule.max_concentration_ng_per_ml:
        return None
    most = concentration_text(rule.max_concentration_ng_per_ml)
    return (
        f"{concentration_text(concentration_ng_per_ml)} is above the usual highest concentration of "
        f"{rule.name}, {most} ({rule.source})"
    )


def step_warning(rule: DrugRule, before_ng_per_day: int, ng_per_day: int) -> str | None:
    """What is unusual about one step of a plan, after "from ... to ..."; None: nothing."""
    rise, percent = rule.max_rise_ng_per_day, rule.max_step_percent
    if rise is not None and ng_per_day - before_ng_per_day > rise:
        return f"rises by more than {dose_rate_text(rise)}, the usual step of {rule.name} ({PROVISIONAL})"
    if percent is not None and 100 * abs(ng_per_day - before_ng_per_day) > percent * before_ng_per_day:
        return f"is a step of more than {percent} %, the most that is usual for {rule.name} ({PROVISIONAL})"
    return None


def dose_warning(rule: DrugRule, ng_per_day: Fraction | int) -> str | None:
    """One line when the worst 24 h are above the soft limit."""
    if ng_per_day <= rule.max_dose_ng_per_day:
        return None
    most = dose_rate_text(rule.max_dose_ng_per_day)
    return (
        f"the worst 24 h hold {dose_rate_text(ng_per_day)} of {rule.name}, above the usual highest dose, "
        f"{most} ({rule.source})"
    )
