"""Therapies on the wire and in words; and that host and pump agree about them."""

from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from host.therapy.samples import (
    CONSTANT,
    DRUG,
    EXAMPLES,
    HEAD,
    MORPHINE,
    errors_of,
    flex,
    morphine,
    wire,
    with_lines,
)
from pump.therapy.bounds import MAX_FLEX_STEPS_A_DAY, MAX_PERIODIC_A_DAY, Bounds, Refused
from pump.therapy.prescription import Prescription
from pump.therapy.worst_case import worst_case_24h
from thecal.therapy import limits
from thecal.therapy.dose_math import DAY_MIN, share_of, worst_window
from thecal.therapy.drug_library import store
from thecal.therapy.encode import to_wire
from thecal.therapy.load import load_therapy, parse_model, parse_therapy
from thecal.therapy.models import (
    Alarms,
    Catheter,
    Limits,
    PatientBolus,
    PeriodicBolus,
    Pump,
    Start,
    numbers_of,
)
from thecal.therapy.settings_diff import changes, compare, from_wire
from thecal.units.amounts import WEEKDAYS
from thecal_protocol.codec import decode, encoded
from thecal_protocol.therapy import THERAPY

NIGHT = flex(("06:30", "3.6 mg/day"), ("22:00", "4.8 mg/day"), ("09:00", "6 mg/day", ["sat", "sun"]))


def rows(text: str) -> dict[str, str]:
    return {setting.field: setting.text for setting in from_wire(to_wire(parse_therapy(text)))}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_what_is_sent_is_what_arrives(path):
    values = to_wire(load_therapy(path))
    blob = encoded(THERAPY, values)
    assert decode(THERAPY, blob, 0, len(blob)) == values


def test_all_settings_in_words():
    assert rows(MORPHINE) == {
        "name": "sample",
        "pump.reservoir": "40 mL",
        "pump.fill": "40 mL",
        "pump.step_volume": "2.5 nL",
        "catheter.pump_tubing": "140 uL",
        "catheter.length": "89 cm",
        "catheter.volume_per_length": "2.2 uL/cm",
        "drug[1].name": "morphine",
        "drug[1].concentration": "20 mg/mL",
        "basal.mode": "continuous",
        "basal.dose": "2.4 mg/day",
        "patient_bolus.dose": "100 mcg",
        "patient_bolus.duration": "5 min",
        "patient_bolus.lockout": "2 h",
        "patient_bolus.max_per_24h": "6",
        "patient_bolus.per_day": "600 mcg/day at most",
        "limits.max_dose_24h": "6 mg",
        "limits.max_dose_1h": "none",
        "limits.max_rate": "24 mL/day",
        "alarms.low_reservoir": "2 mL",
        "alarms.low_reservoir_days": "3 d",
        "alarms.max_pause": "30 min",
        "library": f"version {store.current().version} ({store.current().wire_digest.hex()})",
    }


def test_flex_in_words():
    shown = {field: text for field, text in rows(NIGHT).items() if field.startswith("basal")}
    assert shown == {
        "basal.mode": "flex",
        "basal.dose": "about 4.396429 mg/day (mean)",
        "basal.step[06:30]": "3.6 mg/day (0.15 mg/h)",
        "basal.step[09:00 sat sun]": "6 mg/day (0.25 mg/h)",
        "basal.step[22:00]": "4.8 mg/day (0.2 mg/h)",
    }


def test_side_by_side_has_every_setting():
    old, new = to_wire(morphine()), to_wire(parse_therapy(NIGHT))
    table = {row.field: (row.old, row.new) for row in compare(old, new)}
    assert table["basal.mode"] == ("continuous", "flex")
    assert table["patient_bolus.dose"] == ("100 mcg", None)
    assert table["basal.step[06:30]"] == (None, "3.6 mg/day (0.15 mg/h)")
    assert table["pump.fill"] == ("40 mL", "40 mL")
    assert all(row.old is None for row in compare(None, new))
    assert changes(old, old) == []


@pytest.mark.req("HOST-03")
@pytest.mark.parametrize(
    ("old", "new", "large"),
    [
        ({"dose": "2.4 mg/day"}, {"dose": "4.8 mg/day"}, []),
        ({"dose": "2.4 mg/day"}, {"dose": "4.800001 mg/day"}, ["basal.dose"]),
        ({"dose": "2.4 mg/day"}, {"dose": "1.2 mg/day"}, []),
        ({"dose": "2.4 mg/day"}, {"dose": "1.199999 mg/day"}, ["basal.dose"]),
        ({"lockout": "6 h"}, {"lockout": "2 h"}, []),
        ({"lockout": "12 h"}, {"lockout": "2 h"}, ["patient_bolus.per_day"]),
        ({"max_dose_24h": "2 mg"}, {"max_dose_24h": "6 mg"}, ["limits.max_dose_24h"]),
        ({"fill": "40 mL"}, {"fill": "10 mL"}, []),
    ],
)
def test_more_than_twofold_is_large(old, new, large):
    before, after = (wire(parse_model(with_lines(MORPHINE, **lines))) for lines in (old, new))
    found = compare(before, after)
    assert [row.field for row in found if row.large] == large


def test_the_interval_error_of_2004_shows():
    """Minutes instead of hours: the dose per day is 60 times as much, and that is a line of the review."""
    text = (
        CONSTANT + '[[periodic_bolus]]\ndose = "0.01 mg"\nduration = "5 min"\nevery = "{}"\nfirst = "1 h"\n'
    )
    old, new = (wire(parse_model(text.format(every))) for every in ("6 h", "6 min"))
    row = next(row for row in compare(old, new) if row.field == "periodic_bolus[1].per_day")
    assert (row.old, row.new, row.ratio, row.large) == ("40 mcg/day", "2.4 mg/day", 60, True)


# --- host and pump ---


def test_host_and_pump_have_the_same_ranges():
    pump = {name: (low, high) for name, low, high in Bounds().table}
    ours = {
        "concentration_ng_per_ml": limits.CONCENTRATION,
        "basal_dose_ng_per_day": limits.DOSE_PER_DAY,
        "basal_rate_pl_per_day": limits.BASAL_RATE,
        "bolus_dose_ng": limits.BOLUS_DOSE,
        "bolus_duration_us": limits.BOLUS_DURATION,
        "plan_span_us": limits.PLAN_SPAN,
        "catheter_pl": limits.CATHETER,
    }
    fields = [
        number
        for section in (Pump, Catheter, Start, PeriodicBolus, PatientBolus, Limits, Alarms)
        for number in numbers_of(section)
    ]
    its_own = {"every_us": "period_us"}  # where the pump's limit has another name than the field
    for number in fields:
        name = its_own.get(number.wire, number.wire)
        if name in pump and number.reader.allowed is not None:
            ours[name] = number.reader.allowed
    assert {"low_reservoir_days", "max_pause_s", "lockout_us", "period_us", "max_per_24h"} < set(ours)
    # told of no limit of the pump's: what it bounds with others
    assert {x.wire for x in fields} - set(ours) - set(its_own) == {
        *("catheter_length_um", "catheter_pl_per_cm"),
        *("dose_ng", "duration_us"),
    }
    assert {name: (bounds.low, bounds.high) for name, bounds in ours.items()} == {
        name: pump[name] for name in ours
    }
    assert pump["drugs"][1] == limits.MAX_DRUGS
    assert pump["plan"] == (0, limits.MAX_PLAN_STEPS)
    assert pump["periodic_boluses"][1] == limits.MAX_PERIODIC_BOLUSES
    assert MAX_PERIODIC_A_DAY == limits.MAX_PERIODIC_PER_24H
    assert MAX_FLEX_STEPS_A_DAY == limits.MAX_STEPS_PER_DAY
    assert pump["basal_steps"][1] == limits.MAX_STEPS


def prescribed(text: str) -> Prescription:
    return Prescription(wire(parse_model(text)), Bounds())


@pytest.mark.req("SEC-11", part="both accept the same")
@pytest.mark.parametrize("text", [MORPHINE, NIGHT, CONSTANT, *(p.read_text() for p in EXAMPLES)])
def test_the_pump_takes_what_the_host_takes(text: str):
    assert errors_of(text) == []
    assert prescribed(text)


@pytest.mark.req("SEC-11", part="both refuse the same")
@pytest.mark.parametrize(
    "text",
    [
        with_lines(MORPHINE, reservoir="20 mL"),
        with_lines(CONSTANT, dose="0.95 mg/day"),
        with_lines(CONSTANT, dose="50 mg/day", concentration="2 mg/mL"),
        HEAD + DRUG + '[basal]\nmode = "flex"\n',
        CONSTANT.replace("continuous", "stopped"),
        flex(("06:00", "2 mg/day"), ("06:00", "3 mg/day", ["sat"])),
        with_lines(MORPHINE, max_rate="1 mL/day"),  # the patient bolus needs 1.44 mL/day
    ],
)
def test_the_pump_refuses_what_the_host_refuses(text: str):
    assert errors_of(text)
    with pytest.raises(Refused):
        prescribed(text)


steps = st.lists(
    st.tuples(st.integers(0, 1439), st.integers(1, 127), st.integers(960_000, 48_000_000)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=50)
@given(steps, st.integers(1, 100_000), st.integers(60, 86400), st.integers(300, 500_000))
def test_the_pump_computes_the_same_worst_case(chosen, dose_ng: int, duration_s: int, every_s: int):
    taken = dict[int, tuple[int, int, int]]()
    for start, days, dose in chosen:
        for day in range(7):
            if days >> day & 1:
                taken.setdefault(day * 1440 + start, (start, day, dose))
    text = flex(
        *[
            (f"{start // 60:02}:{start % 60:02}", f"{dose} ng/day", [WEEKDAYS[day]])
            for start, day, dose in sorted(taken.values(), key=lambda step: (step[1], step[0]))
        ]
    )
    text += f'[[periodic_bolus]]\ndose = "{dose_ng} ng"\nduration = "{min(duration_s, every_s)} s"\n'
    text += f'every = "{every_s} s"\nfirst = "1 s"\n'
    assume(not errors_of(text))
    checked = parse_therapy(text)
    therapy = checked.model
    ours = worst_window(therapy, DAY_MIN)
    theirs = worst_case_24h(Prescription(to_wire(checked), Bounds()))
    for drug, (scheduled, worst) in zip(therapy.drugs, theirs, strict=True):
        exact = ours.scheduled.amount * share_of(drug, therapy)
        assert exact <= scheduled < exact + 3  # the pump rounds each part up to a whole ng
        assert ours.with_patient * share_of(drug, therapy) <= worst


def test_ratio_is_exact():
    found = changes(to_wire(morphine(dose="2.4 mg/day")), to_wire(morphine(dose="2.5 mg/day")))
    assert [(row.field, row.ratio) for row in found] == [("basal.dose", Fraction(25, 24))]
