"""A host with a key may ask so much and no more: frames and sessions by role (SEC-19, SEC-20)."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.dosing import rig
from pump.link import budgets
from pump.rate_limit import RateLimit
from thecal import Pump
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.link.client import Client
from thecal.monitor.command import Monitor
from thecal.monitor.look import Looking
from thecal.monitor.pace import Pace
from thecal_protocol.messages import STATUS
from thecal_protocol.roles import CLINICIAN, OBSERVER, PATIENT

SOAK = bool(os.environ.get("THECAL_SOAK"))
S = 1_000_000
EIGHT_HOURS_S = 8 * 3600
FEW = 60  # frames in store: the real number takes a minute to use up
SCRIPT = f"""
from pump.link import budgets

budgets.FRAMES = {FEW}
import main
"""


@pytest.fixture
def pump(tmp_path: Path) -> Iterator[Emulator]:
    script = tmp_path / "few.py"
    script.write_text(SCRIPT)
    with Emulator(seed=3, script=script, source=True) as emulator:
        yield emulator


@given(
    st.integers(1, 500),
    st.integers(1, 9),
    st.integers(1, 90),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 30)), max_size=40),
)
def test_an_allowance_gives_what_it_had_and_what_it_regained(
    most: int, gain: int, every_s: int, asked: list[tuple[int, int]]
):
    """Against a bucket that is filled second by second."""
    limit = RateLimit(most, gain, every_s)
    limit.begin(7, full=True)
    s, left = 7, most
    for after_s, times in asked:
        for _ in range(after_s):
            s += 1
            if (s - 7) % every_s == 0:
                left = min(most, left + gain)
        for _ in range(times):
            assert limit.take(s) == (left > 0)
            left = max(0, left - 1)
        assert limit.has(s, left)
        assert not limit.has(s, left + 1)
        assert 0 < limit.wait_s(s) <= every_s


def test_the_numbers_are_those_that_the_documents_name():
    assert (budgets.FRAMES, budgets.FRAMES_A_S, budgets.SESSIONS, budgets.SESSION_S) == (20_000, 5, 60, 60)
    store = budgets.Budgets(0, True)
    assert sum(store.take_frame(PATIENT, 0x02, 0) for _ in range(21_000)) == 20_000
    assert sum(store.take_frame(CLINICIAN, 0x02, 0) for _ in range(21_000)) == 20_000
    assert sum(store.take_frame(CLINICIAN, 0x20, 0) for _ in range(200)) == budgets.FOR_STOP
    assert sum(store.take_frame(PATIENT, 0x02, 3) for _ in range(50)) == 15
    later = budgets.Budgets(1000, False)  # a reset is no refill
    assert sum(later.take_frame(PATIENT, 0x02, 1000) for _ in range(21_000)) == 10_000


@pytest.mark.req("SEC-19")
def test_a_host_that_loops_is_refused_and_costs_nobody_else(pump: Emulator):
    with Client.connect(pump.port) as client:
        client.commit(client.propose_program(rig.therapy()).digest)
    steps = pump.bench.truth().steps
    with Client.connect(pump.port, role="patient") as patient:
        for _ in range(FEW):
            patient.status()
        for _ in range(30):
            with pytest.raises(Refused) as refused:
                patient.status()
            assert (refused.value.name, refused.value.detail) == ("over_budget", "1")
        pump.bench.advance_by(2_000_000)
        for _ in range(2 * budgets.FRAMES_A_S):
            patient.status()
        with pytest.raises(Refused, match="over_budget"):
            patient.status()
    with Client.connect(pump.port) as client:  # of its own; the last of them for a stop
        for _ in range(FEW):
            client.status()
        with pytest.raises(Refused, match="over_budget"):
            client.status()
        client.stop()
        with pytest.raises(Refused, match="over_budget"):
            client.resume()
        pump.bench.advance_by(60_000_000)
        client.resume()
        pump.bench.advance_by(3600_000_000)
        assert pump.bench.truth().steps > steps
        events = client.events(0)
    refusals = [event for event in events if event.kind == "command_refused" and event.actor == "patient"]
    assert len(refusals) == 1  # the others are counted


@pytest.mark.req("SEC-19", part="sessions")
def test_sessions_of_a_role_are_counted(pump: Emulator):
    with Client.connect(pump.port) as client:
        client.status()
    for _ in range(budgets.SESSIONS - 1):
        Client.connect(pump.port).close()
    with pytest.raises(Refused) as refused:
        Client.connect(pump.port)
    assert refused.value.name == "too_many_sessions"
    assert 0 < int(refused.value.detail) <= budgets.SESSION_S
    with Client.connect(pump.port, role="observer") as observer:
        assert observer.status().state == "unprogrammed"
    pump.bench.advance_by((int(refused.value.detail) + 1) * 1_000_000)
    with Client.connect(pump.port) as client:
        told = [event for event in client.events(0) if event.kind in ("session_opened", "repeated")]
    assert len(told) <= 4


@pytest.mark.req("SEC-20")
def test_past_its_budget_a_host_wakes_the_pump_once_a_second(tmp_path: Path):
    """As fast as the line goes, by the pump's own clock: what is answered is in store, and one refusal a
    second beyond it."""
    script = tmp_path / "few.py"
    script.write_text(SCRIPT)
    with (
        Emulator(seed=3, clock="real", script=script, source=True) as pump,
        Client.connect(pump.port, role="observer") as observer,
    ):
        first = last = observer.status().now.s
        answered = 1
        refused = 0
        while last < first + 3:
            try:
                last = observer.status().now.s
                answered += 1
            except Refused:
                refused += 1
    spans = last - first + 1
    assert FEW <= answered <= FEW + budgets.FRAMES_A_S * spans
    assert refused <= 2 * spans


@pytest.mark.timeout(7200 if SOAK else 120)
@pytest.mark.req("SEC-19", part="eight hours of watching, on the screen and in lines")
@pytest.mark.parametrize("what", [Looking, Monitor])
def test_watching_never_uses_up_a_budget(pump: Emulator, what: type[Looking] | type[Monitor]):
    """A look each second of the pump's time, with 60 requests in store: of 20,000 no more would ever be
    missing. Boluses are asked for meanwhile."""
    bolus = {"dose_ng": 20_000, "duration_us": 60 * S, "lockout_us": 60 * S, "max_per_24h": 96}
    with Pump(pump.port) as watched:
        client = watched.client
        client.commit(client.propose_program(rig.therapy(patient_bolus=[bolus])).digest)
        pump.bench.advance_by(60 * S)
        watching = what(watched)
        watching.look()
        pump.bench.advance_by(60 * S)
        before = client.asked
        looks = EIGHT_HOURS_S if SOAK else 300
        for second in range(looks):
            pump.bench.advance_by(S)
            watching.look()
            if second % 3600 == 70:
                client.patient_bolus()
        asked = client.asked - before
    assert asked < 3 * looks
    # eight hours of it fit into half a store, which is what a reset leaves, and all that is regained
    assert EIGHT_HOURS_S * asked < looks * (budgets.FRAMES // 2 + EIGHT_HOURS_S * budgets.FRAMES_A_S)


@pytest.mark.req("SEC-19", part="watching at any interval, whatever a look takes")
@pytest.mark.parametrize(("requests", "interval_s"), [(3, 0.05), (60, 1.0), (60, 0.001), (6, 1.0)])
def test_watching_at_any_interval_keeps_within_the_budget(requests: int, interval_s: float):
    """Right after a reset: half a store."""
    store = budgets.Budgets(0, False)
    at_s = 0.0

    class Asking:
        asked = 0

    client = Asking()
    pace = Pace(client, interval_s, lambda: at_s)  # type: ignore[arg-type]
    while at_s < EIGHT_HOURS_S:
        for _ in range(requests):
            client.asked += 1
            assert store.take_frame(OBSERVER, STATUS, int(at_s))
        wait_s = pace.wait_s()
        if client.asked <= 1000:
            assert wait_s == interval_s  # as often as it was asked for, at first
        at_s += wait_s
    assert store._frames[OBSERVER - 1].has(int(at_s), budgets.FRAMES // 3)  # for commands of the same role
