"""docs/reference/protocol.md says what the code does: its tables are those of `wire`, its examples hold."""

import binascii
import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from cobs import cobs
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import protocol_page
from support.wire_values import Fields, plainly_encoded
from thecal_protocol import messages, program
from thecal_protocol.framing import FrameReader

NAME_TABLES = [
    "REFUSALS",
    "STATES",
    "BOLUS_KINDS",
    "ACTORS",
    "EVENT_KINDS",
    "RINGS",
    "PROGRAM_FIELDS",
    "PROPOSALS",
    "BASAL_MODES",
    "ALARMS",
    "ACTIONS",
    "SELF_TESTS",
    "SENSORS",
    "SENSOR_STATES",
    "REFILL_REASONS",
    "SOFT_LIMITS",
]
EXAMPLE = re.compile(
    r"<!-- wire: example (?P<name>[a-z_ ]+) -->\n```text\n(?P<text>.*?)```\n<!-- /wire -->", re.DOTALL
)


@pytest.fixture(scope="module")
def page(repo_root: Path) -> str:
    return (repo_root / "docs" / "reference" / "protocol.md").read_text(encoding="utf-8")


def test_the_generated_parts_are_up_to_date(page: str):
    assert protocol_page.written(page) == page, "run `python tools/generate/protocol_page.py`"
    assert protocol_page.main(["--check"]) == 0


def test_every_table_is_on_the_page(page: str):
    blocks = re.findall(r"<!-- wire: ([^>]+?) -->", page)
    wanted = [f"{row[1]} {part}" for row in messages.MESSAGES for part in ("request", "answer")]
    wanted += [f"{row[1]} proposal" for row in messages.PROPOSALS]
    wanted += [f"names {table}" for table in NAME_TABLES]
    wanted += ["names ROLES", "messages", "refused", "hash", "secrets", "access", "sizes"]
    assert sorted(block for block in blocks if not block.startswith("example")) == sorted(wanted)
    assert messages.SCHEMA[2] == (
        messages.REFUSALS,
        messages.STATES,
        program.BASAL_MODES,
        messages.BOLUS_KINDS,
        messages.ACTORS,
        messages.EVENT_KINDS,
        messages.ALARMS,
    )
    assert messages.SCHEMA[3] == (
        messages.REPEATED_RECORDS,
        messages.RINGS,
        messages.FAULT_RECORDS,
        messages.DOSE_RECORDS,
        messages.PROGRAM_FIELDS,
    )
    for words, table in (
        ("ring of faults are", "FAULT_RECORDS"),
        ("ring of doses has places for", "DOSE_RECORDS"),
        ("counted of", "REPEATED_RECORDS"),
    ):
        numbers = ", ".join(map(str, getattr(messages, table)))
        assert f"{words} {numbers} (`{table}`)" in " ".join(page.split())


def test_field_tables_show_every_field_in_order(page: str):
    """Read back from the page: the rows of a block, against the table."""
    for name in ("status answer", "program proposal", "accounts answer"):
        text = page.split(f"<!-- wire: {name} -->\n")[1].split("<!-- /wire -->")[0]
        rows = re.findall(r"^\| `([^`]+)` \| (\S+)", text, re.MULTILINE)
        assert rows == list(flat(protocol_page.fields_of(name)))


def flat(fields: Any, prefix: str = "") -> Any:
    for name, kind in fields:
        yield prefix + name, kind if isinstance(kind, str) else "group,"
        if not isinstance(kind, str):
            yield from flat(kind, f"{prefix}{name}[].")


def examples(text: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for match in EXAMPLE.finditer(text):
        lines: dict[str, str] = {}
        for line in match["text"].splitlines():
            name, _, rest = line.partition(" ")
            lines[name] = rest
        hexes = {name: bytes.fromhex(lines[name]) for name in ("payload", "body", "frame")}
        jsons = {name: json.loads(lines[name]) for name in ("header", "values")}
        found[match["name"]] = {**hexes, **jsons}
    return found


def test_there_are_examples(page: str):
    assert sorted(examples(page)) == sorted(protocol_page.EXAMPLES)


PLAIN = {"hello request", "hello answer", "auth request"}


def secrets(page: str) -> dict[str, bytes]:
    """The lines of the block of secrets."""
    text = page.split("<!-- wire: secrets -->\n```text\n")[1].split("```")[0]
    return {line[:20].strip(): bytes.fromhex(line[21:]) for line in text.splitlines()}


def test_the_secrets_are_those_of_rfc_5869(page: str):
    """By the package cryptography; nothing of `wire` computes here."""
    found = secrets(page)
    hello = examples(page)["hello answer"]["values"]
    auth = examples(page)["auth request"]
    assert (hello["challenge"], auth["values"]["nonce"]) == (
        found["challenge"].hex(),
        found["nonce of the host"].hex(),
    )
    info = b"thecal session" + struct.pack("<BH", auth["values"]["role"], auth["header"]["session"])
    info += bytes((hello["protocol"],)) + bytes.fromhex(hello["table_hash"]) + hello["serial"].encode()
    hkdf = HKDF(hashes.SHA256(), 64, salt=found["challenge"] + found["nonce of the host"], info=info)
    output = hkdf.derive(found["key of the role"])
    assert auth["values"]["proof"] == found["proof"].hex() == output[:16].hex()
    names = ("proof", "key host to pump", "key pump to host", "salt host to pump", "salt pump to host")
    assert b"".join(found[name] for name in names) == output


@pytest.mark.parametrize("name", sorted(protocol_page.EXAMPLES))
def test_examples_hold_byte_for_byte(page: str, name: str):
    """By struct, binascii and the packages cobs and cryptography; nothing of `wire` computes here."""
    example = examples(page)[name]
    header = example["header"]
    answer = "result" in header
    flags = 0x10 | answer | (0 if name in PLAIN else 2)
    head = struct.pack("<BHH", flags, header["session"], header["seq"])
    fields: Fields = protocol_page.fields_of("refused" if name == "refused answer" else name)  # type: ignore[assignment]
    values = {
        field: bytes.fromhex(example["values"][field]) if kind == "bytes" else example["values"][field]
        for field, kind in fields
    }
    assert plainly_encoded(fields, values) == example["payload"]
    if name in PLAIN:
        body = head + bytes((header["opcode"],))
        body += bytes((header["result"],)) if answer else b""
        body += example["payload"]
    else:
        way = "pump to host" if answer else "host to pump"
        text = bytes((header["result"] if answer else header["opcode"],)) + example["payload"]
        ccm = AESCCM(secrets(page)["key " + way], tag_length=8)
        body = head + ccm.encrypt(secrets(page)["salt " + way] + head, text, head)
        assert len(example["frame"]) == len(example["payload"]) + 20
    assert body + binascii.crc32(body).to_bytes(4, "little") == example["body"]
    assert cobs.encode(example["body"]) + b"\0" == example["frame"]


@pytest.mark.parametrize("name", sorted(protocol_page.EXAMPLES))
def test_examples_are_what_a_reader_takes(page: str, name: str):
    example = examples(page)[name]
    reader = FrameReader()
    assert reader.feed(example["frame"], 0, len(example["frame"])) == len(example["frame"])
    assert reader.ready
    if name in PLAIN:
        assert bytes(reader.buffer[reader.payload_at : reader.payload_end]) == example["payload"]


def test_one_example_worked_out_by_hand(page: str):
    """Another hello's answer would be long: the head of auth's request. Session 7, seq 0: flags 10, session
    07 00, seq 00 00, opcode 04, role 03, 16 bytes of nonce from 20 on; COBS counts to each zero."""
    frame = examples(page)["auth request"]["frame"]
    assert frame[:11] == bytes.fromhex("03 10 07 01 01 18 04 03 10 20 21")[:5] + frame[5:6] + bytes.fromhex(
        "04 03 10 20 21"
    )
    assert frame[-1] == 0
    assert frame.count(0) == 1


def test_the_commit_names_the_proposal_before_it(page: str):
    piece = examples(page)["propose request"]["values"]
    digest = hashlib.sha256(bytes((piece["kind"],)) + bytes.fromhex(piece["data"])).hexdigest()[:32]
    assert examples(page)["commit request"]["values"] == {"digest": digest}


def test_an_outdated_page_is_found(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    copy = tmp_path / "protocol.md"
    copy.write_text(page.replace("`lockout`", "`lookout`"), encoding="utf-8")
    monkeypatch.setattr(protocol_page, "PAGE", copy)
    assert protocol_page.main(["--check"]) == 1
    assert protocol_page.main([]) == 0
    assert copy.read_text(encoding="utf-8") == page
