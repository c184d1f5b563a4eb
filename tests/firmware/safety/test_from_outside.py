"""Requirements of boluses, reservoir and alarms, tried on the emulated pump over its line alone."""

import array
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.dosing import rig
from firmware.records.script import BRIDGED, CONSTANT, DRUG, HIGHEST, HOUR_S, MINUTE_S, US
from firmware.records.script import therapy as short_catheter
from support.pressing import presser
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.link.client import Client

STEP_PL = 2500
SILENCE_S = 120


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Client]:
    with Client.connect(emulator.port) as client:
        yield client


def program(client: Client, values: dict[str, object]) -> None:
    client.commit(client.propose_program(values).digest)


def standing(client: Client) -> list[str]:
    return [alarm.name for alarm in client.alarms().standing]


@pytest.mark.req("BOL-03")
def test_one_extended_bolus_at_a_time(emulator: Emulator, client: Client):
    program(client, CONSTANT)
    emulator.bench.advance_by(3 * HOUR_S * US)
    client.commit(client.propose_bolus(300_000, HOUR_S * US, extended=True).digest)
    emulator.bench.advance_by(10 * MINUTE_S * US)
    with pytest.raises(Refused) as refused:
        client.propose_bolus(100_000, HOUR_S * US, extended=True)
    assert refused.value.name == "running"
    client.patient_bolus()  # the extended one waits meanwhile, which makes no second one either
    with pytest.raises(Refused) as refused:
        client.propose_bolus(100_000, HOUR_S * US, extended=True)
    assert refused.value.name == "running"
    emulator.bench.advance_by(2 * HOUR_S * US)
    client.commit(client.propose_bolus(100_000, HOUR_S * US, extended=True).digest)


def boluses_refused(client: Client) -> set[str]:
    """Why neither a clinician's nor a patient's bolus starts."""
    reasons: set[str] = set()
    for ask in (
        lambda: client.commit(client.propose_bolus(100_000, 600 * US).digest),
        lambda: client.commit(client.propose_bolus(100_000, HOUR_S * US, extended=True).digest),
        client.patient_bolus,
    ):
        with pytest.raises(Refused) as refused:
            ask()
        reasons.add(refused.value.name)
    return reasons


@pytest.mark.req("BOL-06", part="a bridge")
def test_no_bolus_in_a_bridge(emulator: Emulator, client: Client):
    client.button = presser(emulator)
    program(client, CONSTANT)
    emulator.bench.advance_by(3 * HOUR_S * US)
    client.commit(client.propose_refill(40_000_000_000, 39_000_000_000).digest)
    program(client, BRIDGED)
    emulator.bench.advance_by(MINUTE_S * US)
    assert client.status().bolus == "bridge"
    assert boluses_refused(client) == {"bridge"}
    assert client.status().bolus == "bridge"


@pytest.mark.req("BOL-06", part="an alarm that stops delivery")
def test_no_bolus_in_an_alarm_that_stops(emulator: Emulator, client: Client):
    program(client, {**CONSTANT, "periodic_boluses": []})
    emulator.bench.advance_by(3 * HOUR_S * US)
    emulator.bench.inject_raw("temperature", millicelsius=43_000)
    emulator.bench.advance_by(15 * MINUTE_S * US)
    assert "temperature_high" in standing(client)
    made = emulator.bench.truth().steps
    assert boluses_refused(client) == {"alarm"}
    emulator.bench.advance_by(MINUTE_S * US)
    assert emulator.bench.truth().steps == made


@pytest.mark.req("BOL-10")
def test_a_prime_needs_the_flag_and_gives_the_dead_volume(emulator: Emulator, client: Client):
    still = short_catheter(name="still", basal_mode=0, basal_dose_ng_per_day=0)
    program(client, still)
    emulator.bench.advance_by(MINUTE_S * US)
    client.button = presser(emulator)
    with pytest.raises(Refused) as refused:
        client.commit(client.propose_prime(dry=True).digest)
    assert refused.value.name == "implant_flag"
    before = emulator.bench.truth().steps
    for dry, dead_pl in ((True, 20_000_000 + 30 * 1_000_000), (False, 30 * 1_000_000)):
        client.set_implant_flag()
        client.commit(client.propose_prime(dry=dry).digest)
        emulator.bench.advance_by(HOUR_S * US)
        made = emulator.bench.truth().steps - before
        assert made == dead_pl // STEP_PL
        before += made


@pytest.fixture
def emptying(emulator: Emulator, client: Client) -> Emulator:
    """24 mL a day out of 2.2 mL."""
    program(client, {**HIGHEST, "fill_pl": 2_200_000_000, "drugs": DRUG, "low_reservoir_days": 0})
    return emulator


@pytest.mark.req("RES-02", part="by volume: low at what is set, empty at 0.5 mL, which stops the motor")
def test_low_and_empty(emptying: Emulator, client: Client):
    bench = emptying.bench
    seen: dict[str, int] = {}
    for _ in range(2 * 60):
        bench.advance_by(MINUTE_S * US)
        for name in standing(client):
            seen.setdefault(name, client.status().reservoir_pl)
    assert 1_900_000_000 < seen["low_reservoir"] <= 2_000_000_000
    assert 450_000_000 < seen["empty_reservoir"] <= 500_000_000
    made = bench.truth().steps
    assert abs(made * STEP_PL - 1_700_000_000) < 50_000_000
    bench.advance_by(HOUR_S * US)
    assert bench.truth().steps == made


@pytest.mark.req("RES-02", part="by days")
def test_low_by_days(emulator: Emulator, client: Client):
    """1 mL a day: seven days before 2 mL are left it is low."""
    program(
        client, rig.therapy(fill_pl=10_000_000_000, basal_dose_ng_per_day=20_000_000, low_reservoir_days=7)
    )
    came: int | None = None
    for day in range(9):
        if "low_reservoir" in standing(client):
            came = day
            break
        emulator.bench.advance_by(86_400 * US)
    assert came is not None
    left_pl = client.status().reservoir_pl
    assert left_pl > 2_000_000_000  # not by volume
    assert 6_000_000_000 <= left_pl <= 9_000_000_000


@pytest.mark.req("RES-05")
def test_silencing_a_reservoir_alarm_changes_nothing(emptying: Emulator, client: Client):
    bench = emptying.bench
    bench.advance_by(15 * MINUTE_S * US)
    assert standing(client) == ["low_reservoir"]
    client.confirm_alarm()
    assert standing(client) == ["low_reservoir"]
    bench.advance_by(90 * MINUTE_S * US)
    assert "empty_reservoir" in standing(client)
    client.silence_alarms()
    made = bench.truth().steps
    bench.advance_by((SILENCE_S + 60) * US)
    alarms = client.alarms()
    assert (alarms.announced, alarms.silent_s) == ("empty_reservoir", 0)  # heard again
    client.confirm_alarm()
    bench.advance_by(600 * US)
    assert "empty_reservoir" in standing(client)
    assert bench.truth().steps == made
    bench.fill(20_000_000_000)
    client.commit(client.propose_refill(20_000_000_000, 500_000_000).digest)
    bench.advance_by(20 * MINUTE_S * US)
    assert "empty_reservoir" not in standing(client)
    assert "low_reservoir" not in standing(client)


@pytest.mark.req("MOT-05")
@pytest.mark.parametrize("kind", ["runaway", "double_rate"])
def test_from_detection_to_a_standing_motor(kind: str, tmp_path: Path, emulator: Emulator, client: Client):
    """The last step falls within 10 ms of the fault's record, or one step period."""
    program(client, CONSTANT)
    emulator.bench.advance_by(HOUR_S * US)
    trace = tmp_path / "trace"
    emulator.bench.mark()
    begun_us = emulator.bench.now()
    emulator.bench.trace(trace)
    if kind == "runaway":
        emulator.bench.inject_raw("planner_fault", kind="runaway")
    else:
        emulator.bench.inject_raw("planner_fault", kind="rate", num=2, den=1)
    emulator.bench.advance_by(2 * HOUR_S * US)
    emulator.bench.trace(None)
    faults = [event for event in client.events(faults=True) if event.kind == "fault"]
    assert len(faults) == 1
    times = array.array("Q", trace.read_bytes())
    last_us = begun_us + times[-1] if times else begun_us
    assert last_us <= faults[0].at.s * US + faults[0].at.us + 10_000
    assert client.status().state == "fault"


@pytest.mark.req("ALM-08")
def test_an_open_session_ends_while_an_alarm_sounds(emulator: Emulator, client: Client):
    program(client, CONSTANT)
    emulator.bench.inject_raw("temperature", millicelsius=41_000)
    emulator.bench.advance_by(15 * MINUTE_S * US)
    assert standing(client) == ["temperature"]
    proposal = client.propose_program({**CONSTANT, "name": "left open"})
    number = client._session._session
    made = emulator.bench.truth().steps
    emulator.bench.advance_by(181 * US)
    with pytest.raises(Refused, match="no_proposal"):  # what was proposed went with its session
        client.commit(proposal.digest)
    assert client._session._session != number
    assert [event.kind for event in client.events(0)].count("session_ended") >= 1
    assert standing(client) == ["temperature"]
    assert client.status().state == "infusing"
    assert emulator.bench.truth().steps - made == pytest.approx(48_000 * 181 / 86_400, abs=2)
