"""What every part of `thecal bringup` works with: the board, the person before it, what is not fitted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

from thecal.errors import ThecalError
from thecal.report.bringup import Finding
from thecal.workflows.prompts import Prompter

Optional = Literal["encoder", "motor-supply", "buzzer-sense", "temperature", "upstream", "downstream"]
OPTIONAL: tuple[Optional, ...] = get_args(Optional)  # the parts that a board may do without
TRIES = 5
_WIRE = re.compile("@([A-Z_]+)")
_FLAG = "--no-input"


class Parts(Protocol):
    """The board's own classes (`firmware_build.board_parts`)."""

    def ask(self, name: str, *arguments: int | bool | str) -> Any: ...


@dataclass(frozen=True)
class Desk:
    """`without`: what the command line says is not fitted. `wires`: the board's pins by their names; a text
    for people has one as @NAME."""

    parts: Parts
    prompter: Prompter
    without: frozenset[str]
    steps_per_turn: int
    wires: Mapping[str, int]

    @property
    def anybody(self) -> bool:
        """May a person be asked?"""
        return self.prompter.allowed

    def named(self, text: str) -> str:
        """The text with the board's numbers for its wires."""
        return _WIRE.sub(lambda found: f"GPIO {self.wires.get(found[1], '?')}", text)

    def yes(self, question: str) -> bool:
        """A person's answer, asked again while it is neither."""
        return self.prompter.answer(f"{self.named(question)} [y/n]", _FLAG, _yes_or_no)

    def ready(self, what: str) -> None:
        """Somebody does something, and says so."""
        self.prompter.line(f"{what}, then press Enter.", _FLAG)

    def choice(self, question: str, *options: tuple[str, str]) -> str:
        """One of the keys."""
        return self.prompter.choice(question, options, _FLAG)

    def fitted(self, part: Optional, name: str) -> bool:
        """Is that there, of which nothing is to be seen? Where nobody is asked, all is that was not named."""
        if part in self.without:
            return False
        return not self.anybody or self.yes(f"Nothing is seen of {name}. Is it fitted?")


def good(part: str, words: str, **measured: float | None) -> Finding:
    """As it should be."""
    return Finding(part, "good", words, measured)


def wrong(part: str, words: str, **measured: float | None) -> Finding:
    """To be mended; `words` say what and where."""
    return Finding(part, "wrong", words, measured)


def absent(part: str, words: str, **measured: float | None) -> Finding:
    """Left out on purpose."""
    return Finding(part, "not_fitted", words, measured)


def unasked(part: str, words: str, **measured: float | None) -> Finding:
    """It takes a person, and nobody was asked."""
    return Finding(part, "unknown", f"{words}: nobody was asked", measured)


def _yes_or_no(text: str) -> bool:
    word = text.lower()
    if word not in ("y", "yes", "n", "no"):
        raise ThecalError(f'"{text}" is neither y nor n')
    return word[0] == "y"
