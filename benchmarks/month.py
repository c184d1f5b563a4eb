"""The record of a pump after 30 days with 100,000 events, for the benchmark of the report.

Program and accounts of a real emulated pump; a sealed log of boluses, refusals, alarms and stops.
"""

import json
from pathlib import Path
from typing import Any

from workloads import DAY_US, constant

from thecal.emulator.emulator import Emulator
from thecal.eventlog.integrity import NO_TAG, is_fault, tag_of
from thecal.eventlog.text import as_json
from thecal.link.responses.pump import Event, Instant
from thecal.pump import Pump
from thecal.report import record as records

KEY = bytes(range(16))
_DAYS = 30
_CYCLE = (  # kind, code, a, b, actor
    ("bolus_started", 2, 4_000, 30_000_000, "pump"),
    ("bolus_delivered", 2, 200_000, 0, "pump"),
    ("bolus_refused", 2, 4_000, 16, "patient"),
    ("bolus_refused", 2, 4_000, 16, "patient"),
)
_NOW_AND_THEN = {
    40: ("alarm_raised", 4, 0, 0, "pump"),
    41: ("alarm_cleared", 4, 0, 0, "pump"),
    82: ("stopped", 0, 0, 0, "clinician"),
    83: ("resumed", 0, 0, 0, "clinician"),
}


def write_record(path: Path, count: int) -> str:
    """Write it; the pump's serial number, for its key."""
    with Emulator(seed=1) as emulator, Pump(emulator.port) as pump:
        pump.client.commit(pump.client.propose_program(constant(1_000)).digest)
        emulator.bench.advance_by(DAY_US)
        record = records.of_pump(pump.client, "a benchmark")
    document = records.as_document(record)
    document |= {"now_us": _DAYS * DAY_US + 1_000_000, "log_state": None, "events": _events(count)}
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(record.serial)


def _events(count: int) -> list[dict[str, Any]]:
    tags = {False: NO_TAG, True: NO_TAG}
    gap_us = _DAYS * DAY_US // count
    found: list[dict[str, Any]] = []
    for number in range(1, count + 1):
        at = Instant(*divmod(number * gap_us, 1_000_000))
        kind, code, a, b, actor = _NOW_AND_THEN.get(number % 100, _CYCLE[number % 4])
        if number == 1:
            kind, code, a, b, actor = "program_committed", 0, 0, 0, "clinician"
        event = Event(number, at, kind, actor, code, number // 4 & 0xFFFF, a, b, 1)
        ring = is_fault(event)
        tags[ring] = tag_of(KEY, tags[ring], event)
        found.append(as_json(event._replace(tag=tags[ring])))
    return found
