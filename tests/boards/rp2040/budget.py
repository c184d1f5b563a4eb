"""What the chip's budget (docs/size-budget.json) says of time and memory, measured on the emulated chip."""

import statistics
from pathlib import Path

from boards.rp2040.chip import HZ
from boards.rp2040.pump import Pump, heap_free, largest


def figures(image: Path) -> dict[str, float]:
    """`boot_s`: power on to an open session, self tests included. Bytes of the heap that are free when
    garbage has just been collected: after that, and with the largest program in force, its peak. `status_ms`:
    of the processor's time, to take, verify and answer a status; most have no collection in them."""
    pump = Pump(image)
    found: dict[str, float] = {"boot_s": pump.hello_s, "heap_free_after_boot": heap_free(pump.client)}
    pump.client.commit(pump.client.propose_program(largest("largest")).digest)
    found["status_ms"] = statistics.median(_status_ms(pump) for _ in range(15))
    return found | {"heap_free_at_peak": heap_free(pump.client)}


def _status_ms(pump: Pump) -> float:
    core = pump.chip.mcu.core
    began = core.cycles
    pump.client.status()
    return (core.cycles - began) / HZ * 1000
