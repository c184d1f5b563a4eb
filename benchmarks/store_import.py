"""A log of so many records for the benchmark of the store, as `thecal log --jsonl` would write it."""

import json
from pathlib import Path

SERIAL = "BENCH-0001"
_KINDS = ("session_opened", "bolus_started", "bolus_delivered", "bolus_refused", "reference_time")


def write_log(path: Path, count: int) -> None:
    """Records 1 to `count`, one a line."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(1, count + 1):
            record = {
                "sequence": number,
                "boot": 1 + number // 100_000,
                "at_us": number * 7_919_000,
                "kind": _KINDS[number % len(_KINDS)],
                "actor": "clinician",
                "code": number % 7,
                "ref": number % 65_536,
                "a": number * 104_729,
                "b": number * 1_299_709 % (1 << 64),
                "text": "patient bolus 17: 100 mcg over 5 min",
                "tag": f"{number * 0x9E3779B97F4A7C15 % (1 << 128):032x}",
            }
            file.write(json.dumps(record) + "\n")
