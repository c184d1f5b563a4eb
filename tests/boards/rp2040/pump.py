"""A pump on the emulated chip, with a clinician's session over UART0; its keys lie on the flash already."""

import importlib.util
import math
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from boards.rp2040.chip import Chip, on_chip
from boards.rp2040.link import CLINICIAN_KEY, KEYS, client_on, keys_document
from boards.rp2040.patches import CYCLE_NS
from thecal.link.client import Client

ROOT = Path(__file__).resolve().parents[3]
STEP_PIN, ENABLE_PIN, STALL_PIN = 2, 4, 5
UL_PER_DAY = 999
STEP_PL = 2500
FLOOR_UL_PER_DAY = 48  # while an alarm holds the pump
DAY_S = 86_400
DAY_US = DAY_S * 1_000_000
LIMITS = {"max_dose_24h_ng": 900_000_000, "max_dose_1h_ng": 90_000_000}


def constant(ul_per_day: int) -> dict[str, Any]:
    """The therapy of the benchmarks."""
    spec = importlib.util.spec_from_file_location("workloads", ROOT / "benchmarks" / "workloads.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.constant(ul_per_day)


def limited(therapy: dict[str, Any], **changes: Any) -> dict[str, Any]:
    drugs = [dict(drug, **LIMITS) for drug in therapy["drugs"]]
    return {**therapy, "drugs": drugs, **changes}


def largest(name: str) -> dict[str, Any]:
    """The most flex steps there are."""
    steps = [
        {"start_min": 30 * half_hour, "days": 1 << day, "dose_ng_per_day": 2_400_000 + 7 * half_hour + day}
        for half_hour in range(48)
        for day in range(3)
    ]
    return limited(constant(0), name=name, basal_mode=2, basal_steps=steps)


def due_us(k: int, ul_per_day: int = UL_PER_DAY) -> int:
    """When step k (from 1) of the basal flow is due after the commit."""
    return math.ceil(k * Fraction(DAY_US * STEP_PL, ul_per_day * 1_000_000))


def heap_free(client: Client) -> int:
    """Bytes free when garbage has just been collected: that comes by itself, every few answers, and once in
    some fifty just before one is put together."""
    return max(client.log_state().heap_free or 0 for _ in range(64))


def keyed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """These files and a clinician's key."""
    return {**files, "link-keys": keys_document(CLINICIAN_KEY)}


class Pump:
    """A chip, a client, and the step pin's edges since before the program."""

    def __init__(
        self, image: Path, files: Mapping[str, bytes] | None = None, timer_us: int = 0, plugged: bool = False
    ):
        """`timer_us`: what the chip's timer starts at; `plugged`: the console by USB is there."""
        self.chip = chip = Chip(image, files or keyed(on_chip("serial=uart0\nproduction=1\n")))
        chip.start_timer_at(timer_us)
        chip.wire_up()
        if not plugged:
            chip.unplug()
        self.edges = chip.edges(STEP_PIN)
        self._client = client_on(chip, dict(KEYS))
        self.client = self._client.__enter__()
        self.hello_s = chip.now_us / 1e6

    def begin(self, ul_per_day: int = UL_PER_DAY) -> None:
        """Have it give so much a day, until the first step is made."""
        self.ul_per_day = ul_per_day
        self.client.commit(self.client.propose_program(constant(ul_per_day)).digest)
        self.chip.run_until(lambda: bool(self.edges.rises), 60)

    def rises_us(self) -> list[float]:
        """When each step began."""
        return [rise * CYCLE_NS / 1000 for rise in self.edges.rises]

    def errors_us(self) -> list[float]:
        """Of each step, against the exact oracle from the first one on."""
        rises_us = self.rises_us()
        start_us = rises_us[0] - due_us(1, self.ul_per_day)
        return [at - start_us - due_us(k, self.ul_per_day) for k, at in enumerate(rises_us, 1)]
