"""What no input may cost: 100 MB above what there was, 20 s, whatever it is."""

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

MORE_BYTES, MOST_S = 100_000_000, 20.0
_PEAK = re.compile(r"^VmHWM:\s+([0-9]+) kB", re.MULTILINE)


def _peak() -> int:
    found = _PEAK.search(Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


@contextlib.contextmanager
def bounded(what: object, *, cpu: bool = False) -> Iterator[None]:
    """The block's own peak of memory, not that of what ran before. `cpu`: its own time, for much work."""
    clock = time.process_time if cpu else time.monotonic
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, began = _peak(), clock()
    yield
    assert clock() - began < MOST_S, what
    assert _peak() - before < MORE_BYTES, what
