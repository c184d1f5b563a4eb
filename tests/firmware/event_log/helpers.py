"""What the tests of the log share: therapies, floods, and a whole check."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firmware.dosing import rig
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.eventlog import integrity
from thecal.link.client import Client
from thecal.link.responses.pump import Event
from thecal_protocol.messages import CANCEL_PLAN, PROPOSAL_BOLUS, SKIP_BRIDGE

S = 1_000_000
HOUR = 3_600 * S
DAY = 24 * HOUR
PATIENT = {"dose_ng": 40_000, "duration_us": 120 * S, "lockout_us": HOUR, "max_per_24h": 6}
OFTEN = {"dose_ng": 2_000, "duration_us": 300 * S, "every_us": 1800 * S, "first_us": S}  # 96 records a day
PERIODIC = {"dose_ng": 30_000, "duration_us": 300 * S, "every_us": 5 * HOUR + S, "first_us": S}


def therapy(**changes: Any) -> dict[str, Any]:
    return rig.therapy(**{"patient_bolus": [PATIENT], "periodic_boluses": [PERIODIC], **changes})


def program(client: Client, **changes: Any) -> None:
    client.commit(client.propose_program(therapy(**changes)).digest)


def refused_requests(client: Client, count: int, first: int = 0) -> None:
    """Up to six requests, each refused for a reason of its own: so many records of the ring of events."""
    requests: list[Callable[[], object]] = [
        client.clear_log,
        lambda: client.commit(bytes(16)),
        lambda: client.request(CANCEL_PLAN),
        lambda: client.confirm_alarm(2),
        lambda: client.request(SKIP_BRIDGE),
        lambda: client.propose(PROPOSAL_BOLUS, {"dose_ng": 0, "duration_us": 0, "extended": 0}),
    ]
    for request in requests[first : first + count]:
        with pytest.raises(Refused):
            request()


def flood_events(client: Client, count: int) -> None:
    """Stops and resumes, more than the ring of doses has places for: so many records of the ring of events.
    Delivery runs afterwards.
    """
    records = client.log_state().events.records
    while client.log_state().events.records == records:
        client.stop()
    stop_and_resume(client, count - 1)


def stop_and_resume(client: Client, count: int) -> None:
    """So many records of the ring of doses, or of events where that has no more places."""
    for _ in range(count - 1):
        client.stop()
    client.resume()


def flood_faults(emulator: Emulator, client: Client, count: int) -> None:
    """An alarm that comes and goes; the program's max_pause_s is 1. So many records of the ring of faults."""
    for _ in range((count + 1) // 2):
        client.stop()
        emulator.bench.advance_by(S)
        client.resume()


def whole_log(client: Client, key: bytes) -> list[Event]:
    """Every record; the chain must hold, and no number be missing."""
    state = client.log_state()
    events = client.events(0)
    verdict = integrity.verify(key, state, events)
    assert verdict.ok, verdict.flaws[:3]
    return events


def pump(flash: Path, **settings: Any) -> Emulator:
    return Emulator(seed=3, flash=flash, settings=settings)
