"""The pump on the emulated chip, by UART0 and the real host client: it boots, gives its steps, stops.

One story in one boot, because a boot costs a minute or more of the computer's time.
"""

import importlib.util
import math
from fractions import Fraction
from pathlib import Path

import pytest

from rp2040.chip import Chip, on_chip
from rp2040.link import client_on
from rp2040.patches import CYCLE_NS

ROOT = Path(__file__).resolve().parents[2]
STEP_PIN = 2
UL_PER_DAY = 999
STEP_PL = 2500
DAY_US = 86_400_000_000


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


@pytest.mark.timeout(3000)
@pytest.mark.req("DEL-01", part="step edges on the emulated chip")
def test_a_therapy_on_the_chip(image):
    chip = Chip(image, on_chip("serial=uart0\nproduction=1\n"))
    chip.wire_up()
    with client_on(chip) as client:
        assert client.hello().model == "thecal-rp2040"
        proposal = client.propose_program(constant(UL_PER_DAY))
        edges = chip.edges(STEP_PIN)
        client.commit(proposal.digest)
        chip.run_for(4)
        assert len(edges.rises) > 10
        rises_us = [rise * CYCLE_NS / 1000 for rise in edges.rises]
        start_us = rises_us[0] - due_us(1)
        errors_us = [at - start_us - due_us(k) for k, at in enumerate(rises_us, 1)]
        assert max(errors_us) - min(errors_us) <= 3
        client.stop()
        made = len(edges.rises)
        chip.run_for(1)
        assert len(edges.rises) <= made + 1  # one may have been under way when the answer left
        assert client.status().steps == len(edges.rises)
    assert chip.resets == 0
