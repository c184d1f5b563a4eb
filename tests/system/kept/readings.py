"""Everything that a pump says of its records, as plain values: to be written down by one version of thecal
and compared by the next. Numbers of the wire, not names: numbers are never reused."""

import hashlib
import json
from typing import Any

from thecal.errors import Refused
from thecal.link.client import Client
from thecal.link.responses.pump import Event, values_of
from thecal_protocol.codec import number_of
from thecal_protocol.messages import ACTORS, EVENT_KINDS


def record_of(event: Event) -> list[Any]:
    """One record of the log."""
    kind, actor = number_of(EVENT_KINDS, event.kind), number_of(ACTORS, event.actor)
    fields = [event.sequence, *event.at, kind, actor, event.code, event.ref, event.a, event.b, event.boot]
    return [*fields, event.tag.hex()]


def digest_of(records: list[list[Any]]) -> str:
    """Of many records."""
    return hashlib.sha256(json.dumps(records).encode()).hexdigest()


def plain(value: Any) -> Any:
    """Bytes as hexadecimal text, tuples as lists, wherever they stand."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return value


def therapy_of(client: Client) -> dict[str, Any]:
    """Program, ledger, reservoir, alarms: what a start takes from the flash."""
    status = client.status()
    accounts = client.accounts()
    alarms = client.alarms()
    try:
        reservoir: Any = client.reservoir()
    except Refused as refused:
        reservoir = refused.name
    return plain(
        {
            "state": status.state,
            "now": status.now,
            "local": [status.local_day, status.local_s, status.local_us],
            "program": client.running_program(),
            "program_digest": status.program_digest,
            "rate_pl_per_day": status.rate_pl_per_day,
            "basal_ng_per_day": status.basal_ng_per_day,
            "next_change_s": status.next_change_s,
            "bolus": status.bolus,
            "steps": accounts.steps,
            "step_volume_pl": accounts.step_volume_pl,
            "reservoir_pl": accounts.reservoir_pl,
            "resets": accounts.resets,
            "fillings": [values_of(filling) for filling in accounts.fillings],
            "sources": accounts.volume_pl_by_source,
            "reservoir": reservoir if isinstance(reservoir, str) else values_of(reservoir),
            "alarms": sorted(alarm.name for alarm in alarms.standing),
            "fault": [alarms.fault, alarms.fault_detail],
        }
    )


def made_in(bench: Any, hours: tuple[int, ...]) -> list[int]:
    """The steps that the motor really makes in so many hours from now, one span after the other."""
    made: list[int] = []
    for count in hours:
        before = bench.truth().steps
        bench.advance_by(count * 3_600_000_000)
        made.append(bench.truth().steps - before)
    return made
