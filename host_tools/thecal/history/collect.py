"""From a pump into the store: what `thecal program`, `log` and `refill` leave there, and `store import
--port`.

The pump's work is done before any of this begins, so trouble with the store is a remark and never a failure:
`remember` returns it in words. No key of a pump is asked for here, and none is in what is stored.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from thecal.errors import ThecalError
from thecal.history import log_files, where
from thecal.history.database import Added, Store
from thecal.history.queries import tags
from thecal.units.json_numbers import exact

if TYPE_CHECKING:
    from thecal.commands.status import Snapshot
    from thecal.pump import Pump


def remember(
    pump: Pump,
    command: str,
    *,
    outcome: str = "done",
    reason: str = "",
    committed_us: int | None = None,
    refill: tuple[int, int, int] | None = None,
    path: Path | None = None,
) -> str:
    """Store this session, its program, its refill (pl filled in, came out, counted) and the pump's new
    records.

    `reason`: why it was done, as whoever did it says. `committed_us`: the program was committed then, on the
    pump's clock. Returns what a person should know of it: nothing when all went well.
    """
    try:
        with Store.open(path) as store:
            return collect(
                store,
                pump,
                command,
                outcome=outcome,
                reason=reason,
                committed_us=committed_us,
                refill=refill,
            )
    except ThecalError as error:
        lost = f'; the reason is not kept: "{reason}"' if reason else ""
        return (  # not the error's own hint: to do a bolus again is no remedy for a store
            f"this computer's store lacks it: {error.message}; what the pump did stands, so do not say it "
            f"again: thecal store import --port {pump.port} brings it in later{lost}"
        )


def tags_seen(serial: str) -> dict[int, bytes]:
    """What this computer has read before of this pump's log: tags by number. Without a store: nothing."""
    path = where.path()
    if path is None or not path.exists():
        return {}
    with Store.open(path) as store:
        return tags(store, serial)


def collect(
    store: Store,
    pump: Pump,
    command: str,
    *,
    outcome: str = "done",
    reason: str = "",
    committed_us: int | None = None,
    refill: tuple[int, int, int] | None = None,
) -> str:
    """As `remember`, into a store that is open. ThecalError when it cannot be."""
    seen = pump.status()
    store.add_pump(pump.serial, pump.model, pump.firmware)
    why = {"reason": reason or None, "committed_us": committed_us}
    store.add_session(pump.serial, _session(seen, command, outcome) | why)
    _program(store, pump, seen, committed_us)
    if refill is not None:
        volume_pl, residual_pl, counted_pl = refill
        values: dict[str, object] = {
            "at_us": seen.status.now.total_us,
            "local_time": seen.local.isoformat(),
            "volume_pl": volume_pl,
            "residual_pl": residual_pl,
            "counted_pl": counted_pl,
        }
        store.add_residual(pump.serial, values)
    return told(pump.serial, records(store, pump))


def records(store: Store, pump: Pump) -> Added:
    """Bring in what the store lacks of the pump's log: from the last record it has, or all of it."""
    last, tag = store.last_record(pump.serial)
    events = pump.client.events(last)
    if last and not any(event.sequence == last and event.tag == tag for event in events):
        events = pump.client.events(0)  # not the log that the store has: see which it is
    return store.add_log(pump.serial, [log_files.row_of(event) for event in events])


def told(serial: str, added: Added) -> str:
    """What a person should know of records that were added."""
    if not added.another:
        return ""
    return (
        f"this is not the log that {serial} had before: it is kept as its log {added.log}; unless the pump's "
        "memory was replaced, find out who had access to it"
    )


def _session(seen: Snapshot, command: str, outcome: str) -> dict[str, object]:
    status = seen.status
    return {
        "command": command,
        "outcome": outcome,
        "port": seen.port,
        "pump_us": status.now.total_us,
        "local_time": seen.local.isoformat(),
        "state": status.state,
        "therapy": seen.therapy,
        "program_digest": status.program_digest,
        "steps": status.steps,
        "reservoir_pl": status.reservoir_pl,
        "rate_pl_per_day": status.rate_pl_per_day,
        "delivered_ng": {name: exact(ng) for name, ng in seen.delivered_ng.items()},
        "alarms": status.alarms,
        "missed_pl": status.missed_pl,
    }


def _program(store: Store, pump: Pump, seen: Snapshot, committed_us: int | None) -> None:
    digest = seen.status.program_digest
    therapy = pump.therapy() if digest else None
    if therapy is not None:
        store.add_program(pump.serial, digest, _as_json(therapy), committed_us)


def _as_json(therapy: dict[str, object]) -> dict[str, object]:
    """Bytes in a program (the digest of its drug library) as hexadecimal text, wherever they stand."""
    shown: dict[str, object] = json.loads(json.dumps(therapy, default=_hexadecimal))
    return shown


def _hexadecimal(value: object) -> str:
    if not isinstance(value, bytes):
        raise TypeError(f"{value!r} in a program")
    return value.hex()
