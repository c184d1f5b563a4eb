"""What the bench breaks in a running pump: planner faults, memory, flash, a flooded line.

The guard, which would stop most planner faults at once, looks away here: what it sees is for its own tests.
"""

import hashlib
from collections.abc import Iterator

import pytest

from firmware.dosing import rig
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused, SimulationError
from thecal.link.client import Client

S = 1_000_000
MINUTE_US = 60 * S
THERAPY = rig.therapy()


class Patient:
    """A pump that delivers its basal rate, and what its motor makes of it."""

    def __init__(self, emulator: Emulator, client: Client):
        self.emulator = emulator
        self.bench = emulator.bench
        self.client = client
        client.commit(client.propose_program(THERAPY).digest)
        self.bench.advance_by(10 * MINUTE_US)

    def steps_in(self, us: int) -> int:
        before = self.bench.truth().steps
        self.bench.advance_by(us)
        return self.bench.truth().steps - before


@pytest.fixture
def patient() -> Iterator[Patient]:
    with Emulator(seed=1) as emulator, Client.connect(emulator.port) as client:
        yield Patient(emulator, client)


def test_a_wrong_rate_is_delivered_at_once_and_ends(patient: Patient):
    usual = patient.steps_in(2 * MINUTE_US)
    patient.bench.inject_raw("planner_fault", unguarded=1, kind="rate", num=4, den=1, for_us=2 * MINUTE_US)
    assert abs(patient.steps_in(2 * MINUTE_US) - 4 * usual) <= 4
    assert patient.steps_in(2 * MINUTE_US) <= usual + 1  # less, when what was given too much is noticed now


def test_a_slow_rate(patient: Patient):
    usual = patient.steps_in(2 * MINUTE_US)
    patient.bench.inject_raw("planner_fault", unguarded=1, kind="rate", num=1, den=2)
    assert abs(patient.steps_in(2 * MINUTE_US) - usual // 2) <= 1


def test_a_planner_that_believes_in_another_rate(patient: Patient):
    usual = patient.steps_in(2 * MINUTE_US)
    patient.bench.inject_raw("planner_fault", unguarded=1, kind="planner_rate", num=3, den=1)
    assert patient.steps_in(2 * MINUTE_US) > 2 * usual


def test_runaway_makes_a_step_a_millisecond(patient: Patient):
    patient.bench.inject_raw("planner_fault", unguarded=1, kind="runaway")
    assert patient.steps_in(100_000) >= 90


def test_no_more_steps_are_planned(patient: Patient):
    patient.bench.inject_raw("planner_fault", unguarded=1, kind="stuck_off")
    assert patient.steps_in(10 * MINUTE_US) == 0


@pytest.mark.parametrize(
    ("kind", "least", "most"), [("double_commit", 190, 210), ("stuck_on", 150, 165), (None, 95, 105)]
)
def test_a_bolus_that_counts_twice_or_never_ends(patient: Patient, kind, least, most):
    """0.1 mg in 5 min are 2000 steps; in percent of them, looked at for 7.5 min."""
    if kind:
        patient.bench.inject_raw("planner_fault", unguarded=1, kind=kind)
    patient.client.commit(patient.client.propose_bolus(100_000, 5 * MINUTE_US, extended=False).digest)
    made = patient.steps_in(15 * MINUTE_US // 2)
    basal = 48_000 * 450 // 86_400
    assert least <= (made - basal) * 100 // 2000 <= most


def test_a_stop_that_stops_nothing(patient: Patient):
    patient.client.stop()
    assert patient.steps_in(5 * MINUTE_US) == 0
    patient.client.resume()
    patient.bench.inject_raw("planner_fault", unguarded=1, kind="no_stop")
    with pytest.raises(Refused, match="fault"):  # the stop itself sees that something is still to flow
        patient.client.stop()
    assert patient.steps_in(5 * MINUTE_US) == 0
    assert [alarm.name for alarm in patient.client.alarms().standing] == ["fault"]


def test_a_queue_that_is_not_cancelled(patient: Patient):
    patient.bench.inject_raw("planner_fault", unguarded=1, kind="no_cancel")
    patient.client.stop()
    assert 0 < patient.steps_in(10 * MINUTE_US) <= 64


@pytest.mark.parametrize("kind", ["past_change", "unledgered"])
def test_the_other_planner_faults_stand(patient: Patient, kind):
    patient.bench.inject_raw("planner_fault", unguarded=1, kind=kind)
    assert patient.steps_in(2 * MINUTE_US) > 0


def test_one_planner_fault_takes_the_place_of_another(patient: Patient):
    usual = patient.steps_in(2 * MINUTE_US)
    patient.bench.inject_raw("planner_fault", unguarded=1, kind="rate", num=4, den=1)
    patient.bench.inject_raw("planner_fault", unguarded=1, kind="rate", num=2, den=1)
    assert abs(patient.steps_in(2 * MINUTE_US) - 2 * usual) <= 3


def test_a_flipped_bit_is_in_the_pumps_memory(patient: Patient):
    before = patient.client.accounts().steps
    patient.bench.inject_raw("memory_flip", name="delivery.count.base", bit=20)
    assert patient.client.accounts().steps == before ^ 1 << 20


@pytest.mark.parametrize(
    ("what", "values", "error"),
    [
        ("memory_flip", {"name": "delivery.nothing"}, "there is no nothing"),
        ("memory_flip", {"name": "delivery"}, "no whole number"),
        ("memory_flip", {}, "name is a path"),
        ("planner_fault", {"kind": "mood"}, "kind is one of"),
        ("planner_fault", {"den": 0}, "den must be"),
        ("flash_bit_flip", {"file": "nowhere"}, "no file on the flash"),
        ("link_flood", {"bytes_per_s": 0}, "bytes_per_s must be"),
    ],
)
def test_faults_that_cannot_be_are_refused(patient: Patient, what, values, error):
    with pytest.raises(SimulationError, match=error):
        patient.bench.inject_raw(what, **values)
    assert patient.client.status().state == "infusing"


def test_a_bit_of_a_file_flips(tmp_path):
    flash = tmp_path / "flash"
    with Emulator(seed=1, flash=flash) as emulator, Client.connect(emulator.port) as client:
        Patient(emulator, client)
        before = flash.read_bytes()
        answer = emulator.bench.request(b'{"do": "inject", "what": "flash_bit_flip", "seed": 3}')
        after = flash.read_bytes()
    assert " byte " in str(answer["flipped"])
    flipped = [a ^ b for a, b in zip(before, after, strict=True) if a != b]
    assert flipped
    assert all(byte.bit_count() == 1 for byte in flipped)


def flooded(flood: bool, folder) -> tuple[str, int]:
    """The digest of the trace of half an hour with or without a flood, and how many waits it took."""
    folder.mkdir()
    with Emulator(seed=1) as emulator, Client.connect(emulator.port) as client:
        patient = Patient(emulator, client)
        patient.bench.mark()
        patient.bench.trace(folder / "trace")
        if flood:
            patient.bench.inject_raw("link_flood", bytes_per_s=1000, for_us=20 * MINUTE_US)
        before = patient.bench.truth().waits  # a session's bytes may come in one piece or more
        patient.bench.advance_by(30 * MINUTE_US)
        waits = patient.bench.truth().waits - before
        patient.bench.trace(None)
    return hashlib.sha256((folder / "trace").read_bytes()).hexdigest(), waits


@pytest.mark.req("SEC-09", part="a flood of garbage and of well-formed frames moves no step")
def test_a_flood_moves_no_step(tmp_path):
    quiet, few = flooded(False, tmp_path / "quiet")
    loud, many = flooded(True, tmp_path / "loud")
    assert many > few + 1000
    assert loud == quiet


def test_a_flood_is_the_same_every_time(tmp_path):
    assert flooded(True, tmp_path / "one") == flooded(True, tmp_path / "two")


def test_a_press_wakes_the_pump_and_counts(patient: Patient):
    before = patient.bench.truth()
    patient.bench.press_button()
    after = patient.bench.truth()
    assert after.presses == before.presses + 1
    assert after.waits > before.waits
    assert after.now_us == before.now_us
