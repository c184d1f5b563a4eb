"""The pump on the emulated chip, by UART0 and the real host client: boots, gives its steps, stops, outlives.

One boot and one program serve all tests: each goes on from there in a copy of the process. The keys lie on
the flash already; test_pairing.py agrees on one by the button.
"""

import importlib.util
import json
import math
from fractions import Fraction
from pathlib import Path

import pytest

from rp2040.chip import Chip, on_chip
from rp2040.copies import in_a_copy
from rp2040.link import CLINICIAN_KEY, KEYS, client_on, keys_document
from rp2040.patches import CYCLE_NS
from thecal.client import Client

ROOT = Path(__file__).resolve().parents[2]
BUDGET = json.loads((ROOT / "docs" / "size-budget.json").read_text())
STEP_PIN, ENABLE_PIN, STALL_PIN = 2, 4, 5
UL_PER_DAY = 999
STEP_PL = 2500
FLOOR_UL_PER_DAY = 48  # while an alarm holds the pump
DAY_S = 86_400
DAY_US = DAY_S * 1_000_000
HELD_S = 30
WATCHDOG_S = 9
pytestmark = pytest.mark.timeout(3000)


def constant(ul_per_day: int) -> dict[str, object]:
    """The therapy of the benchmarks."""
    spec = importlib.util.spec_from_file_location("workloads", ROOT / "benchmarks" / "workloads.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.constant(ul_per_day)


def due_us(k: int) -> int:
    """When step k (from 1) of the basal flow is due after the commit."""
    return math.ceil(k * Fraction(DAY_US * STEP_PL, UL_PER_DAY * 1_000_000))


def heap_free(client: Client) -> int:
    """Bytes free when garbage has just been collected: that comes by itself, every few answers."""
    return max(client.status().heap_free for _ in range(16))


class Pump:
    """A chip, a client, and the step pin's edges since before the program."""

    def __init__(self, image: Path):
        files = on_chip("serial=uart0\nproduction=1\n", more={"link-keys": keys_document(CLINICIAN_KEY)})
        self.chip = chip = Chip(image, files)
        chip.wire_up()
        chip.unplug()
        self.edges = chip.edges(STEP_PIN)
        self._client = client_on(chip, dict(KEYS))
        self.client = self._client.__enter__()
        self.hello_s = chip.now_us / 1e6
        self.heap_at_boot = heap_free(self.client)
        proposal = self.client.propose_program(constant(UL_PER_DAY))
        self.client.commit(proposal.digest)
        chip.run_until(lambda: bool(self.edges.rises), 10)
        self.first_step_s = chip.now_us / 1e6

    def errors_us(self) -> list[float]:
        """Of each edge, against the exact oracle from the first edge on."""
        rises_us = [rise * CYCLE_NS / 1000 for rise in self.edges.rises]
        start_us = rises_us[0] - due_us(1)
        return [at - start_us - due_us(k) for k, at in enumerate(rises_us, 1)]


@pytest.fixture(scope="module")
def pump(image):
    return Pump(image)


def test_it_boots_in_time_with_memory_to_spare(pump):
    assert pump.client.hello().model == "thecal-rp2040"
    assert pump.hello_s < 5
    assert pump.heap_at_boot >= BUDGET["heap_free_after_boot"]
    assert pump.chip.resets == 0


@pytest.mark.req("DEL-01", part="step edges on the emulated chip")
@in_a_copy
def test_edges_are_the_oracles_and_stop_at_the_next_one(pump):
    chip = pump.chip
    chip.run_for(3)
    errors_us = pump.errors_us()
    assert len(errors_us) > 10
    assert max(errors_us) - min(errors_us) <= 3
    pump.client.stop()
    made = len(pump.edges.rises)
    chip.run_for(1)
    assert len(pump.edges.rises) <= made + 1  # one may have been under way when the answer left
    assert pump.client.status().steps == len(pump.edges.rises)


@in_a_copy
def test_memory_stays_flat(pump):
    before = heap_free(pump.client)
    pump.chip.run_for(20)
    assert abs(heap_free(pump.client) - before) <= 1024


@in_a_copy
def test_a_motor_that_does_not_follow_is_noticed(pump):
    pump.chip.drive(STALL_PIN, True)
    for _ in range(30):
        pump.chip.run_for(2)
        if pump.client.status().alarms:
            break
    made = len(pump.edges.rises)
    assert [alarm.name for alarm in pump.client.alarms().standing] == ["motor_stall"]
    pump.chip.run_for(HELD_S)
    assert len(pump.edges.rises) - made <= HELD_S * FLOOR_UL_PER_DAY * 1e6 / STEP_PL / DAY_S + 1


@in_a_copy
def test_the_count_outlives_a_watchdog_reset(pump):
    """The processor is caught in an endless loop: the motor goes on for its queue, no further."""
    chip = pump.chip
    core = chip.mcu.core
    chip.run_until(lambda: not core.waiting and core.registers[15] >> 28 == 1, 5)
    at = core.registers[15] & 0xFFFFFF
    kept = bytes(chip.mcu.flash[at : at + 2])
    chip.mcu.flash[at : at + 2] = b"\xfe\xe7"  # b .
    core.pm = True
    chip.run_until(lambda: chip.resets == 1, WATCHDOG_S)
    chip.mcu.flash[at : at + 2] = kept
    pump.client.hello()
    status = pump.client.status()
    assert status.steps == len(pump.edges.rises)
    chip.run_for(2)
    assert len(pump.edges.rises) > status.steps  # therapy goes on
