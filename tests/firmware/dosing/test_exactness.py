"""Every step in its exact microsecond: random therapies and events against fractions (DEL-01)."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.dosing import oracle, rig

HOUR = 3_600_000_000
PRIMES = (2503, 2_487, 99_991, 19_997_003, 7, 1_000_003, 86_399)


def amounts(low, high):
    """Round figures, figures with large prime factors, any figure."""
    primes = st.sampled_from([p * k for p in PRIMES for k in (1, 3, 1000) if low <= p * k <= high] or [low])
    return st.one_of(st.integers(low, high), primes)


durations = st.one_of(
    st.integers(1, 7200).map(lambda s: s * 1_000_000),
    st.integers(1_000_000, 2 * HOUR),
    st.sampled_from([60_000_000, 300_000_000, 86_399_000_000, 7 * 61 * 1_000_000]),
)


@st.composite
def therapies(draw):
    concentration = draw(amounts(1_000, 100_000_000))
    step_volume_pl = draw(amounts(24_000, 10_000_000))
    low = -(-48_000_000 * concentration // 10**9)
    most_flow = min(24_000_000_000, 2_000 * step_volume_pl)  # at most 2,000 steps a day: quick to check
    high = min(100_000_000, most_flow * concentration // 10**9)
    low, high = max(1, low), max(1, low, high)
    mode = draw(st.sampled_from([0, 1, 1, 2, 2, 3]))
    values = rig.therapy(
        step_volume_pl=step_volume_pl,
        basal_mode=mode,
        basal_dose_ng_per_day=draw(amounts(low, high)) if mode == 1 else 0,
    )
    values["drugs"][0]["concentration_ng_per_ml"] = concentration
    if mode == 2:
        starts = draw(st.lists(st.integers(0, 1439), min_size=1, max_size=6, unique=True))
        values["basal_steps"] = [
            {"start_min": s, "days": draw(st.integers(1, 127)), "dose_ng_per_day": draw(amounts(low, high))}
            for s in starts
        ]
    bolus = max(1, 300 * step_volume_pl * concentration // 10**9)
    if draw(st.booleans()):
        values["periodic_boluses"] = [
            {
                "dose_ng": draw(amounts(1, bolus)),
                "duration_us": draw(durations),
                "every_us": 24 * HOUR // draw(st.integers(1, 9)) + draw(st.integers(0, 10**6)),
                "first_us": draw(st.integers(1_000_000, 9 * HOUR)),
            }
        ]
    if draw(st.booleans()):
        values["patient_bolus"] = [
            {
                "dose_ng": draw(amounts(1, bolus)),
                "duration_us": draw(durations),
                "lockout_us": draw(st.integers(1_000_000, HOUR)),
                "max_per_24h": draw(st.integers(1, 12)),
            }
        ]
    if mode == 1 and draw(st.booleans()):
        steps = draw(st.lists(st.tuples(st.integers(3600, 20_000), amounts(low, high)), max_size=5))
        after_s = 0
        for span_s, dose in steps:
            after_s += span_s
            values["plan"].append({"after_us": after_s * 1_000_000, "dose_ng_per_day": dose})
    if draw(st.integers(0, 4)) == 0:
        values["start_delay_s"] = draw(st.integers(1, 20_000))
    values["catheter_length_um"] = draw(st.integers(0, 400_000))
    values["pump_tubing_pl"] = draw(st.integers(1, 140_000_000))
    return values


def other_concentration(draw, old, step_volume_pl):
    """A therapy for another filling, with or without a bridge from the old one."""
    values = draw(therapies())
    values["step_volume_pl"] = step_volume_pl
    old_ng_per_ml = old["drugs"][0]["concentration_ng_per_ml"]
    if draw(st.booleans()):
        least = -(-48_000_000 * old_ng_per_ml // 10**9)
        dose = draw(amounts(max(1, least), max(1, least * 40)))
        values["bridge"] = [{"dose_ng_per_day": dose, "concentration_ng_per_ml": old_ng_per_ml}]
        values["plan"] = []
        values["start_delay_s"] = 0
    return values


KINDS = (
    "bolus bolus patient_bolus patient_bolus stop resume resume program clock prime refill refilled "
    "skip_bridge cancel_plan"
).split()


@st.composite
def scenarios(draw, longest_h=30, most_events=8):
    events = [{"at_us": 0, "do": "program", "therapy": draw(therapies())}]
    end = draw(st.integers(longest_h * HOUR // 30, longest_h * HOUR))
    for at in sorted(draw(st.lists(st.integers(0, end), max_size=most_events))):
        do = draw(st.sampled_from(KINDS))
        event = {"at_us": at, "do": do}
        if do == "bolus":
            event.update(
                dose_ng=draw(amounts(1, 30_000)),
                duration_us=draw(durations),
                extended=draw(st.integers(0, 1)),
            )
        elif do == "program":
            event["therapy"] = draw(therapies())
            event["therapy"]["step_volume_pl"] = events[0]["therapy"]["step_volume_pl"]
            event["therapy"]["drugs"] = events[-1].get("therapy", events[0]["therapy"])["drugs"]
        elif do == "refilled":
            events.append({"at_us": at, "do": "refill", "volume_pl": 30_000_000_000, "residual_pl": 0})
            old = [e["therapy"] for e in events if e["do"] == "program"][-1]
            values = other_concentration(draw, old, events[0]["therapy"]["step_volume_pl"])
            event = {"at_us": at, "do": "program", "therapy": values}
        elif do == "refill":
            event.update(volume_pl=30_000_000_000, residual_pl=0)
        elif do == "prime":
            event["dry"] = draw(st.integers(0, 1))
        elif do == "stop":
            event["resume_after_s"] = draw(st.sampled_from([0, 0, 1, 900, 1800]))
        elif do == "clock":
            event.update(
                absolute=0, day=0, second=0, us=0, offset_us=draw(st.integers(-30 * HOUR, 30 * HOUR))
            )
        events.append(event)
    return {
        "start_us": draw(st.one_of(st.just(0), st.integers(0, 10**13))),
        "day": draw(st.integers(0, 20_000)),
        "second": draw(st.integers(0, 86_399)),
        "end_us": end,
        "events": events,
    }


def check(scenario):
    times, refusals, played = rig.play(scenario)
    expected = oracle.Course(scenario, refusals).steps(scenario["events"][0]["therapy"]["step_volume_pl"])
    assert played.delivery.fault == 0
    assert times == expected
    return played


@pytest.mark.req("DEL-01", "DEL-12", "BOL-01", "BOL-02", "BOL-11")
@given(scenarios())
@settings(max_examples=300)
def test_every_step_is_at_its_exact_microsecond(scenario):
    try:
        rig.Prescription(scenario["events"][0]["therapy"], rig.Bounds())
    except rig.Refused:
        return
    played = check(scenario)
    assert played.motor.most_in_flight <= 64
    assert played.delivery.rates.scale.rounded == 0


@pytest.mark.req("DEL-01", part="thirty days of every source and event")
@given(scenarios(longest_h=30 * 24, most_events=40))
@settings(max_examples=int(os.environ.get("THECAL_MONTHS", "8")))
def test_a_month_of_everything(scenario):
    """THECAL_MONTHS=1000 tries so many of them."""
    try:
        rig.Prescription(scenario["events"][0]["therapy"], rig.Bounds())
    except rig.Refused:
        return
    check(scenario)
