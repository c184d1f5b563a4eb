"""Rolling limits per drug: the pump's verdict on a bolus against the exact highest window (BOL-05)."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.dosing import oracle, rig

HOUR = 3_600_000_000
DAY = 24 * HOUR
FIVE_MIN = 300_000_000


def highest_window(segments, window_us, first_end_us, last_end_us):
    """Exact highest volume (pL) of any window that ends in (first_end_us, last_end_us], by brute force."""
    corners = {0} | {edge for begin, end, _ in segments for edge in (begin, end)}
    ends = {e for c in corners for e in (c, c + window_us) if first_end_us < e <= last_end_us}

    def volume_until(at):
        return sum(
            ((min(at, end) - begin) * rate for begin, end, rate in segments if begin < at), Fraction(0)
        )

    return max((volume_until(e) - volume_until(e - window_us) for e in ends), default=Fraction(0))


def exact_highest(scenario, refusals, index, window_us):
    """The highest window once the bolus of event `index` is accepted and nobody asks for more."""
    events = scenario["events"][: index + 1]
    event = events[-1]
    bolus = event if event["do"] == "bolus" else events[0]["therapy"]["patient_bolus"][0]
    at = event["at_us"]
    end = at + bolus["duration_us"] + window_us
    ahead = dict(scenario, events=events, end_us=end)
    course = oracle.Course(ahead, refusals[:index] + [None])
    return highest_window(course.segments, window_us, at, end)


@st.composite
def scenarios(draw):
    concentration = draw(st.sampled_from([10_000_000, 1_000_003, 20_000_000]))
    daily = concentration // 10  # 0.1 mL/day
    therapy = rig.therapy(step_volume_pl=50_000, basal_dose_ng_per_day=daily)
    therapy["drugs"][0]["concentration_ng_per_ml"] = concentration
    therapy["drugs"][0]["max_dose_24h_ng"] = draw(st.integers(daily, 2 * daily))
    if draw(st.booleans()):
        therapy["drugs"][0]["max_dose_1h_ng"] = draw(st.integers(daily // 12, daily // 2))
    if draw(st.booleans()):
        therapy.update(basal_mode=2, basal_dose_ng_per_day=0)
        for start in draw(st.lists(st.integers(0, 1439), min_size=1, max_size=4, unique=True)):
            dose = draw(st.integers(daily // 2, daily))
            therapy["basal_steps"].append({"start_min": start, "days": 127, "dose_ng_per_day": dose})
    if draw(st.booleans()):
        therapy["periodic_boluses"] = [
            {
                "dose_ng": draw(st.integers(1, daily // 20)),
                "duration_us": draw(st.integers(1, 3600)) * 1_000_000,
                "every_us": draw(st.integers(2, 9)) * HOUR,
                "first_us": draw(st.integers(1, 3)) * HOUR,
            }
        ]
    therapy["patient_bolus"] = [
        {
            "dose_ng": draw(st.integers(1, daily // 8)),
            "duration_us": draw(st.integers(60, 3600)) * 1_000_000,
            "lockout_us": 1_000_000,
            "max_per_24h": 96,
        }
    ]
    events = [{"at_us": 0, "do": "program", "therapy": therapy}]
    for at in sorted(draw(st.lists(st.integers(HOUR, 40 * HOUR), min_size=1, max_size=14))):
        do = draw(
            st.sampled_from(["patient_bolus", "patient_bolus", "patient_bolus", "bolus", "stop", "resume"])
        )
        event = {"at_us": at, "do": do}
        if do == "bolus":
            event.update(dose_ng=draw(st.integers(1, daily // 4)), extended=draw(st.integers(0, 1)))
            event["duration_us"] = draw(st.integers(60, 20_000)) * 1_000_000
        events.append(event)
    return {"start_us": 0, "day": 0, "second": 0, "end_us": 48 * HOUR, "events": events}


@pytest.mark.req("BOL-05")
@given(scenarios())
@settings(max_examples=120)
def test_a_bolus_is_refused_just_when_a_window_would_pass_a_limit(scenario):
    _, refusals, _ = rig.play(scenario)
    therapy = scenario["events"][0]["therapy"]
    if refusals[0] is not None:
        return
    drug = therapy["drugs"][0]
    concentration = drug["concentration_ng_per_ml"]
    step_ng = Fraction(therapy["step_volume_pl"] * concentration, 10**9)
    for index, event in enumerate(scenario["events"]):
        verdict = refusals[index]
        if "bolus" not in event["do"] or verdict not in (None, "limit_24h", "limit_1h"):
            continue
        for reason, field, window_us in (
            ("limit_24h", "max_dose_24h_ng", DAY),
            ("limit_1h", "max_dose_1h_ng", HOUR),
        ):
            limit = drug[field]
            if not limit or (verdict and verdict != reason):
                continue
            dose = exact_highest(scenario, refusals, index, window_us) * concentration / 10**9
            if verdict is None:
                assert dose <= limit + 2 * step_ng  # the count is whole steps
            else:
                slack = 2 * Fraction(drug["max_dose_24h_ng"], 288)  # changes within 5 min share an entry
                assert dose + slack > limit - step_ng


@pytest.mark.req("BOL-05")
def test_a_dose_that_just_reaches_the_limit_is_allowed_and_one_more_is_not():
    therapy = rig.therapy(basal_dose_ng_per_day=2_400_000)
    therapy["drugs"][0]["max_dose_24h_ng"] = 2_600_000
    bolus = {"dose_ng": 100_000, "duration_us": 300_000_000, "lockout_us": HOUR, "max_per_24h": 96}
    therapy["patient_bolus"] = [bolus]
    events = [{"at_us": 0, "do": "program", "therapy": therapy}]
    # one second early, the last second of the first bolus would still be in a window with all of this one
    times = [30 * HOUR, 32 * HOUR, 34 * HOUR, 50 * HOUR, 54 * HOUR - 1_000_000, 54 * HOUR]
    events += [{"at_us": at, "do": "patient_bolus"} for at in times]
    scenario = {"start_us": 0, "day": 0, "second": 0, "end_us": 60 * HOUR, "events": events}
    _, refusals, _ = rig.play(scenario)
    assert refusals == [None, None, None, "limit_24h", "limit_24h", "limit_24h", None]


@pytest.mark.req("BOL-05")
def test_every_drug_of_a_mixture_has_its_own_limit():
    therapy = rig.therapy(basal_dose_ng_per_day=2_400_000)
    second = {"name": "bupivacaine", "concentration_ng_per_ml": 5_000_000}
    therapy["drugs"].append(dict(second, max_dose_24h_ng=620_000, max_dose_1h_ng=0))
    therapy["library"] = rig.section(therapy["drugs"])
    therapy["patient_bolus"] = [
        {"dose_ng": 60_000, "duration_us": 300_000_000, "lockout_us": HOUR, "max_per_24h": 96}
    ]
    events = [{"at_us": 0, "do": "program", "therapy": therapy}]
    events += [{"at_us": hour * HOUR, "do": "patient_bolus"} for hour in (30, 32)]
    scenario = {"start_us": 0, "day": 0, "second": 0, "end_us": 33 * HOUR, "events": events}
    _, refusals, _ = rig.play(scenario)
    assert refusals == [None, None, "limit_24h"]  # 600 000 by schedule, 15 000 a bolus
