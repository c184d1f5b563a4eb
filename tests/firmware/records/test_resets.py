"""Resets in a row raise an alarm, and each has its cost on record (ALM-09)."""

import pytest

from firmware.dosing import rig
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client

MIN_US = 60_000_000
STEP_PL = 2500


def standing(client: Client) -> set[str]:
    return {alarm.name for alarm in client.alarms().standing}


@pytest.mark.req("ALM-09", part="the third reset within an hour, and how it clears")
def test_the_third_reset_within_an_hour_is_an_alarm():
    with Emulator(seed=1) as pump:
        with Client.connect(pump.port) as client:
            client.commit(client.propose_program(rig.therapy()).digest)
        for number in range(3):
            pump.bench.advance_by(10 * MIN_US)
            pump.restart()
            with Client.connect(pump.port) as client:
                assert ("resets" in standing(client)) == (number == 2)
                assert client.status().state == "infusing"
        pump.bench.advance_by(59 * MIN_US)
        with Client.connect(pump.port) as client:
            assert "resets" in standing(client)
        pump.bench.advance_by(32 * MIN_US)
        with Client.connect(pump.port) as client:
            assert "resets" not in standing(client)
            kinds = [event.kind for event in client.events() if event.code == 27]
            assert kinds == ["alarm_raised", "alarm_cleared"]


@pytest.mark.req("ALM-09", part="resets that lie further apart are none")
def test_three_resets_in_more_than_an_hour_are_no_alarm():
    with Emulator(seed=1) as pump:
        with Client.connect(pump.port) as client:
            client.commit(client.propose_program(rig.therapy()).digest)
        for _ in range(4):
            pump.bench.advance_by(61 * MIN_US)  # its clock falls back to the last save, half an hour at most
            pump.restart()
            with Client.connect(pump.port) as client:
                assert "resets" not in standing(client)


@pytest.mark.req("ALM-09", part="what a reset counted as given")
def test_what_a_reset_costs_is_on_record():
    with Emulator(seed=1) as pump:
        with Client.connect(pump.port) as client:
            client.commit(client.propose_program(rig.therapy()).digest)
        pump.bench.advance_by(120 * MIN_US)
        made = pump.bench.truth().steps
        pump.restart()
        with Client.connect(pump.port) as client:
            accounted = client.accounts().steps
            (restored,) = [event for event in client.events() if event.kind == "restored"]
        assert restored.code == 0
        assert restored.a == accounted
        assert restored.b % STEP_PL == 0
        assert restored.b // STEP_PL >= accounted - made > 0
