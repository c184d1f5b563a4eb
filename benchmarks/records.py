"""What `make bench` measures of the records: erases of the flash, and the download of the log."""

import contextlib
import time
from typing import Any

from workloads import DAY_US, constant

from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.link.client import Client

_DILUTE = [
    {"name": "morphine", "concentration_ng_per_ml": 4_000_000, "max_dose_24h_ng": 0, "max_dose_1h_ng": 0}
]
_PAYLOAD_BYTES = 52  # of one record in an answer
_RECORDS = 4_080  # 30 days at 136 a day


def erases_per_year(therapy: dict[str, Any], for_us: int) -> float:
    """Of all blocks, by a pump that runs this therapy and that nobody talks to."""
    with Emulator(seed=1) as pump, Client.connect(pump.port) as client:
        client.commit(client.propose_program(therapy).digest)
        before = pump.bench.truth().flash_erases
        pump.bench.advance_by(for_us)
        return (pump.bench.truth().flash_erases - before) * 365 * DAY_US / for_us


def at_1_ml_per_day(quick: bool) -> float:
    """Erases a year at 1 mL/day."""
    return erases_per_year(constant(1_000), DAY_US if quick else 10 * DAY_US)


def at_24_ml_per_day(quick: bool) -> float:
    """Erases a year at the highest rate."""
    fastest = {**constant(1_000), "drugs": _DILUTE, "basal_dose_ng_per_day": 96_000_000}
    return erases_per_year(fastest, DAY_US // (48 if quick else 8))


def log_bytes_per_s(quick: bool) -> float:
    """Payload of the whole log over the pty, the best of some downloads."""
    with Emulator(seed=1) as pump, Client.connect(pump.port) as client:
        client.commit(client.propose_program(constant(120)).digest)
        for _ in range(400 if quick else _RECORDS):
            with contextlib.suppress(Refused):
                client.clear_log()  # refused, and each refusal is a record
        best = 0.0
        for _ in range(2 if quick else 5):
            began_s = time.perf_counter()
            count = len(client.events())
            best = max(best, count * _PAYLOAD_BYTES / (time.perf_counter() - began_s))
        return best
