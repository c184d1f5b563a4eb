"""The message tables as the chip holds them: bytes that are taken apart when a message needs it.

As nested tuples the tables of `thecal_protocol.messages` cost some 20 kB of the chip's heap; as bytes, with
each word once beside them, a tenth of it. They are made from the one definition when the firmware is
compiled; the module that results has the same names, functions and answers, and
tests/boards/rp2040/test_tables.py holds both together. Other tables of numbers and names are text (`Rows`):
they are rarely looked at.
"""

from collections.abc import Set
from types import ModuleType
from typing import Any, cast

from thecal_protocol import messages
from thecal_protocol.codec import INTEGER_KINDS

_HEAD = '''"""Made from thecal_protocol/{}.py by thecal.firmware_build.tables: the same tables, as text."""

'''

_ROWS = '''
class Rows:
    """A table of (number, name, ...), made row by row."""

    def __init__(self, text):
        self._text = text

    def __iter__(self):
        text = self._text
        at = 0
        while at < len(text):
            end = text.find("\\n", at)
            row = text[at:end].split(" ")
            row[0] = int(row[0])
            yield tuple(row)
            at = end + 1
'''

_READER = """from thecal_protocol.codec import UNKNOWN_NUMBER, WireError


def _fields(at):
    packed = _PACKED
    words = _WORDS
    fields = [None] * packed[at]
    at += 1
    for i in range(len(fields)):
        name = packed[at]
        kind = words[name & 15]
        name = words[packed[at + 1] | name >> 4 << 8]
        at += 2
        if kind == "(":
            kind, at = _fields(at)
        fields[i] = name, kind
    return fields, at


def _row(rows, number):
    at = 2 * number
    return rows[at] | rows[at + 1] << 8 if at < len(rows) else 0


def _part(rows, number, what):
    at = _row(rows, number)
    if not at:
        raise WireError(UNKNOWN_NUMBER, what)
    return at


def command(opcode):
    at = _row(_MESSAGES, opcode)
    return (_WORDS[_PACKED[at]], _PACKED[at + 1], _PACKED[at + 2]) if at else ("", 0, 0)


def in_sessions():
    found = []
    for opcode in range(len(_MESSAGES) // 2):
        at = _row(_MESSAGES, opcode)
        if at and _PACKED[at]:
            found.append((opcode, _WORDS[_PACKED[at + 3] | _PACKED[at + 4] << 8]))
    return found


def request_fields(opcode):
    return _fields(_part(_MESSAGES, opcode, "opcode") + 6)[0]


def answer_fields(opcode):
    at = _part(_MESSAGES, opcode, "opcode")
    return _fields(at + 6 + _PACKED[at + 5])[0]


def proposal_fields(kind):
    return _fields(_part(_PROPOSALS, kind, "kind"))[0]


def own_hash():
    return _HASH
"""

_GROUP = 1  # the word of a kind that is a group; those of the other kinds follow


class _Packed:
    """Tables of fields as bytes. First how many fields there are. A field is two bytes: its kind, a word
    below 16, with what the name's number has above a byte, then the rest of that number; a group's own
    table follows it."""

    def __init__(self) -> None:
        self.words = ["", "(", "bytes", "str", *INTEGER_KINDS]
        self.data = bytearray(1)  # 0 is no place

    def word(self, word: str) -> int:
        """Its number."""
        if word not in self.words:
            self.words.append(word)
        return self.words.index(word)

    def put(self, fields: Any) -> int:
        """A table; how many bytes it took."""
        began = len(self.data)
        self.data.append(len(fields))
        for name, kind in fields:
            number = self.word(str(name))
            of_kind = self.words.index(kind) if isinstance(kind, str) else _GROUP
            self.data += bytes((of_kind | number >> 8 << 4, number & 255))
            if of_kind == _GROUP:
                self.put(kind)
        return len(self.data) - began

    def put_message(self, row: Any) -> None:
        """Who may send it, button, kind, name (two bytes), size of the request's table, both tables."""
        _, name, who, button, kind, ask, reply = row
        number = self.word(name)
        self.data += bytes((self.word(who), button, kind, number & 255, number >> 8, 0))
        size_at = len(self.data) - 1
        self.data[size_at] = self.put(ask)
        self.put(reply)


def _places(found: dict[int, int]) -> bytes:
    """Where each number's row begins, two bytes each; 0: there is none."""
    return b"".join(found.get(number, 0).to_bytes(2, "little") for number in range(max(found) + 1))


def _is_rows(value: Any) -> bool:
    """A table of (number, name, ...) whose rows are an integer and words."""
    rows = cast("tuple[Any, ...]", value) if isinstance(value, tuple) else ()
    return bool(rows) and all(isinstance(row, tuple) and _is_row(row) for row in rows)


def _is_row(row: Any) -> bool:
    return isinstance(row[0], int) and all(isinstance(word, str) and _is_word(word) for word in row[1:])


def _is_word(word: str) -> bool:
    return bool(word) and not set(word) & set(" \n:")


def _constants(module: ModuleType, wanted: Set[str]) -> list[str]:
    """Those of the module's numbers and tables that the firmware names."""
    lines: list[str] = []
    contents: dict[str, Any] = vars(module)
    for name, value in contents.items():
        if name.startswith("_") or name not in wanted:
            continue
        if _is_rows(value):
            rows = "".join(" ".join(map(str, row)) + "\n" for row in value)
            lines.append(f"{name} = Rows({rows!r})")
        elif isinstance(value, int | str | bytes | tuple):
            lines.append(f"{name} = {value!r}")
    return lines


def messages_source(wanted: Set[str]) -> str:
    """`thecal_protocol/messages.py` for the chip, with the constants that the firmware names."""
    packed = _Packed()
    for row in messages.MESSAGES:
        packed.word(row[2])
    places: dict[int, int] = {}
    for row in messages.MESSAGES:
        places[row[0]] = len(packed.data)
        packed.put_message(row)
    kinds: dict[int, int] = {}
    for kind, _, fields in messages.PROPOSALS:
        kinds[kind] = len(packed.data)
        packed.put(fields)
    text = f"_MESSAGES = {_places(places)!r}\n_PROPOSALS = {_places(kinds)!r}\n"
    text += f"_PACKED = {bytes(packed.data)!r}\n_WORDS = {tuple(packed.words)!r}\n"
    constants = _constants(messages, wanted - {"SCHEMA", "MESSAGES", "PROPOSALS"})
    return "\n".join(
        [_HEAD.format("messages"), _ROWS, _READER, text, f"_HASH = {messages.own_hash()!r}", *constants, ""]
    )


def tables_source(module: ModuleType, wanted: Set[str]) -> str:
    """Any other module of the protocol that holds nothing but tables."""
    lines = _constants(module, wanted)
    rows = [_ROWS] if any("Rows(" in line for line in lines) else []
    return "\n".join([_HEAD.format(module.__name__.rpartition(".")[2]), *rows, *lines, ""])
