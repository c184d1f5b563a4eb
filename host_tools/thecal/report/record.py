"""A record: everything that a report needs, as one JSON document: today's report can be made again later.

Gathered from a pump (`of_pump`), read from a file (`of_file`: a document, or lines of `thecal log --jsonl`).
Tags and digests are hexadecimal; nothing in it is secret: the log's key is never part of it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from thecal._io import atomic_write, input_file
from thecal._io.shown import shown
from thecal.errors import FileError, Problem
from thecal.eventlog.integrity import NO_TAG
from thecal.eventlog.text import as_json
from thecal.link.client import Client
from thecal.link.responses.alarms import StandingAlarm
from thecal.link.responses.program import check_program
from thecal.link.responses.pump import Event, Instant, LogRing, LogState, number_of_unknown, values_of
from thecal.report import bringup
from thecal.report.bringup import BringUp
from thecal.units import local_time
from thecal_protocol.messages import ACTORS, EVENT_KINDS, RINGS

SCHEMA = 1
KIND = "thecal-record"
CLOCK_NEVER_SET = (
    "THE PUMP'S CLOCK WAS NEVER SET: it counts from 2000-01-01, its first start. Times of day below are by "
    "that clock, and so are refill dates. Set it: thecal clock set --to now."
)
MOST_LOG_BYTES = 100_000_000  # some 300,000 records
_HEAD = 200
_REFILL = ("refill_day", "refill_reason", "to_low_s", "to_empty_s")
_KINDS = frozenset(name for _, name in EVENT_KINDS)
_ACTORS = frozenset(name for _, name in ACTORS)
_RINGS = frozenset(name for _, name in RINGS)
_NUMBERS = struct.Struct("<IQBHQQH")  # of a record: its packing tells what is no number, or has too many bits
_AT_END_US = (1 << 32) * 1_000_000  # a pump's clock counts seconds in 32 bits: 136 years


@dataclass
class Record:
    """One pump's record. What a file of lines does not hold is None."""

    source: str
    events: list[Event]
    serial: str | None = None
    pump: str | None = None  # model and firmware
    state: str | None = None
    local: datetime | None = None  # the pump's local time at `now_us`
    clock_set: bool | None = None  # has anybody ever said what day it is? None: not known
    now_us: int | None = None
    program: dict[str, Any] | None = None
    accounts: dict[str, Any] | None = None
    log_state: LogState | None = None
    from_pump: bool = False  # it was asked just now, so its word for where the log begins and ends counts
    seal: str = ""  # of a file: what proves that its log state is the pump's (`chain.seal_of`)
    flow: Flow | None = None
    bringup: BringUp | None = None  # of the board that it is
    # since 0.2; None: nobody has asked, or the file is older
    alarms: list[dict[str, Any]] | None = (
        None  # that stand: name, critical, live, confirmed, raised_us, detail
    )
    fault: str | None = None  # latched
    refill: dict[str, Any] | None = None  # the pump's own: refill_day, refill_reason, to_low_s, to_empty_s
    basal_ng_per_day: int | None = None  # scheduled now
    bolus: tuple[str, int] | None = None  # that runs: its kind, pL given
    reasons: dict[int, str] = field(default_factory=dict[int, str])  # why, by the instant of the commit
    notes: list[Problem] = field(default_factory=list[Problem])


@dataclass
class Flow:
    """Volume against time, sampled at equal distances."""

    start_us: int  # of the pump's clock
    every_us: int
    volumes_pl: list[int]  # the first at the start
    how: str


def of_pump(client: Client, source: str) -> Record:
    """Ask a pump; its log is read last, so that the chain's ends are known before."""
    hello = client.hello()
    state = client.log_state()
    events = [event for event in client.events(0) if event.sequence < state.next_event]
    status, accounts, alarms = client.status(), client.accounts(), client.alarms()
    reservoir = client.reservoir() if status.program_digest else None
    return Record(
        source=source,
        events=events,
        serial=hello.serial,
        pump=f"{hello.model}, firmware {hello.firmware}",
        state=status.state,
        local=local_time.from_wire(status.local_day, status.local_s, status.local_us),
        clock_set=status.clock_set,
        now_us=status.now.total_us,
        program=client.running_program(),
        accounts=values_of(accounts),
        log_state=state,
        from_pump=True,
        alarms=[_alarm(one) for one in alarms.standing],
        fault=alarms.fault,
        refill={name: getattr(reservoir, name) for name in _REFILL} if reservoir else None,
        basal_ng_per_day=status.basal_ng_per_day,
        bolus=(status.bolus, status.bolus_given_pl) if status.bolus else None,
    )


def _alarm(one: StandingAlarm) -> dict[str, Any]:
    return {
        "name": one.name,
        "critical": one.critical,
        "live": one.live,
        "confirmed": one.confirmed,
        "raised_us": one.raised.total_us,
        "detail": one.detail,
    }


def as_document(record: Record) -> dict[str, object]:
    """The JSON document; `seal` is the caller's to make."""
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "source": record.source,
        "serial": record.serial,
        "pump": record.pump,
        "state": record.state,
        "local": record.local.isoformat() if record.local else None,
        "clock_set": record.clock_set,
        "now_us": record.now_us,
        "program": _plain(record.program),
        "accounts": record.accounts,
        "log_state": _plain(values_of(record.log_state)) if record.log_state else None,
        "seal": record.seal,
        "flow": asdict(record.flow) if record.flow else None,
        "bringup": bringup.as_document(record.bringup) if record.bringup else None,
        "alarms": record.alarms,
        "fault": record.fault,
        "refill": record.refill,
        "basal_ng_per_day": record.basal_ng_per_day,
        "bolus": list(record.bolus) if record.bolus else None,
        "reasons": {str(at_us): why for at_us, why in record.reasons.items()},
        "events": [as_json(event) for event in record.events],
    }


def save(record: Record, path: Path) -> None:
    """Write the document: whole or not at all."""
    atomic_write.write(path, json.dumps(as_document(record), ensure_ascii=False))


def of_file(path: Path) -> Record:
    """Read a document, or lines of `thecal log --jsonl`. FileError names the line that is neither."""
    input_file.need_file(path)
    head = next((line for line in input_file.lines(path, MOST_LOG_BYTES, cut=True) if line.strip()), "")
    try:
        if f'"{KIND}"' in head[:_HEAD]:
            return _of_document(input_file.read_json(path), str(path))
        lines = input_file.json_lines(path, MOST_LOG_BYTES)
        events = [event_of(one, "line", number) for number, one in lines]
    except (FileError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise FileError(
            f"{path} is neither a record nor a log: {_short(error, path)}",
            "give what `thecal report --save` or `thecal log --jsonl` wrote",
        ) from None
    if not events:
        raise FileError(f"{path} is empty", "give what `thecal report --save` or `thecal log --jsonl` wrote")
    return Record(source=shown(str(path)), events=events)


def _short(error: Exception, path: Path) -> str:
    text = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    text = error.message.removeprefix(f"{path}, ") if isinstance(error, FileError) else text
    return " ".join(text.split())[:120]


def _of_document(document: Mapping[str, Any], source: str) -> Record:
    if document["schema"] != SCHEMA:
        raise ValueError(f"schema {document['schema']} is not known")
    local, state, flow = document["local"], document["log_state"], document["flow"]
    board = document.get("bringup")  # since 0.2
    return Record(
        source=source,
        events=[event_of(x, "event", number) for number, x in enumerate(document["events"], 1)],
        serial=document["serial"],
        pump=document["pump"],
        state=document["state"],
        local=datetime.fromisoformat(local) if local else None,
        clock_set=document.get("clock_set"),  # since 0.2
        now_us=document["now_us"],
        program=_program(document["program"]),
        accounts=document["accounts"],
        log_state=_log_state(state) if state else None,
        seal=str(document.get("seal", "")),  # since 0.2
        alarms=_alarms(document.get("alarms")),
        fault=document.get("fault"),
        refill=_refill(document.get("refill")),
        basal_ng_per_day=_number(document.get("basal_ng_per_day")),
        bolus=_bolus(document.get("bolus")),
        reasons={int(at_us): shown(str(why)) for at_us, why in document.get("reasons", {}).items()},
        flow=Flow(flow["start_us"], flow["every_us"], flow["volumes_pl"], flow["how"]) if flow else None,
        bringup=bringup.of_document(board) if board else None,
    )


def _alarms(found: Any) -> list[dict[str, Any]] | None:
    if found is None:
        return None
    return [
        {
            "name": shown(str(x["name"])),
            **{name: bool(x[name]) for name in ("critical", "live", "confirmed")},
            **{name: int(x[name]) for name in ("raised_us", "detail")},
        }
        for x in found
    ]


def _refill(found: Any) -> dict[str, Any] | None:
    if found is None:
        return None
    numbers = {name: _number(found[name]) for name in _REFILL if name != "refill_reason"}
    return numbers | {"refill_reason": shown(str(found["refill_reason"]))}


def _bolus(found: Any) -> tuple[str, int] | None:
    return (shown(str(found[0])), int(found[1])) if found else None


def _number(found: Any) -> int | None:
    """A whole number that may be missing. ValueError: it is something else."""
    if found is None or (isinstance(found, int) and not isinstance(found, bool) and abs(found) < 1 << 64):
        return found
    raise ValueError("it holds a number that is none")


def event_of(x: Mapping[str, Any], what: str, where: int) -> Event:
    """A record of the log from its JSON object, which is the `what` number `where` of a file."""
    try:
        sequence, at_us, code, ref = x["sequence"], x["at_us"], x["code"], x["ref"]
        a, b, boot, kind, actor = x["a"], x["b"], x["boot"], x["kind"], x["actor"]
        tag = bytes.fromhex(x["tag"])
    except (KeyError, TypeError, ValueError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else "it is no record"
        raise ValueError(f"{what} {where}: {why}") from None
    try:
        _NUMBERS.pack(sequence, at_us, code, ref, a, b, boot)
        numbers = at_us < _AT_END_US
    except struct.error:
        numbers = False
    if isinstance(at_us, int) and at_us >= _AT_END_US:
        raise ValueError(f"{what} {where} is dated past the 136 years that a pump's clock can count")
    if not numbers:
        raise ValueError(f"{what} {where} holds a number that is none")
    for word, known in ((kind, _KINDS), (actor, _ACTORS)):
        if word not in known and number_of_unknown(word) is None:
            raise ValueError(f"{what} {where} holds the word {word!r}, which no log has")
    at = Instant(*divmod(at_us, 1_000_000))
    ring = x.get("ring", "")
    if ring and ring not in _RINGS:
        raise ValueError(f"{what} {where} holds the word {ring!r}, which is no ring of a log")
    return Event(sequence, at, kind, actor, code, ref, a, b, boot, tag, ring)


def _plain(value: Any) -> Any:
    """Bytes as hexadecimal text, all the way down."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def _program(program: dict[str, Any] | None) -> dict[str, Any] | None:
    if program is not None:
        check_program(program)
        for library in program["library"]:
            library["digest"] = bytes.fromhex(library["digest"])
    return program


def _log_state(state: Mapping[str, Any]) -> LogState:
    def ring(x: Mapping[str, Any]) -> LogRing:
        return LogRing(
            x["first"], x["last"], x["records"], bytes.fromhex(x["before"]), bytes.fromhex(x["tag"])
        )

    doses = ring(state["doses"]) if "doses" in state else LogRing(0, 0, 0, NO_TAG, NO_TAG)  # it had two
    return LogState(
        state["next_event"],
        state["boot"],
        state["failing"],
        ring(state["events"]),
        ring(state["faults"]),
        doses,
        state.get("heap_free"),  # older ones have none
    )
