"""The dose at the tip: both models against brute force, plug flow against the pump's own account."""

from collections import deque
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.samples import BASAL, CONSTANT, DRUG, HEAD, MORPHINE, flex, morphine, with_lines
from pressing import presser
from thecal.client import Client
from thecal.emulator import Emulator
from thecal.errors import Refused, TherapyError
from thecal.programming import prepare_program
from thecal.therapy import parse_therapy
from thecal.therapy_wire import to_wire
from thecal.tip import predict_tip
from thecal.tip_plot import plot_tip

H_US = 3_600_000_000
MONDAY = datetime(2026, 1, 5)
OLD = to_wire(morphine(concentration="10 mg/mL", dose="5 mg/day"))
NEW = with_lines(MORPHINE, dose="5 mg/day")
SECOND = '[[drug]]\nname = "bupivacaine"\nconcentration = "{}"\n'


def wire(text: str, running: dict[str, object] | None = None) -> dict[str, Any]:
    return to_wire(parse_therapy(text), running)


def periodic(dose: str, duration: str, every: str, first: str) -> str:
    times = f'duration = "{duration}"\nevery = "{every}"\nfirst = "{first}"\n'
    return f'[[periodic_bolus]]\ndose = "{dose}"\n{times}'


def test_without_a_bridge_half_the_dose_until_the_new_filling_arrives():
    found = predict_tip(wire(NEW), OLD)
    assert found.arrival_us == Fraction(335_800_000 * 24 * H_US, 250_000_000)
    assert found.plug_ng_per_day("morphine", 0) == 2_500_000
    assert found.plug_ng_per_day("morphine", 32 * H_US) == 2_500_000
    assert found.plug_ng_per_day("morphine", 33 * H_US) == 5_000_000
    assert found.mixed_ng_per_day("morphine", 0) == pytest.approx(2_500_000)
    assert found.arrival_us is not None
    # one dead volume later 1/e of the difference is left
    assert found.mixed_ng_per_day("morphine", round(found.arrival_us)) == pytest.approx(
        5e6 - 2.5e6 / 2.718281828
    )


def test_with_a_bridge_the_dose_is_the_intended_one_all_along():
    found = predict_tip(wire(NEW + "[bridge]\n", OLD), OLD)
    rates = {found.plug_ng_per_day("morphine", hour * H_US) for hour in range(73)}
    assert rates == {5_000_000}
    assert found.plug_ng("morphine", 72 * H_US) == 15_000_000
    assert found.arrival_us is not None
    assert round(found.arrival_us / H_US, 1) == Fraction("16.1")
    assert (
        found.mixed_ng_per_day("morphine", 16 * H_US) > 8_000_000
    )  # a catheter that mixes gives more at first


def test_a_mixture_and_a_drug_that_leaves():
    old = wire(HEAD + DRUG.replace("20", "10") + SECOND.format("5 mg/mL") + BASAL)
    found = predict_tip(wire(CONSTANT), old)
    assert found.drugs == ["morphine", "bupivacaine"]
    assert found.plug_ng_per_day("bupivacaine", H_US) == 600_000
    assert found.plug_ng_per_day("bupivacaine", 72 * H_US) == 0
    assert found.plug_ng("bupivacaine", 72 * H_US) == Fraction(335_800_000 * 5_000_000, 10**9)


def test_the_first_program_of_all():
    found = predict_tip(wire(CONSTANT), None)
    assert found.plug_ng("morphine", 67 * H_US) == 0
    assert found.plug_ng("morphine", 72 * H_US) == Fraction((360_000_000 - 335_800_000) * 20_000_000, 10**9)


def test_start_delay_plan_and_boluses_left_out():
    text = CONSTANT + '[start]\ndelay = "3 h"\n[[plan]]\nafter = "1 h"\ndose = "4.8 mg/day"\n'
    text += periodic("0.1 mg", "10 min", "5 h", "2 h")
    found = predict_tip(wire(text), wire(CONSTANT))
    assert [found.plug_ng_per_day("morphine", hour * H_US) for hour in (0, 2, 3, 4)] == [
        0,
        0,
        2_400_000,
        4_800_000,
    ]
    assert found.plug_ng_per_day("morphine", 7 * H_US) == 4_800_000 + 100_000 * 144
    assert found.plug_ng("morphine", 8 * H_US) == 100_000 + 4 * 200_000 + 100_000


def test_a_bolus_due_as_the_flow_begins_is_given():
    delayed = CONSTANT + '[start]\ndelay = "2 h"\n' + periodic("0.1 mg", "10 min", "9 d", "2 h")
    assert predict_tip(wire(delayed), wire(CONSTANT)).plug_ng("morphine", 3 * H_US) == 200_000


def test_sundays_last_step_runs_on_into_monday():
    text = flex(("06:00", "2.4 mg/day"), ("18:00", "4.8 mg/day", ["sun"]))
    found = predict_tip(wire(text), wire(CONSTANT), MONDAY)
    assert [found.plug_ng_per_day("morphine", hour * H_US) for hour in (0, 5, 6)] == [
        4_800_000,
        4_800_000,
        2_400_000,
    ]


@pytest.mark.parametrize("minute", [0, 7 * 60, 23 * 60 + 59])
def test_flex_follows_local_time(minute: int):
    start = datetime(2026, 1, 4, minute // 60, minute % 60)  # a Sunday
    text = flex(("06:00", "2.4 mg/day"), ("18:00", "4.8 mg/day", ["sun"]), ("00:00", "1.2 mg/day", ["mon"]))
    found = predict_tip(wire(text), wire(CONSTANT), start)
    held = [found.plug_ng_per_day("morphine", m * 60_000_000) for m in range(0, 4320, 7)]

    def dose(at: int) -> int:
        """Minutes after Sunday's midnight, by hand."""
        if at < 6 * 60 or at >= 30 * 60:
            return 2_400_000
        return 2_400_000 if at < 18 * 60 else 4_800_000 if at < 24 * 60 else 1_200_000

    assert held == [dose(minute + m) for m in range(0, 4320, 7)]


rates = st.lists(st.tuples(st.integers(1, 20), st.integers(960_000, 20_000_000)), min_size=1, max_size=5)


@settings(max_examples=30, deadline=None)
@given(rates, st.integers(0, 20), st.sampled_from([1_000_000, 10_000_000, 40_000_000]))
def test_both_models_against_brute_force(pieces: list[tuple[int, int]], delay_h: int, old_concentration: int):
    """Parcels of a minute's flow pushed through a line; and a stirred volume, minute by minute."""
    text, at = CONSTANT + f'[start]\ndelay = "{delay_h} h"\n', 0
    schedule = [(delay_h * 60, 2_400_000)]
    for hours, dose in pieces:
        at += hours
        schedule.append(((delay_h + at) * 60, dose))
        text += f'[[plan]]\nafter = "{at} h"\ndose = "{dose} ng/day"\n'
    old = wire(with_lines(CONSTANT, concentration=f"{old_concentration} ng/mL"))
    found = predict_tip(wire(text), old)
    dead, new_concentration = found.dead_pl, 20_000_000
    line = deque([(Fraction(dead), old_concentration)])
    plug = Fraction(0)
    mixed, concentration = 0.0, float(old_concentration)
    for minute in range(0, 4320):
        dose = next((d for when, d in reversed(schedule) if when <= minute), 0)
        volume = Fraction(dose * 10**9, new_concentration * 1440)
        line.append((volume, new_concentration))
        leaves = volume
        while leaves > 0:
            first, held = line.popleft()
            part = min(first, leaves)
            plug += part * held / 10**9
            leaves -= part
            if first > part:
                line.appendleft((first - part, held))
        for _ in range(4):  # quarter minutes, midpoint
            q = float(volume) / 4
            middle = concentration + (new_concentration - concentration) * q / (2 * dead)
            mixed += q * middle / 10**9
            concentration += (new_concentration - middle) * q / dead
        if minute % 480 == 479:
            until = (minute + 1) * 60_000_000
            assert found.plug_ng("morphine", until) == plug
            assert found.mixed_ng("morphine", until) == pytest.approx(mixed, rel=1e-4, abs=1)


@pytest.fixture(scope="module")
def running_pump():
    """A pump that has run the old program for a day: its catheter is full of the old filling."""
    with Emulator(seed=3) as emulator, Client.connect(emulator.port) as client:
        emulator.bench.set_step_volume(2500)
        emulator.bench.fill(40 * 10**9)
        client.commit(client.propose_program(OLD).digest)
        emulator.bench.advance(emulator.bench.now() + 24 * H_US)
        yield emulator, client


@pytest.mark.req("DEL-11", part="prepared, bridged and predicted as the pump delivers it")
def test_plug_flow_is_the_pumps_own_account(running_pump: tuple[Emulator, Client]):
    emulator, client = running_pump
    text = NEW + "[bridge]\n" + periodic("0.1 mg", "10 min", "7 h", "9 h")
    prepared = prepare_program(client, parse_therapy(text))
    with pytest.raises(Refused, match="refill_first"):
        client.propose_program(prepared.values)
    client.commit(client.propose_refill(40 * 10**9, 3 * 10**9).digest)
    before = client.accounts().fillings[0].tip_pl
    client.button = presser(emulator)
    begin = client.commit(client.propose_program(prepared.values).digest).at.total_us
    found = predict_tip(prepared.values, prepared.running, prepared.start)
    for hour in (8, 16, 17, 30, 72):
        emulator.bench.advance(begin + hour * H_US)
        fillings = client.accounts().fillings
        displaced = found.displaced_pl(hour * H_US)
        assert fillings[0].tip_pl - before == pytest.approx(
            float(min(displaced, found.dead_pl)), abs=2 * 2500
        )
        assert fillings[1].tip_pl == pytest.approx(float(max(0, displaced - found.dead_pl)), abs=2 * 2500)
    with pytest.raises(TherapyError, match=r"^start\.delay: the pump is infusing"):
        prepare_program(client, parse_therapy(NEW + '[start]\ndelay = "1 h"\n'))
    with pytest.raises(TherapyError, match=r"^bridge: the filling stays the same"):
        prepare_program(client, parse_therapy(text))


def test_nothing_that_flows_and_no_dead_volume(tmp_path: Path):
    stopped = HEAD + DRUG + '[basal]\nmode = "stopped"\n'
    found = predict_tip(wire(stopped), OLD)
    assert found.arrival_us is None
    assert found.plug_ng("morphine", 72 * H_US) == 0
    plot_tip(found, tmp_path / "nothing.png")
    none = CONSTANT.replace("140 uL", "0 uL").replace("89 cm", "0 cm")
    found = predict_tip(wire(none), OLD)
    assert found.arrival_us == 0
    assert found.plug_ng("morphine", H_US) == found.mixed_ng("morphine", H_US) == 100_000


@pytest.mark.parametrize("boluses", ["", periodic("0.1 mg", "10 min", "7 h", "9 h")])
def test_the_plot_is_a_picture(tmp_path: Path, boluses: str):
    path = tmp_path / "tip.png"
    plot_tip(predict_tip(wire(NEW + boluses), OLD), path, "10 to 20 mg/mL")
    picture = path.read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert int.from_bytes(picture[16:20], "big") > 700
