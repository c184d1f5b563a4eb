"""What hostile devices say: `KINDS` with the key, `BARE` without.

A row is what is wrong, the commands that meet it, words that must be said (in the output where the command
goes on, in the error where it cannot). To add one: a function, a row.
"""

import copy
from collections.abc import Callable

from host.link.fake_device import frame_of
from host.outside import hostile
from host.outside.hostile import Answer, HostilePump, Refusal, Spoil, honest
from thecal_protocol.codec import decode, encoded
from thecal_protocol.messages import (
    ACCOUNTS,
    ALARM_TEST,
    ALARMS_LIST,
    CLEAR_FAULT,
    COMMIT,
    EVENTS,
    HELLO,
    LIMITS,
    LOG_KEY,
    LOG_STATE,
    PROGRAM,
    PROPOSE,
    READING,
    RESERVOIR,
    SELF_TEST,
    SENSORS_READ,
    STATUS,
    STOP,
    answer_fields,
)
from thecal_protocol.therapy import THERAPY

STOCK = (
    "status|status --json|monitor --once|log --no-store|log --verify --no-store|alarms --json|refill --show"
)
Device = Callable[[bytes], bytes]


def _set(wanted: int, **values: object) -> Spoil:
    """These fields of the answer to one request."""

    def spoil(opcode: int, request: Answer, answer: Answer) -> None:
        if opcode == wanted:
            answer.update(values)

    return spoil


def _both(one: Spoil, other: Spoil) -> Spoil:
    def spoil(opcode: int, request: Answer, answer: Answer) -> Answer | bytes | None:
        return one(opcode, request, answer) or other(opcode, request, answer)

    return spoil


def _each(wanted: int, group: str, **values: object) -> Spoil:
    """These fields of every entry of a group."""

    def spoil(opcode: int, request: Answer, answer: Answer) -> None:
        if opcode == wanted:
            for entry in answer[group]:
                entry.update(values)

    return spoil


def _refuse(wanted: int, number: int, detail: str = "") -> Spoil:
    def spoil(opcode: int, request: Answer, answer: Answer) -> None:
        if opcode == wanted:
            raise Refusal(number, detail)

    return spoil


def _raw(wanted: int, payload: bytes) -> Spoil:
    return lambda opcode, request, answer: payload if opcode == wanted else None


def _program(**values: object) -> Spoil:
    """A program with these fields."""
    blob = honest()[PROGRAM]
    made: Answer = {**decode(THERAPY, blob, 0, len(blob)), **values}
    blob = bytes(encoded(THERAPY, made))

    def spoil(opcode: int, request: Answer, answer: Answer) -> Answer | None:
        return {"total": len(blob), "data": blob[request["offset"] :][:200]} if opcode == PROGRAM else None

    return spoil


def _endless_log(ascending: bool) -> Spoil:
    record = honest()[EVENTS]["events"][0]

    def spoil(opcode: int, request: Answer, answer: Answer) -> Answer | None:
        if opcode == LOG_STATE:
            return {**answer, "next_event": 2**32 - 1}
        if opcode != EVENTS:
            return None
        first = request["first"] if ascending else 7
        return {"next": first + 3, "events": [{**record, "sequence": first + n} for n in range(3)]}

    return spoil


def _records(**values: object) -> Spoil:
    return _each(EVENTS, "events", **values)


def _reversed(opcode: int, request: Answer, answer: Answer) -> None:
    if opcode == EVENTS:
        answer["events"].reverse()


def _dripping(opcode: int, request: Answer, answer: Answer) -> Answer | None:
    return {"total": 60_000, "data": b"\0"} if opcode in (PROGRAM, READING) else None


def _always_more(wanted: int, group: str, total: str) -> Spoil:
    def spoil(opcode: int, request: Answer, answer: Answer) -> Answer | None:
        if opcode == wanted:
            return {**answer, group: copy.deepcopy(honest()[wanted][group][:1]), total: 65_535}
        return None

    return spoil


# name: (the lie, commands, what must be said)
KINDS: dict[str, tuple[Spoil, str, str]] = {
    "a state without a name": (
        _set(STATUS, state=178),
        "status|status --json|monitor --once",
        "unknown (178)",
    ),
    "an alarm without a name": (
        _each(ALARMS_LIST, "alarms", alarm=178),
        "alarms|alarms --json|status",
        "unknown (178)",
    ),
    "an announced alarm without a name": (
        _set(ALARMS_LIST, announced=178),
        "alarms --json|status --json",
        "unknown (178)",
    ),
    "a fault without a name": (
        _set(ALARMS_LIST, fault=178),
        "fault show|status|status --json",
        "unknown (178)",
    ),
    "an alarm in the status without a name": (
        _set(STATUS, alarm=178, alarms=1),
        "status|monitor --once",
        "state",
    ),
    "a bolus without a name": (
        _set(STATUS, bolus=178),
        "status|status --json|monitor --once",
        "unknown (178)",
    ),
    "a source without a name": (_each(ACCOUNTS, "sources", source=178), "status|status --json", "state"),
    "a sensor without a name": (_each(SENSORS_READ, "states", sensor=178), "status|status --json", "state"),
    "a sensor's state without a name": (
        _set(SENSORS_READ, states=[{"sensor": 1, "state": 178}]),
        "status",
        "UNKNOWN (178)",
    ),
    "a refill reason without a name": (_set(RESERVOIR, refill_reason=178), "status|refill --show", ""),
    "a kind of record without a name": (
        _records(kind=178),
        "log --no-store|log --verify --no-store",
        "unknown (178)|not as the pump wrote",
    ),
    "an actor without a name": (
        _records(actor=178),
        "log --no-store|log --json --no-store|log --csv --no-store",
        "unknown (178)",
    ),
    "a ring without a name": (_records(ring=178), "log --no-store|log --verify --no-store", ""),
    "a state after a fault without a name": (
        _both(_set(CLEAR_FAULT, at_s=1, at_us=0, state=178), _set(ALARMS_LIST, fault=3)),
        "fault clear --yes",
        "unknown (178)",
    ),
    "a self test without a name": (_set(SELF_TEST, failed=178), "alarms test", ""),
    "a refusal without a name": (_refuse(STOP, 178), "stop", "unknown (178)"),
    "a refusal whose detail is a novel": (_refuse(STOP, 7, "\x1b[2J" + "9" * 200), "stop", "refused"),
    "a refusal with a day that is none": (
        _refuse(COMMIT, 17, "morphine 1 99999999999 1"),
        "bolus --dose '0.1 mg' --duration '1 h' --yes",
        "refused",
    ),
    "records all numbered alike": (
        _endless_log(ascending=False),
        "log --no-store|log --verify --no-store|report --save {d}/r.json",
        "out of order",
    ),
    "always more records": (_endless_log(ascending=True), "log --no-store", "records: no pump keeps so many"),
    "records backwards": (_reversed, "log --no-store|log --json --no-store", "out of order"),
    "records that are not the ones asked for": (
        _records(sequence=2**32 - 1),
        "log --no-store|log --range 1..5 --no-store",
        "out of order",
    ),
    "a log that does not advance": (
        _set(EVENTS, next=0),
        "log --no-store|report --save {d}/r.json",
        "out of order",
    ),
    "numbers of 2^63 in records": (
        _records(a=2**63, b=2**64 - 1),
        "log|log --verify --no-store|report --save {d}/r.json",
        "",
    ),
    "records of the end of time": (
        _records(at_s=2**32 - 1, at_us=2**32 - 1),
        "log|log --json --no-store|report --out {d}/r.html",
        "",
    ),
    "records with odd codes": (_records(code=255, ref=65_535), "log|report --save {d}/r.json", ""),
    "tags of no size": (_records(tag=b""), "log --no-store|log --verify --no-store", "a tag of 0 bytes"),
    "tags that are long": (_records(tag=bytes(30)), "log --no-store", "a tag of 30 bytes"),
    "a log key of 15 bytes": (
        _set(LOG_KEY, key=bytes(15)),
        "log --verify --no-store|report --save {d}/r.json",
        "a key of 15 bytes",
    ),
    "a log key of none": (_set(LOG_KEY, key=b""), "log --verify --no-store", "a key of 0 bytes"),
    "a log state without rings": (
        _set(LOG_STATE, rings=[]),
        "log --verify --no-store|report --save {d}/r.json",
        "0 rings",
    ),
    "a log state that promises too much": (
        _set(LOG_STATE, next_event=2**32 - 1),
        "log --count 3 --no-store|log --verify --no-store",
        "",
    ),
    "no limits at all": (_set(LIMITS, limits=[], total=0), "limits|limits --json", "an empty page"),
    "an empty page of limits": (_set(LIMITS, limits=[]), "limits|limits --json", "an empty page"),
    "always more limits": (_always_more(LIMITS, "limits", "total"), "limits", "more than 256 entries"),
    "limits of days that are none": (_each(LIMITS, "limits", name="local_day", high=2**62), "limits", ""),
    "always more alarms": (_always_more(ALARMS_LIST, "alarms", "total"), "alarms", "more than 256 entries"),
    "always more refills": (
        _always_more(RESERVOIR, "checks", "total"),
        "refill --show",
        "more than 256 entries",
    ),
    "always more fillings": (
        _always_more(ACCOUNTS, "fillings", "fillings_total"),
        "status",
        "more than 256 entries",
    ),
    "an empty page of fillings": (_set(ACCOUNTS, fillings=[], fillings_total=3), "status", "an empty page"),
    "a program that drips": (_dripping, "status", "of 60000 bytes"),
    "a program that is none": (
        _raw(PROGRAM, bytes(encoded(answer_fields(PROGRAM), {"total": 40, "data": bytes(40)}))),
        "status|session --change '+10 %' --yes",
        "breaks the protocol",
    ),
    "a program without drugs": (_program(drugs=[]), "status|monitor --once|log --no-store", ""),
    "a program of nothing": (
        _program(reservoir_pl=0, fill_pl=0, step_volume_pl=0),
        "status|monitor --once|report --out {d}/r.html",
        "",
    ),
    "a program of too much": (
        _program(reservoir_pl=2**63, fill_pl=2**63),
        "status|monitor --once|session --change '+10 %' --yes",
        "out of range",
    ),
    "volumes of 2^64": (_set(STATUS, reservoir_pl=2**64 - 1, steps=2**64 - 1), "status", "out of range"),
    "a clock at the end of its numbers": (
        _set(STATUS, local_day=65_535, local_s=2**32 - 1, local_us=2**32 - 1, now_s=0),
        f"{STOCK}|clock show",
        "",
    ),
    "a step volume of nothing": (_each(ACCOUNTS, "fillings", step_volume_pl=0), "status|status --json", ""),
    "refills before time": (
        _each(RESERVOIR, "checks", day=0, at_s=2**32 - 1, ratio_ppm=0),
        "refill --show|refill --show --json",
        "",
    ),
    "an alarm from the future": (
        _each(ALARMS_LIST, "alarms", raised_s=2**32 - 1, detail=2**64 - 1),
        "alarms|alarms --json",
        "",
    ),
    "an answer cut short": (_raw(STATUS, b"\1\2\3"), "status|alarms --json", "breaks the protocol"),
    "an answer with more behind it": (_raw(ALARM_TEST, b"\1\2\3"), "alarms test", "breaks the protocol"),
    "an answer of nothing": (_raw(STATUS, b""), "status|alarms --json", "breaks the protocol"),
    "text that is none": (
        _raw(LIMITS, b"\1\0\1\0\4\xff\xfe\xc0\x80" + bytes(16)),
        "limits",
        "breaks the protocol",
    ),
    "a count of 65,535 entries": (
        _raw(ALARMS_LIST, bytes(10) + b"\xff\xff"),
        "alarms",
        "breaks the protocol",
    ),
    "a proposal received elsewhere": (_set(PROPOSE, received=1), "program {m} --yes", "bytes received"),
    "another dose read than was sent": (
        _set(PROPOSE, digest=bytes(16)),
        "bolus --dose '0.1 mg' --duration '1 h' --yes",
        "did not read what was sent",
    ),
    "an instant that is none": (_set(STOP, at_s=2**32 - 1, at_us=2**32 - 1), "stop", ""),
}


def _echo(data: bytes) -> bytes:
    return data


def _flood(data: bytes) -> bytes:
    return bytes(range(256)) * 400


def _stranger(data: bytes) -> bytes:
    return frame_of(9, 9, STATUS, {}, answer=True) * 500


def _hello_of(**values: object) -> HostilePump:
    return HostilePump(_set(HELLO, **values))


# what has no key, or no session: a device, and what must be said
BARE: dict[str, tuple[Callable[[], Device], str]] = {
    "says nothing": (lambda: lambda data: b"", "no answer"),
    "echoes": (lambda: _echo, "sends back what is sent"),
    "floods": (lambda: _flood, "is not thecal's protocol"),
    "answers somebody else": (lambda: _stranger, "answers, but not this request"),
    "escape sequences": (lambda: lambda data: b"\x1b]0;pwned\x07\x1b[2J" * 9, "is not thecal's protocol"),
    "zeros": (lambda: lambda data: bytes(100_000), "thecal's protocol"),
    "vanishes": (lambda: lambda data: hostile.GONE, "vanished"),
    "another protocol": (lambda: _hello_of(protocol=9), "protocol_mismatch"),
    "another table": (lambda: _hello_of(table_hash=b"\x1b[31m\n\0"), "protocol_mismatch"),
    "session 0": (lambda: _hello_of(session=0), "session 0 is none"),
    "another's serial number": (lambda: _hello_of(serial="F-2"), ""),
    "a serial number that is a path": (lambda: _hello_of(serial="../../x"), ""),
    "no challenge": (lambda: _hello_of(challenge=b""), ""),
    "an empty hello": (lambda: _hello_of(challenge=bytes(150), model="x" * 60), ""),
}
