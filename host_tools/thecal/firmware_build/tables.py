"""The message tables as the chip holds them: text that is taken apart when a message needs it.

As nested tuples the tables of `thecal_protocol.messages` cost some 20 kB of the chip's heap; as text a fifth
of it. The text is made from the one definition when the firmware is compiled; the module that results has
the same names, functions and answers (tests/boards/rp2040/test_tables.py holds both together).
"""

from collections.abc import Set
from types import ModuleType
from typing import Any, cast

from thecal_protocol import messages

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


def _fields(words):
    fields = []
    for name in words:
        if name == ")":
            break
        kind = next(words)
        fields.append((name, _fields(words) if kind == "(" else kind))
    return tuple(fields)


def _cell(text, number, cell):
    at = text.find("\\n%d:" % number)
    if at < 0:
        return ""
    while cell:
        at = text.find(":", at) + 1
        cell -= 1
    return text[at : text.find(":", at)]


def _part(text, number, cell, what):
    if not _cell(text, number, 1):
        raise WireError(UNKNOWN_NUMBER, what)
    words = _cell(text, number, cell)
    return _fields(iter(words.split(" "))) if words else ()


def command(opcode):
    cell = _cell(_MESSAGES, opcode, 1)
    return (cell[:-2], int(cell[-2]), int(cell[-1])) if cell else ("", 0, 0)


def in_sessions():
    found = []
    for row in _MESSAGES.split("\\n"):
        cells = row.split(":")
        if len(cells) > 2 and len(cells[1]) > 2:
            found.append((int(cells[0]), cells[2]))
    return found


def request_fields(opcode):
    return _part(_MESSAGES, opcode, 3, "opcode")


def answer_fields(opcode):
    return _part(_MESSAGES, opcode, 4, "opcode")


def proposal_fields(kind):
    return _part(_PROPOSALS, kind, 2, "kind")


def own_hash():
    return _HASH
"""


def fields_text(fields: Any) -> str:
    """A table of fields as words: name kind name kind, a group in round brackets."""
    words: list[str] = []
    for name, kind in fields:
        words.append(str(name))
        words.append(kind if isinstance(kind, str) else f"( {fields_text(kind)} )")
    return " ".join(words)


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
    rows = [
        f"\n{number}:{who}{button}{kind}:{name if who else ''}:{fields_text(ask)}:{fields_text(reply)}:"
        for number, name, who, button, kind, ask, reply in messages.MESSAGES
    ]
    proposals = [f"\n{number}:{name}:{fields_text(fields)}:" for number, name, fields in messages.PROPOSALS]
    text = f"_MESSAGES = {''.join(rows)!r}\n_PROPOSALS = {''.join(proposals)!r}\n"
    constants = _constants(messages, wanted - {"SCHEMA", "MESSAGES", "PROPOSALS"})
    return "\n".join(
        [_HEAD.format("messages"), _ROWS, _READER, text, f"_HASH = {messages.own_hash()!r}", *constants, ""]
    )


def tables_source(module: ModuleType, wanted: Set[str]) -> str:
    """Any other module of the protocol that holds nothing but tables."""
    lines = _constants(module, wanted)
    rows = [_ROWS] if any("Rows(" in line for line in lines) else []
    return "\n".join([_HEAD.format(module.__name__.rpartition(".")[2]), *rows, *lines, ""])
