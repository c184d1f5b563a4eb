"""A host with a key may ask so much and no more: frames and sessions by role (SEC-19, SEC-20)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dosing import rig
from pump.allowance import Allowance
from pump.link import budgets
from thecal.client import Client
from thecal.emulator import Emulator
from thecal.errors import Refused
from wire.roles import CLINICIAN, PATIENT

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
    with Emulator(seed=3, script=script) as emulator:
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
    allowance = Allowance(most, gain, every_s)
    allowance.begin(7, full=True)
    s, left = 7, most
    for after_s, times in asked:
        for _ in range(after_s):
            s += 1
            if (s - 7) % every_s == 0:
                left = min(most, left + gain)
        for _ in range(times):
            assert allowance.take(s) == (left > 0)
            left = max(0, left - 1)
        assert allowance.has(s, left)
        assert not allowance.has(s, left + 1)
        assert 0 < allowance.wait_s(s) <= every_s


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
        Emulator(seed=3, clock="real", script=script) as pump,
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
