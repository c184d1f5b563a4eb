"""How long the flash lasts: saves per day measured on the whole pump, erases of the worst block per save
measured on its store."""

import os
from pathlib import Path
from typing import Any

import pytest

from conftest import Runner
from firmware.records.reader import Records
from firmware.records.script import US, pump_at_day, therapy
from thecal.link.client import Client

CYCLES = 100_000  # erases that a block of the chip's flash endures
BLOCKS = 352
DAY_S = 86_400
SAVES = 500_000 if os.environ.get("THECAL_SOAK") else 100_000
SCRIPT = Path(__file__).parent / "scripts" / "wear.py"


def a_day_of(ml_per_day: int) -> dict[str, Any]:
    drug = {
        "name": "morphine",
        "concentration_ng_per_ml": 4_000_000,
        "max_dose_24h_ng": 0,
        "max_dose_1h_ng": 0,
    }
    return therapy(drugs=[drug], basal_dose_ng_per_day=4_000_000 * ml_per_day, patient_bolus=[])


def saves_and_erases_per_day(ml_per_day: int, for_s: int, flash: Path) -> tuple[float, float]:
    """Of a pump that runs at this rate: saves of the ledger, erases of all of the flash."""
    with pump_at_day(flash) as pump, Client.connect(pump.port) as client:
        client.commit(client.propose_program(a_day_of(ml_per_day)).digest)
        saves, erases = Records(flash.read_bytes()).ledger().sequence, pump.bench.truth().flash_erases
        pump.bench.advance_to(for_s * US)
        saves = Records(flash.read_bytes()).ledger().sequence - saves
        erases = pump.bench.truth().flash_erases - erases
    return saves * DAY_S / for_s, erases * DAY_S / for_s


@pytest.fixture(scope="module")
def wear(run_micropython: Runner, tmp_path_factory: pytest.TempPathFactory) -> list[int]:
    """Erases by block after SAVES saves."""
    done = run_micropython(SCRIPT, str(tmp_path_factory.mktemp("wear") / "flash"), str(SAVES))
    return [int(count) for count in done.stdout.split()]


def test_blocks_wear_alike(wear: list[int]):
    """Littlefs moves the directory on after a hundred erases; blocks 0 and 1 are spared then."""
    used = [count for count in wear if count]
    assert max(wear) <= 101 * -(-sum(wear) // (101 * BLOCKS)) + 101
    assert len(used) > min(BLOCKS, sum(wear) // 101) * 0.9
    assert wear[0] < 101 * max(1, sum(wear) // (101 * BLOCKS))


@pytest.mark.parametrize(("ml_per_day", "for_s", "years"), [(24, 1800, 10), (1, DAY_S // 2, 100)])
def test_the_flash_lasts(ml_per_day: int, for_s: int, years: int, wear: list[int], tmp_path: Path):
    saves, erases = saves_and_erases_per_day(ml_per_day, for_s, tmp_path / "flash")
    worst_per_day = saves * max(wear) / SAVES
    lasts = CYCLES / worst_per_day / 365
    even = CYCLES * BLOCKS / (saves * sum(wear) / SAVES) / 365
    print(
        f"{ml_per_day} mL/day: {saves:.0f} saves, {erases:.0f} erases a day, {erases * 365:.0f} a year; "
        f"the worst block lasts {lasts:.0f} years by {SAVES} saves, {even:.0f} years if all wear alike"
    )
    assert lasts > years
