"""Keeps the tables and the worked examples of docs/protocol.md equal to firmware/wire.

    python tools/protocol_page.py            write them into the page
    python tools/protocol_page.py --check    exit code 1 when the page is out of date

A block stands between `<!-- wire: NAME -->` and `<!-- /wire -->`; the prose around it is written by hand.
"""

import hashlib
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "firmware"))

from wire import codec, framing, messages, therapy  # noqa: E402 -- after the path

PAGE = ROOT / "docs" / "protocol.md"
_BLOCK = re.compile(r"(<!-- wire: (?P<name>[^>]+?) -->\n).*?(<!-- /wire -->)", re.DOTALL)

Fields = Sequence[tuple[str, object]]
Values = dict[str, object]

_NONCE = 0x1234ABCD
_HELLO: Values = {
    "protocol": messages.PROTOCOL_VERSION,
    "table_hash": codec.table_hash(messages.SCHEMA),
    "nonce": _NONCE,
}
_HELLO_ANSWER: Values = {
    "protocol": messages.PROTOCOL_VERSION,
    "table_hash": codec.table_hash(messages.SCHEMA),
    "session": 7,
    "model": "thecal-unix",
    "firmware": "0.1.0",
    "serial": "UNIX-0001",
    "capabilities": 0,
    "last_session": 6,
    "last_seq": 3,
    "last_opcode": messages.COMMIT,
}
_BOLUS: Values = {"dose_ng": 100_000, "duration_us": 300_000_000, "extended": 0}
_BLOB = bytes(codec.encoded(messages.BOLUS, _BOLUS))
_PIECE: Values = {"kind": messages.PROPOSAL_BOLUS, "total": len(_BLOB), "offset": 0, "data": _BLOB}
_DIGEST = hashlib.sha256(bytes((messages.PROPOSAL_BOLUS,)) + _BLOB).digest()[:16]

# name: (session, seq, opcode, result or None for a request, values)
EXAMPLES: dict[str, tuple[int, int, int, int | None, Values]] = {
    "hello request": (0, _NONCE & 0xFFFF, messages.HELLO, None, _HELLO),
    "hello answer": (0, _NONCE & 0xFFFF, messages.HELLO, 0, _HELLO_ANSWER),
    "propose request": (7, 1, messages.PROPOSE, None, _PIECE),
    "commit request": (7, 2, messages.COMMIT, None, {"digest": _DIGEST}),
    "commit answer": (7, 2, messages.COMMIT, 0, {"at_s": 3600, "at_us": 250, "ref": 4}),
    "stop request": (7, 3, messages.STOP, None, {"resume_after_s": 0}),
    "refused answer": (7, 4, messages.PATIENT_BOLUS, 16, {"detail": ""}),
}


def block(name: str) -> str:
    """The text of a block of the page."""
    what, _, rest = name.partition(" ")
    if what == "example":
        return _example(*EXAMPLES[rest])
    if what == "names":
        return _names(rest)
    if what == "messages":
        return _rows(("opcode", "name"), [(f"`0x{row[0]:02x}`", f"`{row[1]}`") for row in messages.MESSAGES])
    if what == "hash":
        return f"`{codec.table_hash(messages.SCHEMA).hex()}`\n"
    return _fields(fields_of(name))


def fields_of(name: str) -> Fields:
    """The table of fields behind a name such as `hello request`, `bolus proposal` or `refused`."""
    if name == "refused":
        return messages.REFUSED
    message, _, part = name.partition(" ")
    if part == "proposal":
        return messages.proposal_fields(codec.number_of(messages.PROPOSALS, message))
    opcode = codec.number_of(messages.MESSAGES, message)
    if part == "request":
        return messages.request_fields(opcode)
    if part == "answer":
        return messages.answer_fields(opcode)
    raise ValueError(f"no block {name!r}")


def written(page: str) -> str:
    """The page with every block brought up to date."""
    return _BLOCK.sub(lambda found: found[1] + block(found["name"]) + found[3], page)


def _fields(fields: Fields) -> str:
    return _rows(("field", "kind"), _field_rows(fields, "")) if fields else "Empty.\n"


def _field_rows(fields: Fields, prefix: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, kind in fields:
        if isinstance(kind, str):
            rows.append((f"`{prefix}{name}`", kind))
        else:
            rows.append((f"`{prefix}{name}`", "group, u16 count, then of each entry:"))
            rows += _field_rows(_group(kind), f"{prefix}{name}[].")
    return rows


def _group(kind: object) -> Fields:
    if not isinstance(kind, tuple):
        raise TypeError(kind)
    return kind  # pyright: ignore[reportUnknownVariableType]


def _names(table: str) -> str:
    source = therapy if hasattr(therapy, table) else messages
    rows: Sequence[tuple[object, ...]] = getattr(source, table)
    head = ("number", "name", "class") if table == "ALARMS" else ("number", "name")
    return _rows(head, [(str(row[0]), *(f"`{word}`" for word in row[1 : len(head)])) for row in rows])


def _rows(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _example(session: int, seq: int, opcode: int, result: int | None, values: Values) -> str:
    buffer = bytearray(framing.FRAME_SIZE)
    if result is None:
        at, fields = framing.REQUEST_AT, messages.request_fields(opcode)
        end = codec.encode(fields, values, buffer, at, framing.REQUEST_END)
        count = framing.seal_request(buffer, end, session, seq, opcode)
    else:
        at, fields = framing.ANSWER_AT, messages.REFUSED if result else messages.answer_fields(opcode)
        end = codec.encode(fields, values, buffer, at, framing.ANSWER_END)
        count = framing.seal_answer(buffer, end, session, seq, opcode, result)
    frame = bytes(buffer[:count])
    framing.unstuff(buffer, count - 1)
    shown = {name: value.hex() if isinstance(value, bytes) else value for name, value in values.items()}
    header = {"session": session, "seq": seq, "opcode": opcode}
    if result is not None:
        header["result"] = result
    lines = [
        "header  " + json.dumps(header),
        "values  " + json.dumps(shown),
        "payload " + buffer[at:end].hex(" "),
        "body    " + buffer[1 : count - 1].hex(" "),
        "frame   " + frame.hex(" "),
    ]
    return "```text\n" + "\n".join(line.rstrip() for line in lines) + "\n```\n"


def main(arguments: list[str]) -> int:
    """Write or check the page; the exit code."""
    page = PAGE.read_text(encoding="utf-8")
    new = written(page)
    if new == page:
        return 0
    if "--check" in arguments:
        print(f"{PAGE} is out of date: run `python tools/protocol_page.py`", file=sys.stderr)
        return 1
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
