"""The three standard streams of a command: what goes out is `shown`, a closed one fails in words.

`console()` makes the rich consoles that draw tables and bars: their colours are thecal's own, so they pass;
markup in what they print is nobody's, so it is none. Imports next to nothing: every start pays for it.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TextIO

from thecal._io.shown import lines_shown

if TYPE_CHECKING:
    from rich.console import Console


class Shown:
    """A text stream whose every line is `shown`."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write the text, every character visible."""
        self.stream.write(lines_shown(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextlib.contextmanager
def all_shown() -> Generator[None]:
    """Meanwhile all that is printed is `shown`."""
    before = sys.stdout, sys.stderr
    for stream in before:
        _take_every_letter(stream)
    out, err = Shown(before[0]), Shown(before[1])
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):  # pyright: ignore[reportArgumentType]
        yield


def console(*, stderr: bool = False, highlight: bool = True) -> Console:
    """A console of rich's on the terminal itself. Names in what it prints were `shown` where they came in."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    file = stream.stream if isinstance(stream, Shown) else stream
    return Console(file=file, markup=False, emoji=False, highlight=highlight)  # pyright: ignore[reportUnknownMemberType]


def hold_places() -> None:
    """Descriptors 0 to 2 are never anything else's. A closed input is one that has ended, a closed output one
    that cannot be written, and remarks that nobody wants to see go nowhere."""
    for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # the lowest number that is free
    sys.stdin = sys.stdin or io.TextIOWrapper(io.FileIO(0, "r", closefd=False))
    sys.stdout = sys.stdout or io.TextIOWrapper(_Closed(1, "w", closefd=False))
    sys.stderr = sys.stderr or io.TextIOWrapper(io.FileIO(2, "w", closefd=False))


class _Closed(io.FileIO):
    """An output that was closed before thecal began."""

    def write(self, data: Any) -> int:
        """Fails, in words."""
        raise OSError(9, "it is closed")


def _take_every_letter(stream: TextIO) -> None:
    """A terminal that is not UTF-8 is no reason to fail."""
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="backslashreplace")
