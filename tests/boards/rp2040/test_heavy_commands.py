"""What takes the emulated chip long to weigh harms nothing: no fault, no reset, no step lost, at any flow.

The largest program there may be, the same again over itself, and boluses under limits while the pump gives as
much as it can. The host's patience is the real one, in the chip's time.
"""

from itertools import pairwise
from typing import Any

import pytest

from boards.rp2040.copies import in_a_copy
from boards.rp2040.pump import DAY_S, STEP_PL, Pump, constant, largest, limited

pytestmark = pytest.mark.timeout(3000)
HIGH_UL_PER_DAY = 15_000
NG_PER_UL = 2000  # of a thin drug
LATE_US = 300_000
FEW = 3


def thin(therapy: dict[str, Any]) -> dict[str, Any]:
    drugs = [dict(drug, concentration_ng_per_ml=1000 * NG_PER_UL) for drug in therapy["drugs"]]
    return {**therapy, "drugs": drugs}


@pytest.fixture(scope="module")
def pump(image):
    return Pump(image)


def goes_on_well(pump: Pump) -> None:
    """Every step is counted, and nothing is wrong."""
    status = pump.client.status()
    pump.client.stop()
    assert (status.state, status.alarms, pump.chip.resets) == ("infusing", 0, 0)
    assert pump.client.status().steps == len(pump.edges.rises)


@pytest.mark.req("DEL-07", part="the largest program on the emulated chip")
@in_a_copy
def test_the_largest_program_fits_beside_itself(pump):
    for name in ("one", "two"):
        digest = pump.client.propose_program(largest(name)).digest
        pump.client.commit(digest)
        assert pump.client.status().program_digest == digest
    pump.chip.run_for(10)
    goes_on_well(pump)


@pytest.mark.req("DEL-01", part="commands that take long, at a high flow")
@in_a_copy
def test_commands_at_a_high_flow_lose_nothing(pump):
    """The flow of a thin drug, near the most there may be: a step every 5 ms."""
    bolus = {"dose_ng": 1000, "duration_us": 60_000_000, "lockout_us": 60_000_000, "max_per_24h": 96}
    therapy = thin(
        limited(constant(0), basal_dose_ng_per_day=NG_PER_UL * HIGH_UL_PER_DAY, patient_bolus=[bolus])
    )
    drugs = [{"max_concentration_ng_per_ml": 0, "max_dose_24h_ng": 0, "rules": 0}] * len(therapy["drugs"])
    therapy["library"] = [{"version": 1, "digest": bytes(8), "drugs": drugs, "confirmed": []}]
    client, chip = pump.client, pump.chip
    client.commit(client.propose_program(therapy).digest)
    chip.run_for(61)
    client.commit(client.propose_program({**therapy, "name": "again"}).digest)
    chip.run_for(61)
    assert client.patient_bolus()
    chip.run_for(61)
    assert client.commit(client.propose_bolus(2000, 120_000_000).digest).ref
    chip.run_for(3)
    rises_us = pump.rises_us()
    made_pl = STEP_PL * len(rises_us)
    due_pl = HIGH_UL_PER_DAY * 1e6 * (rises_us[-1] - rises_us[0]) / (DAY_S * 1e6)
    boluses_pl = 3000 * 1_000_000 // NG_PER_UL
    assert due_pl - FEW * STEP_PL <= made_pl <= due_pl + boluses_pl + FEW * STEP_PL
    assert max(later - sooner for sooner, later in pairwise(rises_us)) < LATE_US
    goes_on_well(pump)
