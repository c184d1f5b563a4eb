"""The one way in for text that is shown: whatever a pump, a file or a person said, it stays what it says.

A character that a terminal obeys, or that reorders or hides others (escape sequences, controls, line breaks
amid a name, bidirectional overrides, invisible ones, lone surrogates), is shown as its number, `\\u202e`.
That is how JSON writes it, so what passes a terminal stays the same document.

Called where text comes in (answers of a pump, files, rows of the store) and again where it goes out (the
terminal, HTML, PDF, CSV), so that what was forgotten in one place is caught in the other. Imports next to
nothing: every start of the command line pays for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeVar, cast

T = TypeVar("T")

_MOST_DEEP = 60  # of values within values: no document of thecal's is half as deep
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")  # the last four: the same, full width
_INVISIBLE = (
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"  # letters and marks by category, yet nothing is seen
)
_HIDDEN = re.compile(f"[{_INVISIBLE}]")
_SPACES = "\xa0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))  # fixed and wide ones


def shown(text: str) -> str:
    """The text with every character visible: the same one, unless it holds some that are not."""
    if text.isprintable() and (text.isascii() or not _HIDDEN.search(text)):
        return text
    return "".join(map(_visible, text))


def lines_shown(text: str) -> str:
    """The same of text of several lines that are meant to be some."""
    return text if text.isprintable() else "\n".join(map(shown, text.split("\n")))


def shown_all(value: T, deep: int = 0) -> T:
    """The same of every text within a document, keys too. ValueError: it is nested too deep."""
    if deep > _MOST_DEEP:
        raise ValueError("it is nested too deep")
    whole: Any = value
    if isinstance(whole, str):
        whole = shown(whole)
    elif isinstance(whole, dict):
        entries = cast("dict[Any, Any]", whole).items()
        whole = {shown_all(name): _part(part, deep) for name, part in entries}
    elif isinstance(whole, list):
        whole = [_part(part, deep) for part in cast("list[Any]", whole)]
    return whole


def check_depth(value: Any, deep: int = -1) -> None:
    """ValueError: what this list holds is nested too deep; `shown_all` says so, too."""
    if deep > _MOST_DEEP:
        raise ValueError("it is nested too deep")
    for part in cast("Iterable[Any]", value.values() if isinstance(value, dict) else value):
        if isinstance(part, dict | list):
            check_depth(part, deep + 1)


def _part(value: object, deep: int) -> Any:
    return shown_all(cast("Any", value), deep + 1) if isinstance(value, str | dict | list) else value


def cells(row: Iterable[object]) -> list[object]:
    """A row of a CSV file. Text that a spreadsheet would compute gets an apostrophe, which it takes for "this
    is text"; numbers stay numbers."""
    return [_cell(shown(value)) if isinstance(value, str) else value for value in row]


def _cell(text: str) -> str:
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def _visible(character: str) -> str:
    if (character.isprintable() and character not in _INVISIBLE) or character in _SPACES:
        return character
    number = ord(character)
    if number < 0x10000:
        return f"\\u{number:04x}"
    number -= 0x10000
    return f"\\u{0xD800 | number >> 10:04x}\\u{0xDC00 | number & 0x3FF:04x}"
