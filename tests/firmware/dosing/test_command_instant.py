"""A command takes effect at an instant that agrees with the motor's count, whatever it did meanwhile."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.dosing import oracle, rig

MINUTE = 60_000_000


class SkewedRig(rig.Rig):
    """The motor's clock is off by `skew_us` while a command is carried out, as hardware's is."""

    def act_skewed(self, event, skew_us):
        now = self.now
        read = now()
        self.now = lambda: read  # the instant the pump has read
        self.motor.now_us += skew_us
        refusal = self.act(event)
        self.motor.now_us = max(self.motor.now_us - skew_us, self.delivery.at.total_us())
        self.now = now
        return refusal


@pytest.mark.req("DEL-01", "DEL-10")
@given(
    st.lists(st.tuples(st.integers(1, MINUTE), st.integers(-30_000, 30_000)), min_size=1, max_size=12),
    st.integers(40_000_000, 90_000_000),
)
@settings(max_examples=150)
def test_no_step_is_lost_or_made_twice_when_the_motor_is_early_or_late(commands, dose):
    therapy = rig.therapy(basal_dose_ng_per_day=dose)
    therapy["drugs"][0]["concentration_ng_per_ml"] = 10_000_000
    played = SkewedRig()
    events = [{"at_us": 0, "do": "program", "therapy": therapy}]
    assert played.act(events[0]) is None
    refusals: list[str | None] = [None]
    for at, skew in sorted(commands):
        played.run_to(max(at, played.motor.now_us))
        event = {"do": "stop" if played.delivery.flowing else "resume", "resume_after_s": 0}
        refusals.append(played.act_skewed(event, skew))
        events.append(dict(event, at_us=played.delivery.at.total_us()))
        assert abs(events[-1]["at_us"] - played.motor.now_us) <= 30_000
    end = played.motor.now_us + MINUTE
    played.run_to(end)
    scenario = {"day": 0, "second": 0, "end_us": end, "events": events}
    expected = oracle.Course(scenario, refusals).steps(2500)
    assert played.delivery.fault == 0
    assert len(played.motor.made) == len(expected)
    assert played.motor.made == expected


@pytest.mark.req("INT-08")
def test_a_count_that_no_instant_nearby_explains_is_a_fault():
    played = SkewedRig()
    therapy = rig.therapy(basal_dose_ng_per_day=60_000_000)
    assert played.act({"do": "program", "therapy": therapy}) is None
    played.run_to(MINUTE)
    del played.motor.made[-40:]
    assert played.act({"do": "stop"}) == "alarm"
    assert played.delivery.fault == 1
    assert not played.delivery.flowing
