"""What the chip holds of the protocol's tables is what the tables say."""

import importlib

import pytest

from thecal.firmware_build import chip as chip_build
from thecal.firmware_build import tables
from thecal_protocol import codec, messages, sensors


def as_tuples(fields):
    """The chip's are lists, which are made at once in their size."""
    return tuple((name, kind if isinstance(kind, str) else as_tuples(kind)) for name, kind in fields)


WORDS = {name for name in dir(messages) if name.isupper()}


@pytest.fixture(scope="module")
def chip():
    names: dict[str, object] = {}
    exec(compile(tables.messages_source(WORDS), "messages", "exec"), names)
    return names


def test_every_message_has_the_same_fields(chip):
    assert chip["in_sessions"]() == messages.in_sessions()
    for opcode, *_, request, answer in messages.MESSAGES:
        assert chip["command"](opcode) == messages.command(opcode)
        assert as_tuples(chip["request_fields"](opcode)) == request
        assert as_tuples(chip["answer_fields"](opcode)) == answer
    for kind, _, fields in messages.PROPOSALS:
        assert as_tuples(chip["proposal_fields"](kind)) == fields


def test_a_number_that_is_none_is_refused_alike(chip):
    assert chip["command"](250) == messages.command(250) == ("", 0, 0)
    for ask in ("request_fields", "answer_fields", "proposal_fields"):
        with pytest.raises(codec.WireError) as chips:
            chip[ask](250)
        with pytest.raises(codec.WireError) as ours:
            getattr(messages, ask)(250)
        assert (chips.value.number, chips.value.where) == (ours.value.number, ours.value.where)


def test_tables_of_names_and_numbers_are_the_same(chip):
    for name, value in vars(messages).items():
        if name.isupper() and name not in ("MESSAGES", "PROPOSALS", "SCHEMA") and name in chip:
            mine = chip[name]
            assert (tuple(mine) if isinstance(mine, chip["Rows"]) else mine) == value, name
    assert tuple(chip["REFUSALS"]) == messages.REFUSALS
    assert chip["own_hash"]() == messages.own_hash()


def test_everything_that_the_firmware_names_is_there():
    """Compiled as `thecal flash` does: each module of the protocol that holds tables gives what is asked of
    it.
    """
    found = chip_build.sources()
    words = set(chip_build._words(found))
    names: dict[str, object] = {}
    exec(tables.messages_source(words), names)
    for name in ("REFUSALS", "REFUSED", "HELLO", "PROTOCOL_VERSION", "FAULT_RECORDS"):
        assert name in names
    for name, file in found.items():
        if name.startswith("thecal_protocol/") and "def " not in file.read_text() and "=" in file.read_text():
            module = importlib.import_module(name.replace("/", "."))
            exec(tables.tables_source(module, words), {})


def test_what_is_found_by_a_name_of_the_protocol_keeps_it():
    """Nothing in the text refers to a handler, and the board's readings have names of their own."""
    texts = chip_build._chip_texts(chip_build.sources())
    text = chip_build._program(texts, chip_build.START, chip_build.NAMED, ())[chip_build.PROGRAM]
    for _, name in messages.in_sessions():
        assert f"    def {name}(" in text, name
    for _, name, *_ in sensors.READINGS:
        assert f".{name} = " in text, name
