"""Logs of any length, made by hand: what a pump would have written, sealed by a second writer."""

import json
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from host.cli.conftest import blank, pump, quick_thecal, thecal  # noqa: F401
from thecal_protocol.messages import ACTORS, EVENT_KINDS, FAULT_RECORDS

KEY = bytes(range(16))
_KINDS = {name: number for number, name in EVENT_KINDS}
_ACTORS = {name: number for number, name in ACTORS}


def line(sequence: int, at_us: int, kind: str, **values: Any) -> dict[str, Any]:
    """An unsealed record as `thecal log --jsonl` prints it."""
    made = {
        "sequence": sequence,
        "boot": 1,
        "at_us": at_us,
        "kind": kind,
        "actor": "pump",
        "code": 0,
        "ref": 0,
    }
    return {**made, "a": 0, "b": 0, **values}


def seal(lines: Iterable[dict[str, Any]], key: bytes = KEY) -> list[dict[str, Any]]:
    """Each with its tag, by the words of docs/reference/event-log.md."""
    tags = {False: bytes(16), True: bytes(16)}
    sealed: list[dict[str, Any]] = []
    for x in lines:
        kind = _KINDS[x["kind"]]
        s, us = divmod(x["at_us"], 1_000_000)
        numbers = (
            x["sequence"],
            s,
            us,
            kind,
            _ACTORS[x["actor"]],
            x["code"],
            x["ref"],
            x["a"],
            x["b"],
            x["boot"],
        )
        body = struct.pack("<IIIBBBHQQH9x", *numbers)
        body += struct.pack("<I", zlib.crc32(body))
        ring = kind in FAULT_RECORDS
        cbc = Cipher(algorithms.AES128(key), modes.CBC(bytes(16))).encryptor()
        tags[ring] = cbc.update(tags[ring] + body)[-16:]
        sealed.append({**x, "text": "", "tag": tags[ring].hex()})
    return sealed


def write_lines(path: Path, lines: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(x) + "\n" for x in lines))
    return path


def a_month(events: int = 100_000) -> list[dict[str, Any]]:
    """30 days of boluses, refused and given, with alarms and stops between."""
    lines = [line(1, 0, "boot", code=1), line(2, 1_000_000, "program_committed", actor="clinician")]
    gap_us = 30 * 86_400_000_000 // events
    for n in range(3, events + 1):
        at_us, part = n * gap_us, n % 40
        if part % 4 == 0:
            made = line(n, at_us, "bolus_started", code=2, ref=n & 0xFFFF, a=100_000, b=20_000_000)
        elif part % 4 == 1:
            made = line(n, at_us, "bolus_delivered", code=2, ref=(n - 1) & 0xFFFF, a=5_000_000)
        elif part == 10:
            made = line(n, at_us, "alarm_raised", code=4)
        elif part == 14:
            made = line(n, at_us, "alarm_cleared", code=4)
        elif part == 22:
            made = line(n, at_us, "stopped", actor="clinician")
        elif part == 23:
            made = line(n, at_us, "resumed", actor="clinician")
        else:
            made = line(n, at_us, "bolus_refused", code=2, a=100_000, b=16, actor="patient")
        lines.append(made)
    return seal(lines)
