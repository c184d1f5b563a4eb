"""Host and pump give the same verdict on a therapy: random ones, through the file's own models.

What the host refuses and the pump takes is a short, written list (docs/reference/therapy-files.md):
`DELIBERATE`. What the pump refuses and the host takes does not exist.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from firmware.dosing import rig
from host.therapy.samples import CONSTANT, morphine, with_lines
from pump.therapy.bounds import Bounds, Refused
from pump.therapy.prescription import Prescription
from thecal.therapy.dose_math import pump_scheduled_ng, share_of
from thecal.therapy.encode import to_wire
from thecal.therapy.judge import judge, replacing
from thecal.therapy.load import parse_model
from thecal.therapy.models import Therapy
from thecal.therapy.rules.whole import schedule_errors
from thecal.therapy.taper import doses_of

# (field of the host's problem, words in it): refused here, taken by the pump
DELIBERATE = (
    ("patient_bolus.dose", "is more than its limit for"),  # the pump refuses each request instead
    ("bridge.dose", "passes its limit for"),
    ("bridge.dose", "no dose is delivered"),  # a bridge to a program that gives nothing
    ("patient_bolus", "is not allowed with"),  # the drug's other names
)

OLD: dict[str, Any] = to_wire(morphine())
RUNNING = rig.Rig(0)  # for what a pump weighs beside the program itself
NAMES = ("morphine",) * 6 + ("Baclofen", "baclofen hcl")
CATHETERS = [{"pump_tubing": "140 uL", "length": "89 cm", "volume_per_length": "2.2 uL/cm"}] * 8 + [
    {"pump_tubing": "0 uL", "length": "0 cm", "volume_per_length": "2.2 uL/cm"},
    {"pump_tubing": "0 uL", "length": "1 um", "volume_per_length": "9999 pL/cm"},
    {"pump_tubing": "0 uL", "length": "1 um", "volume_per_length": "10 nL/cm"},
    {"pump_tubing": "2 mL", "length": "100 cm", "volume_per_length": "20 uL/cm"},
    {"pump_tubing": "2 mL", "length": "100 cm", "volume_per_length": "20000001 pL/cm"},
]
S, H, D = 10**6, 3600 * 10**6, 86_400 * 10**6


def mostly(usual: st.SearchStrategy[int], *edges: int) -> st.SearchStrategy[int]:
    """The usual; at times a bound or its neighbour."""
    odd = st.sampled_from([v + d for v in edges for d in (-1, 0, 1) if v + d > 0])
    return st.integers(0, 7).flatmap(lambda n: odd if n == 0 else usual)


def doses(concentration: int) -> st.SearchStrategy[int]:
    """Basal doses: within the pump's rates, at times at their bounds."""
    lowest, highest = (-(-ul * concentration // 1000) for ul in (48, 24_000))
    return mostly(st.integers(lowest, 10 * lowest), lowest, min(highest, 10**8 - 1)).filter(
        lambda x: x <= 10**8
    )


@st.composite
def therapies(draw: st.DrawFn) -> Therapy:
    """One that a file may hold: every field in its range, the whole of it right or wrong."""
    concentration = draw(st.sampled_from([10**6, 20 * 10**6, 7_000_003, 500_000]))
    drugs = [{"name": draw(st.sampled_from(NAMES)), "concentration": f"{concentration} ng/mL"}]
    if draw(st.booleans()):
        drugs.append({"name": "clonidine", "concentration": f"{draw(st.integers(1, 10**8))} ng/mL"})
    fill = draw(st.sampled_from(["40 mL"] * 15 + ["41 mL"]))
    rates = st.sampled_from([24_000] * 8 + [12_000, 1_440, 120])
    document: dict[str, Any] = {
        "schema": 1,
        "name": "random",
        "pump": {"reservoir": "40 mL", "fill": fill, "step_volume": "1 nL"},
        "catheter": draw(st.sampled_from(CATHETERS)),
        "drug": drugs,
        "basal": draw(basals(concentration)),
        "limits": {"max_rate": f"{draw(rates)} uL/day"},
        "periodic_bolus": draw(
            st.lists(boluses(concentration, every=(300 * S, 366 * D), first=(S, 366 * D)), max_size=3)
        ),
    }
    if draw(st.booleans()):
        patient = draw(boluses(concentration, lockout=(S, D)))
        document["patient_bolus"] = {**patient, "max_per_24h": draw(st.integers(1, 96))}
    if document["basal"]["mode"] == "continuous" or draw(st.integers(0, 5)) == 0:
        document["plan"] = draw(plans(concentration))
    if draw(st.integers(0, 5)) == 0:
        document["start"] = {"delay": f"{draw(st.sampled_from([0, 1, 604_800]))} s"}
    if draw(st.integers(0, 2)) == 0:
        dose = draw(st.one_of(st.none(), doses(concentration)))
        document["bridge"] = {} if dose is None else {"dose": f"{dose} ng/day"}
        if draw(st.integers(0, 3)):
            document["plan"] = []
    return with_limits(draw, document)


def with_limits(draw: st.DrawFn, document: dict[str, Any]) -> Therapy:
    """Limits right where the schedule meets them: that is where two ways of counting could part."""
    therapy = Therapy.model_validate(document)
    if schedule_errors(therapy):
        return therapy
    by_drug = dict[str, dict[str, str]]()
    for drug in therapy.drugs:
        for name, minutes in (("max_dose_24h", 1440), ("max_dose_1h", 60)):
            if draw(st.integers(0, 2)) == 0:
                dose = draw(st.sampled_from(doses_of(therapy)))
                exact = pump_scheduled_ng(therapy, dose, minutes) * share_of(drug, therapy)
                limit = max(1, min(10**9, round(exact) + draw(st.integers(-2, 2))))
                by_drug.setdefault(drug.name, {})[name] = f"{limit} ng"
    document["limits"]["drug"] = by_drug
    return Therapy.model_validate(document)


@st.composite
def basals(draw: st.DrawFn, concentration: int) -> dict[str, Any]:
    mode = draw(st.sampled_from(["continuous"] * 3 + ["flex", "flex", "minimum", "stopped"]))
    if mode == "continuous":
        return {"mode": mode, "dose": f"{draw(doses(concentration))} ng/day"}
    if mode != "flex":
        return {"mode": mode}
    starts = sorted(draw(st.sets(st.integers(0, 1439), min_size=1, max_size=6)))
    dose = doses(concentration)
    return {
        "mode": mode,
        "step": [{"start": f"{s // 60:02}:{s % 60:02}", "dose": f"{draw(dose)} ng/day"} for s in starts],
    }


@st.composite
def boluses(draw: st.DrawFn, concentration: int, **times: tuple[int, int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    duration = draw(st.one_of(st.integers(60 * S, H), st.integers(S, D)))
    for name, (low, high) in times.items():
        usual = st.integers(max(low, min(duration, high)), min(high, 4 * D))
        time = mostly(usual, duration, low + 1, high - 1).filter(lambda us, a=low, b=high: a <= us <= b)
        found[name] = f"{draw(time)} us"
    most = 20 * duration * concentration // (1000 * D)  # 20 mL/day gives 1000 times this meanwhile
    dose = draw(
        mostly(
            st.integers(1, max(1, 100 * most)), 1000 * most + 1, 40 * concentration, 79 * concentration // 2
        )
    )
    return {"dose": f"{min(dose, 10**8)} ng", "duration": f"{duration} us", **found}


@st.composite
def plans(draw: st.DrawFn, concentration: int) -> list[dict[str, str]]:
    steps: list[dict[str, str]] = []
    at = 0
    for _ in range(draw(st.integers(0, 10))):
        at += draw(st.sampled_from([86_400] * 12 + [3600, 3599, 366 * 86_400, 0]))
        steps.append({"after": f"{max(at, 3600)} s", "dose": f"{draw(doses(concentration))} ng/day"})
    return steps


def pumps_verdict(values: dict[str, object]) -> str:
    try:
        prescription = Prescription(values, Bounds())
        RUNNING.controller.boluses.check_halt(prescription, {"volume_pl": 40 * 10**9})
    except Refused as refused:
        return f"{refused.reason} {refused.detail}"
    return ""


@pytest.mark.req("SEC-11", part="host and pump: one verdict")
@settings(max_examples=500, deadline=None)
@given(therapies(), st.sampled_from([10**6, 20 * 10**6, 40 * 10**6, 1]))
def test_host_and_pump_agree(therapy: Therapy, old_concentration: int):
    running: dict[str, Any] = {
        "drugs": [
            {**OLD["drugs"][0], "name": therapy.primary.name, "concentration_ng_per_ml": old_concentration}
        ],
        "basal_mode": 1,
        "basal_dose_ng_per_day": 2_400_000,
        "basal_steps": [],
    }
    verdict = judge(therapy)
    changed = replacing(verdict.judged, {**OLD, **running})
    ours = list(verdict.errors)
    if therapy.bridge is not None and not ours:
        assert changed.change is not None
        ours += changed.change.errors
        if old_concentration == therapy.primary.concentration_ng_per_ml:
            assert ours  # nothing to bridge; the pump finds out by its refill record, not by the program
            return
    theirs = pumps_verdict(to_wire(changed))
    note(f"host: {ours}")
    note(f"pump: {theirs}")
    if theirs:
        assert ours, "the host takes what the pump refuses"
    else:
        assert [p for p in ours if not deliberate(p.field, p.message)] == []


def deliberate(field: str, message: str) -> bool:
    return any(field.startswith(where) and words in message for where, words in DELIBERATE)


def periodic(dose: str, duration: str, every: str = "1 d") -> str:
    return f'[[periodic_bolus]]\ndose = "{dose}"\nduration = "{duration}"\nevery = "{every}"\nfirst = "1 h"\n'


def limit(dose: str) -> str:
    return f'[limits]\nmax_dose_24h = "{dose}"\n'


PATIENT = '[patient_bolus]\ndose = "1 mcg"\nduration = "5 min"\nlockout = "2 h"\nmax_per_24h = 1\n'
TITRATION = "".join(f'[[plan]]\nafter = "{n} d"\ndose = "{n + 1} mg/day"\n' for n in range(1, 12))
BAD = {
    "bolus above the reservoir": (periodic("41 mg", "24 h", "366 d"), "reservoir"),
    "bolus that the halt would cut": (periodic("19.6 mg", "24 h", "366 d"), "reservoir"),
    "bolus above the rate cap": (periodic("2 mg", "1 min"), "max_rate"),
    "boluses above it together": (periodic("1 mg", "2 h") * 4, "max_rate"),
    "bolus above the limit": (periodic("2 mg", "3 h") + limit("1.9 mg"), "limit_24h"),
    "period below the duration": (periodic("0.01 mg", "6 min", "5 min"), "inconsistent"),
    "plan on its 9th step": (TITRATION + limit("9.9 mg"), "limit_24h"),
    "patient bolus of baclofen": (PATIENT, "drug_rule"),
}


@pytest.mark.req("SEC-11", part="bad input of every way to dose")
@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_by_both(name: str):
    lines, reason = BAD[name]
    text = with_lines(CONSTANT, concentration="1 mg/mL", dose="1 mg/day") + lines
    text = text.replace("morphine", "baclofen") if reason == "drug_rule" else text
    verdict = judge(parse_model(text.replace('"40 mL"', '"20 mL"') if "halt" in name else text))
    assert verdict.errors
    assert pumps_verdict(to_wire(verdict.judged)).startswith(reason)
    if "plan" in name:
        assert verdict.errors[0].field == "plan[9].dose"
