"""Keeps the tables and the worked examples of docs/reference/protocol.md equal to protocol/thecal_protocol.

    python tools/generate/protocol_page.py            write them into the page
    python tools/generate/protocol_page.py --check    exit code 1 when the page is out of date

A block stands between `<!-- wire: NAME -->` and `<!-- /wire -->`; the prose around it is written by hand.
"""

import hashlib
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "protocol")]

from pages import write_or_check  # noqa: E402 -- after the path
from thecal.link import cipher  # noqa: E402 -- after the path
from thecal_protocol import codec, events, framing, messages, roles, secure, therapy, version  # noqa: E402

PAGE = ROOT / "docs" / "reference" / "protocol.md"
_BLOCK = re.compile(r"(<!-- wire: (?P<name>[^>]+?) -->\n).*?(<!-- /wire -->)", re.DOTALL)

Fields = Sequence[tuple[str, object]]
Values = dict[str, object]

_NONCE = 0x1234ABCD
_HELLO: Values = {
    "protocol": messages.PROTOCOL_VERSION,
    "table_hash": codec.table_hash(messages.SCHEMA),
    "nonce": _NONCE,
}
_SESSION = 7
_SERIAL = "UNIX-0001"
_KEY = bytes(range(0x00, 0x10))
_CHALLENGE = bytes(range(0x10, 0x20))
_HOST_NONCE = bytes(range(0x20, 0x30))
_VERSION = secure.version_of(messages.PROTOCOL_VERSION, codec.table_hash(messages.SCHEMA), _SERIAL)
_SECRETS = secure.session_secrets(_KEY, _CHALLENGE, _HOST_NONCE, _SESSION, roles.CLINICIAN, _VERSION)
_HELLO_ANSWER: Values = {
    "protocol": messages.PROTOCOL_VERSION,
    "table_hash": codec.table_hash(messages.SCHEMA),
    "session": _SESSION,
    "model": "thecal-unix",
    "serial": _SERIAL,
    "capabilities": 1,
    "alarm": 0,
    "challenge": _CHALLENGE,
}
_AUTH: Values = {"role": roles.CLINICIAN, "nonce": _HOST_NONCE, "proof": _SECRETS[: secure.PROOF_SIZE]}
_AUTH_ANSWER: Values = {
    "firmware": version.VERSION,
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
    "auth request": (7, 0, messages.AUTH, None, _AUTH),
    "auth answer": (7, 0, messages.AUTH, 0, _AUTH_ANSWER),
    "propose request": (7, 1, messages.PROPOSE, None, _PIECE),
    "commit request": (7, 2, messages.COMMIT, None, {"digest": _DIGEST}),
    "commit answer": (7, 2, messages.COMMIT, 0, {"at_s": 3600, "at_us": 250, "ref": 4}),
    "stop request": (7, 3, messages.STOP, None, {"resume_after_s": 0}),
    "refused answer": (7, 4, messages.PATIENT_BOLUS, 16, {"detail": ""}),
}
_PLAIN = ("hello request", "hello answer", "auth request")  # all others are secured


def block(name: str) -> str:
    """The text of a block of the page."""
    what, _, rest = name.partition(" ")
    if what == "example":
        return _example(rest in _PLAIN, *EXAMPLES[rest])
    if what == "names":
        return _names(rest)
    if what == "messages":
        return _rows(("opcode", "name"), [(f"`0x{row[0]:02x}`", f"`{row[1]}`") for row in messages.MESSAGES])
    if what == "secrets":
        return _secrets()
    if what == "access":
        return _access()
    if what == "sizes":
        return _sizes()
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
    source = next(module for module in (therapy, roles, events, messages) if hasattr(module, table))
    rows: Sequence[tuple[object, ...]] = getattr(source, table)
    head = ("number", "name", "class") if table == "ALARMS" else ("number", "name")
    return _rows(head, [(str(row[0]), *(f"`{word}`" for word in row[1 : len(head)])) for row in rows])


def _rows(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


# what it is, and the constant of the firmware that says so; a module of the pump is read as text
_SIZES = (
    ("wake-ups by bytes in store", "link/server.py", "_WAKES"),
    ("more of them each second", "link/server.py", "_WAKES_PER_S"),
    ("more for an authentic frame", "link/server.py", "_FRAME_WAKES"),
    ("bytes of a proposal, all pieces together", "link/proposals.py", "MAX_PROPOSAL"),
    ("bytes of a drug's name, which is not empty", "therapy/bounds.py", "MAX_DRUG_NAME"),
    ("bytes of a lot", "therapy/bounds.py", "MAX_LOT"),
    ("bytes of any other text, such as a therapy's name", "", "255"),
)  # fmt: skip


def _sizes() -> str:
    rows = [(what, f"{_constant(file, name) if file else int(name)}") for what, file, name in _SIZES]
    return _rows(("what", "most"), rows)


def _constant(file: str, name: str) -> int:
    text = (ROOT / "firmware" / "pump" / file).read_text(encoding="utf-8")
    [found] = re.findall(rf"^{name} = (\d+)", text, re.MULTILINE)
    return int(found)


def _secrets() -> str:
    names = ("proof", "key host to pump", "key pump to host", "salt host to pump", "salt pump to host")
    sizes = (secure.PROOF_SIZE, secure.KEY_SIZE, secure.KEY_SIZE, secure.SALT_SIZE, secure.SALT_SIZE)
    lines = [
        f"key of the role      {_KEY.hex(' ')}",
        f"challenge            {_CHALLENGE.hex(' ')}",
        f"nonce of the host    {_HOST_NONCE.hex(' ')}",
    ]
    at = 0
    for name, size in zip(names, sizes, strict=True):
        lines.append(f"{name:<20} {_SECRETS[at : at + size].hex(' ')}")
        at += size
    return "```text\n" + "\n".join(lines) + "\n```\n"


def _access() -> str:
    rows: list[tuple[str, ...]] = []
    for opcode, name, who, button, *_ in messages.MESSAGES:
        if who == messages.NOBODY:
            continue
        marks = ["yes" if roles.may(number, opcode) else "" for number, _ in roles.ROLES]
        rows.append((f"`{name}`", *marks, "yes" if button else ""))
    return _rows(("request", *(name for _, name in roles.ROLES), "button"), rows)


def _example(plain: bool, session: int, seq: int, opcode: int, result: int | None, values: Values) -> str:
    buffer = bytearray(framing.FRAME_SIZE)
    answer = result is not None
    fields = messages.request_fields(opcode) if result is None else messages.answer_fields(opcode)
    fields = messages.REFUSED if result else fields
    at = framing.ANSWER_AT if answer and plain else framing.REQUEST_AT
    end = codec.encode(fields, values, buffer, at, framing.ANSWER_END)
    payload = buffer[at:end].hex(" ")
    if not plain:
        flags = framing.FLAG_ANSWER if answer else 0
        code = opcode if result is None else result
        sealer = cipher.both(_SECRETS)[answer]
        count = framing.seal_secured(buffer, end, flags, session, seq, code, sealer)
    elif result is None:
        count = framing.seal_request(buffer, end, session, seq, opcode)
    else:
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
        "payload " + payload,
        "body    " + buffer[1 : count - 1].hex(" "),
        "frame   " + frame.hex(" "),
    ]
    return "```text\n" + "\n".join(line.rstrip() for line in lines) + "\n```\n"


def main(arguments: list[str]) -> int:
    """Write or check the page; the exit code."""
    return write_or_check(PAGE, written(PAGE.read_text(encoding="utf-8")), arguments, "protocol_page")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
