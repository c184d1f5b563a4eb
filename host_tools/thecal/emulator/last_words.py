"""What the last words of an emulated pump mean, where they are about a file of this computer."""

import os
import re

from thecal.errors import SimulationError


def died(lines: list[str], ended: str) -> SimulationError:
    """What to tell of a pump with these last words. `ended`: where they mean nothing to a person."""
    text = " ".join(lines)
    failed = re.search(r"OSError: (?:\[Errno )?(\d+)", text)
    if "step_trace.py" in text and (failed or "uncaught NLR" in text):
        what = "the trace cannot be written"
    elif failed and "flash.py" in text:
        what = "the file of the pump's flash cannot be used"
    else:
        return SimulationError(ended)
    reason = f": {os.strerror(int(failed[1]))}" if failed else ""
    return SimulationError(f"{what}{reason}", "name another file, or make room on its disk")
