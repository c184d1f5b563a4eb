"""The whole pump on the unix board, programmed over its pty: days with the heap locked, steps by their times.

The rig's tests prove the core; here are the loop, the clock, the server and the motor around it too.
"""

import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware.dosing import oracle, rig
from thecal.emulator.emulator import Emulator
from thecal.errors import SimulationError
from thecal.link.client import Client

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
PATIENT = {"dose_ng": 40_000, "duration_us": 120_000_001, "lockout_us": HOUR_US, "max_per_24h": 6}
PERIODIC = {"dose_ng": 30_011, "duration_us": 299_999_999, "every_us": 5 * HOUR_US + 1, "first_us": 1_000_003}
FLEX = [
    {"start_min": 0, "days": 127, "dose_ng_per_day": 2_400_000},
    {"start_min": 361, "days": 31, "dose_ng_per_day": 3_100_003},
    {"start_min": 1439, "days": 64, "dose_ng_per_day": 1_999_993},
]
THERAPIES = {
    "constant": rig.therapy(basal_dose_ng_per_day=2_400_007, patient_bolus=[PATIENT]),
    "flex": rig.therapy(
        basal_mode=2,
        basal_dose_ng_per_day=0,
        basal_steps=FLEX,
        periodic_boluses=[PERIODIC],
        patient_bolus=[PATIENT],
    ),
    "minimum": rig.therapy(basal_mode=3, basal_dose_ng_per_day=0, patient_bolus=[PATIENT]),
}


@pytest.fixture(params=[0, 0x3FFFFFFF - 5_000_000], ids=["from 0", "before the wrap"])
def pump(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """Booted at tick 0, and 5 s before the 30-bit ticks wrap for the first time."""
    with Emulator(seed=5, settings={"ticks_start": request.param}) as emulator:
        yield emulator


def program(client: Client, values: dict[str, Any]) -> None:
    client.commit(client.propose_program(values).digest)


@pytest.mark.req("DEL-01", part="the whole pump, by the times of its steps; nothing allocated in a day")
@pytest.mark.parametrize("name", THERAPIES)
def test_a_day_with_the_heap_locked(pump: Emulator, tmp_path: Path, name: str):
    values = THERAPIES[name]
    bench = pump.bench
    trace = tmp_path / "trace"
    events: list[dict[str, Any]] = [{"at_us": 0, "do": "program", "therapy": values}]
    with Client.connect(pump.port) as client:
        bench.mark()
        bench.trace(trace)
        program(client, values)
        bench.advance_to(2 * HOUR_US + 7)
        client.commit(client.propose_bolus(150_001, 1_799_999_977).digest)
        client.patient_bolus()
        bolus = {"dose_ng": 150_001, "duration_us": 1_799_999_977, "extended": 0}
        events.append({"at_us": 2 * HOUR_US + 7, "do": "bolus", **bolus})
        events.append({"at_us": 2 * HOUR_US + 7, "do": "patient_bolus"})
        waits = bench.truth().waits
        bench.advance_to(2 * HOUR_US + 7 + DAY_US, locked=True)
        assert bench.truth().waits > waits
        bench.trace(None)
        steps = client.status().steps
    times = array.array("Q", trace.read_bytes())
    scenario = {"day": 0, "second": 0, "events": events, "end_us": 2 * HOUR_US + 7 + DAY_US}
    assert times.tolist() == oracle.Course(scenario, [None] * len(events)).steps(2500)
    assert steps == len(times)


ALLOCATES = """
from pump.dosing import planner

whole = planner.Planner.plan


def plan(self, s, us):
    self.last_limit = (s, us)
    return whole(self, s, us)


planner.Planner.plan = plan
import main
"""


def test_an_allocation_in_the_steady_path_ends_a_locked_day(tmp_path: Path):
    """The proof of the test above: one tuple a run is noticed."""
    script = tmp_path / "boot.py"
    script.write_text(ALLOCATES)
    with Emulator(seed=5, script=script) as pump, Client.connect(pump.port) as client:
        program(client, THERAPIES["constant"])
        with pytest.raises(SimulationError, match="MemoryError"):
            pump.bench.advance_to(HOUR_US, locked=True)
