"""The codec by table: round trips, a second implementation, strictness, and the tables themselves."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.wire_values import RANGES, TABLES, Fields, plainly_encoded, values_of
from thecal_protocol import codec, framing, messages
from thecal_protocol.codec import WireError, decode, encode, encoded, size

Case = tuple[Fields, dict[str, Any]]

cases = st.sampled_from(sorted(TABLES)).flatmap(
    lambda name: st.tuples(st.just(TABLES[name]), values_of(TABLES[name]))
)


def number_raised(function: Any, *arguments: Any) -> tuple[int, str]:
    with pytest.raises(WireError) as caught:
        function(*arguments)
    return caught.value.number, caught.value.where


@given(cases)
def test_round_trip_and_second_implementation(case: Case):
    fields, values = case
    blob = encoded(fields, values)
    assert bytes(blob) == plainly_encoded(fields, values)
    assert size(fields, values) == len(blob)
    assert decode(fields, blob, 0, len(blob)) == values


@given(cases, st.integers(0, 9), st.integers(0, 9))
def test_encoding_and_decoding_stay_inside_their_bounds(case: Case, before: int, after: int):
    fields, values = case
    blob = bytes(encoded(fields, values))
    buffer = bytearray(b"\xaa" * (before + len(blob) + after))
    assert encode(fields, values, buffer, before, before + len(blob)) == before + len(blob)
    assert buffer == b"\xaa" * before + blob + b"\xaa" * after
    assert decode(fields, memoryview(buffer), before, before + len(blob)) == values
    if blob:
        assert (
            number_raised(encode, fields, values, buffer, before, before + len(blob) - 1)[0] == codec.NO_ROOM
        )


@given(cases)
def test_every_truncation_and_every_trailing_byte_is_an_error(case: Case):
    fields, values = case
    blob = bytes(encoded(fields, values))
    for end in range(0, len(blob), max(1, len(blob) // 50)):
        assert number_raised(decode, fields, blob, 0, end)[0] == codec.TRUNCATED
    assert number_raised(decode, fields, blob + b"\0", 0, len(blob) + 1)[0] == codec.TRAILING


@given(st.sampled_from(sorted(TABLES)), st.binary(max_size=120))
def test_what_decodes_is_the_encoding_of_what_it_decodes_to(name: str, blob: bytes):
    try:
        values = decode(TABLES[name], blob, 0, len(blob))
    except WireError:
        return
    assert encoded(TABLES[name], values) == blob


@given(st.one_of(st.binary(max_size=12), st.text(max_size=6).map(str.encode)))
def test_utf8_is_as_strict_as_cpython(data: bytes):
    check_utf8(data)


def check_utf8(data: bytes) -> None:
    fields = (("text", "str"),)
    blob = bytes((len(data),)) + data
    try:
        expected = data.decode()
    except UnicodeDecodeError:
        assert number_raised(decode, fields, blob, 0, len(blob)) == (codec.BAD_UTF8, "text")
    else:
        assert decode(fields, blob, 0, len(blob)) == {"text": expected}


@pytest.mark.parametrize("lead", range(0xC0, 0x100))
def test_utf8_at_the_edges_of_every_lead_byte(lead: int):
    for second in (0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0):
        for rest in (
            b"",
            b"\x80",
            b"\xbf",
            b"\x80\x80",
            b"\xbf\xbf",
            b"\x80\x7f",
            b"\x80\xc0",
            b"\x80\x80\x80",
        ):
            check_utf8(bytes((lead, second)) + rest)


@pytest.mark.parametrize("kind", sorted(RANGES))
def test_integers_out_of_range_and_other_types(kind: str):
    fields = (("x", kind),)
    low, high = RANGES[kind]
    for value in (low - 1, high + 1, 10**30, -(10**30)):
        assert number_raised(encoded, fields, {"x": value}) == (codec.OUT_OF_RANGE, "x")
    for value in (1.0, "1", b"1", None, True, [1]):
        assert number_raised(encoded, fields, {"x": value}) == (codec.WRONG_TYPE, "x")


@pytest.mark.parametrize(
    ("kind", "value", "number"),
    [
        ("bytes", bytes(256), codec.OUT_OF_RANGE),
        ("bytes", "text", codec.WRONG_TYPE),
        ("bytes", 5, codec.WRONG_TYPE),
        ("str", "x" * 256, codec.OUT_OF_RANGE),
        ("str", "€" * 86, codec.OUT_OF_RANGE),
        ("str", b"bytes", codec.WRONG_TYPE),
        ("str", "\ud800", codec.BAD_UTF8),
        ((("y", "u8"),), 5, codec.WRONG_TYPE),
        ((("y", "u8"),), {"y": 1}, codec.WRONG_TYPE),
    ],
)
def test_content_that_does_not_fit(kind: Any, value: Any, number: int):
    assert number_raised(encoded, (("x", kind),), {"x": value}) == (number, "x")


def test_groups_hold_dicts_and_at_most_65535_of_them():
    fields = (("x", (("y", "u8"),)),)
    assert number_raised(encoded, fields, {"x": [7]}) == (codec.WRONG_TYPE, "y")
    entries = [{"y": 1}] * 65535
    assert len(encoded(fields, {"x": entries})) == 65537
    assert number_raised(encoded, fields, {"x": [*entries, {"y": 1}]}) == (codec.OUT_OF_RANGE, "x")


def test_names_must_be_those_of_the_table():
    values: dict[str, Any] = {"dose_ng": 1, "duration_us": 1}
    assert number_raised(encoded, messages.BOLUS, values) == (codec.MISSING_FIELD, "extended")
    values = {"dose_ng": 1, "duration_us": 1, "extended": 0, "does_ng": 5}
    assert number_raised(encoded, messages.BOLUS, values) == (codec.UNKNOWN_FIELD, "does_ng")


def test_a_count_that_promises_too_much_costs_nothing():
    assert number_raised(decode, (("x", (("y", "u64"),)),), b"\xff\xff" + bytes(8), 0, 10) == (
        codec.TRUNCATED,
        "y",
    )


def test_errors_say_what_and_where():
    assert str(WireError(codec.TRUNCATED, "dose_ng")) == "truncated: dose_ng"
    assert [number for number, _ in codec.WIRE_ERRORS] == list(range(1, 11))


def test_lookups_by_number_and_name():
    assert codec.name_of(messages.MESSAGES, messages.COMMIT) == "commit"
    assert codec.number_of(messages.MESSAGES, "commit") == messages.COMMIT
    assert codec.name_of(messages.REFUSALS, 16) == "lockout"
    assert codec.number_of(messages.REFUSALS, "lockout") == 16
    assert messages.request_fields(messages.COMMIT) == (("digest", "bytes"),)
    assert messages.answer_fields(messages.ABORT) == ()
    assert messages.proposal_fields(messages.PROPOSAL_BOLUS) == messages.BOLUS
    assert number_raised(codec.name_of, messages.REFUSALS, 99) == (codec.UNKNOWN_NUMBER, "99")
    assert number_raised(codec.number_of, messages.REFUSALS, "nonsense") == (codec.UNKNOWN_NAME, "nonsense")
    for lookup in (messages.request_fields, messages.answer_fields):
        assert number_raised(lookup, 0) == (codec.UNKNOWN_NUMBER, "opcode")
    assert number_raised(messages.proposal_fields, 0) == (codec.UNKNOWN_NUMBER, "kind")


# -- the tables


def all_groups(fields: Fields) -> Iterator[Fields]:
    yield fields
    for _, kind in fields:
        if not isinstance(kind, str):
            yield from all_groups(kind)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_tables_are_well_formed(name: str):
    for fields in all_groups(TABLES[name]):
        names = [field for field, _ in fields]
        assert len(set(names)) == len(names)
        assert all(isinstance(kind, tuple) or kind in (*RANGES, "bytes", "str") for _, kind in fields)
        if fields is not TABLES[name]:
            assert fields  # an empty entry would let a count cost memory


@pytest.mark.parametrize(
    "table", ["MESSAGES", "PROPOSALS", "REFUSALS", "STATES", "BOLUS_KINDS", "ACTORS", "EVENT_KINDS", "ALARMS"]
)
def test_numbers_and_names_are_used_once(table: str):
    rows = getattr(messages, table)
    assert len({row[0] for row in rows}) == len({row[1] for row in rows}) == len(rows)
    assert all(0 <= row[0] <= 255 for row in rows)
    assert table != "MESSAGES" or all(row[0] != 0 for row in rows)  # 0 is kept free: always refused


def least_size(fields: Fields) -> int:
    """Of an encoding with empty strings and no entries."""
    sizes = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i64": 8, "bytes": 1, "str": 1}
    return sum(sizes[kind] if isinstance(kind, str) else 2 for _, kind in fields)


@pytest.mark.parametrize("name", [name for name in sorted(TABLES) if name.endswith(("request", "answer"))])
def test_every_message_fits_a_frame_with_an_entry_of_each_group(name: str):
    fields = TABLES[name]
    groups = sum(least_size(kind) for _, kind in fields if not isinstance(kind, str))
    assert least_size(fields) + groups <= framing.MAX_PAYLOAD


def test_the_hash_covers_names_numbers_kinds_and_order():
    base = (1, ((2, "a", (("x", "u8"),)),))
    others = [
        (2, ((2, "a", (("x", "u8"),)),)),
        (1, ((3, "a", (("x", "u8"),)),)),
        (1, ((2, "b", (("x", "u8"),)),)),
        (1, ((2, "a", (("x", "u16"),)),)),
        (1, ((2, "a", (("x", "u8"), ("y", "u8"))),)),
        (1, ((2, "a", ("x", "u8")),)),
        (((2, "a", (("x", "u8"),)),), 1),
    ]
    hashes = {codec.table_hash(schema) for schema in [base, *others]}
    assert len(hashes) == len(others) + 1
    assert all(len(one) == 8 for one in hashes)


def test_version_text():
    assert codec.version_text(1, b"\x00\xff") == "protocol 1, table 00ff"
