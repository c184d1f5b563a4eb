"""What the chip's budget (docs/size-budget.json) says of time and memory, measured on the emulated chip."""

from pathlib import Path

from boards.rp2040.pump import Pump, heap_free, largest


def figures(image: Path) -> dict[str, float]:
    """`boot_s`: power on to an open session, self tests included. Bytes of the heap that are free when
    garbage has just been collected: after that, and with the largest program in force, its peak."""
    pump = Pump(image)
    found: dict[str, float] = {"boot_s": pump.hello_s, "heap_free_after_boot": heap_free(pump.client)}
    pump.client.commit(pump.client.propose_program(largest("largest")).digest)
    return found | {"heap_free_at_peak": heap_free(pump.client)}
