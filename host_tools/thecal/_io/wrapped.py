"""Text as wide as a terminal: lines part between words, and a number stays with its unit.

Imports nothing heavy. rich parts text at every kind of space, so `Unparted` wraps before it does.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.measure import Measurement
    from rich.style import StyleType
    from rich.text import Text

_GLUE = "\0"
# A number and its unit (or the next word that is as short), its thousands, what is beside an "x".
_TOGETHER = re.compile(
    r"(?<=[0-9]) (?=(?!x )[A-Za-zµ%]{1,7}(?:/[A-Za-z]{1,4})?(?![A-Za-z]))"
    r"|(?<=[0-9]) (?=[0-9]{3}(?![0-9]))|(?<=\bx) (?=[0-9])"
)
_SPAN = re.compile(r"(?<=[0-9]\0[dhm]) (?=[0-9]+\0(?:h|min|s)\b)")  # "2 d 3 h"
_LABEL = re.compile(r"\s*\S.*?\s{2,}(?=\S)")
_WIDEST_LABEL = 36
_CUT = " ..."


def lines(text: str, width: int, hang: str = "") -> Iterator[str]:
    """`text` in lines of at most `width` characters; all but the first begin with `hang`. Only a single word
    that is longer than a line is parted."""
    line = ""
    for number, word in enumerate(_glued(text).split(" ")):
        joined = f"{line} {word}" if number else word
        if number and len(joined) > width and line.strip():
            yield line.rstrip().replace(_GLUE, " ")
            joined = hang + word
        while len(joined) > width > len(hang):
            yield joined[:width].replace(_GLUE, " ")
            joined = hang + joined[width:]
        line = joined
    yield line.replace(_GLUE, " ")


def shortened(text: str, width: int) -> str:
    """As much of `text` as fits; what was left out shows as "...", and is never half a number."""
    if len(text) <= width:
        return text
    return next(lines(text, max(1, width - len(_CUT)))).rstrip(" ,;:") + _CUT


def say(*texts: str) -> None:
    """Print lines for people: wrapped to the terminal, below their label's end where they have one; as they
    are where the output is no terminal, for a script."""
    for text in texts:
        print(_for_terminal(text) if sys.stdout.isatty() else text)


def _for_terminal(text: str) -> str:
    import shutil

    width = shutil.get_terminal_size().columns
    return "\n".join("\n".join(lines(one, width, _hang(one))) for one in text.split("\n"))


def _hang(text: str) -> str:
    label = _LABEL.match(text)
    own = len(text) - len(text.lstrip())
    return " " * (label.end() if label and label.end() <= _WIDEST_LABEL else own + 2)


def _glued(text: str) -> str:
    return _SPAN.sub(_GLUE, _TOGETHER.sub(_GLUE, text))


class Unparted:
    """A text that rich shows, in a cell of a table or alone, wrapped as `lines` does."""

    def __init__(self, text: str, style: StyleType = "") -> None:
        self._text = text
        self._style = style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        from rich.text import Text

        for line in lines(self._text, options.max_width):
            yield Text(line, style=self._style)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.measure import Measurement

        least = max(map(len, _glued(self._text).split(" ")))
        return Measurement(least, len(self._text)).with_maximum(options.max_width)
