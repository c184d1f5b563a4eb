"""The settings of a program in a person's words: none by the name of a field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from thecal.therapy.settings_diff import Setting, from_wire

# By the name in a therapy file; {0}: what its parentheses caught, {drug}: the drug of that number.
_WORDS: tuple[tuple[str, str], ...] = (
    ("name", "Therapy"),
    (r"pump\.reservoir", "Reservoir of the pump"),
    (r"pump\.fill", "Filled with"),
    (r"pump\.step_volume", "Volume of one motor step"),
    (r"catheter\.pump_tubing", "Tubing inside the pump"),
    (r"catheter\.length", "Length of the catheter"),
    (r"catheter\.volume_per_length", "Volume of the catheter"),
    (r"drug\[(\d+)\]\.name", "Drug {0}"),
    (r"drug\[(\d+)\]\.rules", "Rules of the library for {drug}"),
    (r"drug\[(\d+)\]\.concentration", "Concentration of {drug}"),
    (r"basal\.mode", "Basal dose"),
    (r"basal\.dose", "Basal dose a day"),
    (r"basal\.step\[(.+)\]", "Basal dose from {0} on"),
    (r"start\.delay", "Starts after"),
    (r"plan\[(\d+)\]", "Plan, step {0}"),
    (r"bridge\.dose", "Bridge of the old filling"),
    (r"bridge\.concentration", "Concentration of the old filling"),
    (r"periodic_bolus\[(\d+)\]\.dose", "Scheduled bolus {0}"),
    (r"periodic_bolus\[(\d+)\]\.duration", "Scheduled bolus {0}, given over"),
    (r"periodic_bolus\[(\d+)\]\.every", "Scheduled bolus {0}, every"),
    (r"periodic_bolus\[(\d+)\]\.first", "Scheduled bolus {0}, first after"),
    (r"periodic_bolus\[(\d+)\]\.per_day", "Scheduled bolus {0} comes to"),
    (r"patient_bolus\.dose", "Bolus of the patient"),
    (r"patient_bolus\.duration", "Bolus of the patient, given over"),
    (r"patient_bolus\.lockout", "Bolus of the patient, again after"),
    (r"patient_bolus\.max_per_24h", "Boluses of the patient in 24 h, at most"),
    (r"patient_bolus\.per_day", "Boluses of the patient come to"),
    (r"limits\.max_dose_24h", "Most of {first} in any 24 h"),
    (r"limits\.max_dose_1h", "Most of {first} in any hour"),
    (r"limits\.drug\.(.+)\.max_dose_24h", "Most of {0} in any 24 h"),
    (r"limits\.drug\.(.+)\.max_dose_1h", "Most of {0} in any hour"),
    (r"limits\.max_rate", "Fastest flow"),
    (r"alarms\.low_reservoir", "Alarm when less is left than"),
    (r"alarms\.(\w+)_days", "Alarm, {0}, so long before"),
    (r"alarms\.max_pause", "Alarm when stopped for longer than"),
    ("library", "Drug library"),
)
_PATTERNS = tuple((re.compile(pattern), words) for pattern, words in _WORDS)
_MODES = {"continuous": "the same all day", "flex": "by a schedule of the day", "minimum": "the minimum rate"}


def settings(program: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every setting of a program: what it is, and its value."""
    names = [drug["name"] for drug in program["drugs"]]
    return [(_label(one.field, names), _value(one)) for one in from_wire(program)]


def _label(name: str, drugs: list[str]) -> str:
    for pattern, words in _PATTERNS:
        found = pattern.fullmatch(name)
        if found:
            caught = found.group(1) if found.groups() else ""
            index = int(caught) - 1 if caught.isdigit() else 0
            drug = drugs[index] if index < len(drugs) else ""
            return words.format(caught.replace("_", " "), drug=drug, first=drugs[0] if drugs else "the drug")
    text = re.sub(r"[._\[\]]+", " ", name).strip()  # one that is newer than this page of words
    return text[:1].upper() + text[1:]


def _value(one: Setting) -> str:
    if one.field == "basal.mode":
        return _MODES.get(one.text, one.text)
    if one.field.endswith("_days") and one.text.isdigit():
        return f"{one.text} d"
    return one.text
