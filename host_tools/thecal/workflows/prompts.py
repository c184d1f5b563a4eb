"""Questions with units: every answer is shown as it was understood, a wrong one is asked again.

Questions go to stderr, so that stdout holds only what was found. With `--no-input` a question is an error
that names the flag that would have answered it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from thecal.errors import ThecalError
from thecal.units.amounts import (
    concentration_text,
    density_text,
    dose_rate_text,
    duration_text,
    mass_text,
    volume_text,
)
from thecal.units.quantities import (
    CONCENTRATION,
    DENSITY,
    DOSE_RATE,
    DURATION,
    MASS,
    VOLUME,
    Kind,
    parse_whole,
)

T = TypeVar("T")

_TRIES = 5
_TEXTS: dict[str, Callable[[int], str]] = {
    MASS.words: mass_text,
    DOSE_RATE.words: dose_rate_text,
    CONCENTRATION.words: concentration_text,
    DENSITY.words: density_text,
    VOLUME.words: volume_text,
    DURATION.words: duration_text,
}


def to_go_on(flag: str) -> str:
    """What to do after a no. A person at a terminal has just said it, and knows; a script has flags."""
    return "" if sys.stdin.isatty() else f"answer y to go on, or say {flag} in scripts"


def said_by(flag: str) -> str:
    """What to do after answers that cannot be read."""
    return "begin again when you have it" if sys.stdin.isatty() else f"say it with {flag}"


@dataclass
class Prompter:
    """Asks a person, or (`allowed` false) says which flag is missing. `asked`: how many questions.

    `done`: what was committed already, for whoever breaks off after that.
    """

    allowed: bool = True
    asked: int = 0
    done: str = ""

    def so_far(self) -> str:
        """What became of it all, when it ends here."""
        return f"{self.done}, and nothing after that was done" if self.done else "nothing was changed"

    def line(self, question: str, flag: str) -> str:
        """One answer as it was typed."""
        if not self.allowed:
            done = f"; {self.so_far()}" if self.done else ""
            raise ThecalError(f"{question} -- nobody may be asked (--no-input){done}", f"say it with {flag}")
        self.asked += 1
        sys.stdout.flush()
        print(f"{question} ", end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
        if not answer.endswith("\n"):
            print(file=sys.stderr)
            raise ThecalError(
                f"the input ended amid the questions: {self.so_far()}", f"answer them, or say {flag}"
            )
        return answer.strip()

    def quantity(
        self,
        question: str,
        kind: Kind,
        flag: str,
        given: str = "",
        *,
        zero: bool = False,
        check: Callable[[int], None] | None = None,
    ) -> int:
        """An amount in wire units. `given`: what the flag says, refused outright when it is wrong. `check`
        raises ThecalError for what cannot be."""

        def read(text: str) -> int:
            amount = parse_whole(text, kind, zero=zero)
            if check is not None:
                check(amount)
            return amount

        if given:
            return read(given)
        amount = self.answer(f"{question} (for example {kind.example})?", flag, read)
        print(f"  understood: {_TEXTS[kind.words](amount)}", file=sys.stderr)
        return amount

    def answer(self, question: str, flag: str, read: Callable[[str], T]) -> T:
        """What `read` makes of the answer; where that raises ThecalError, it is said, and asked again."""
        for _ in range(_TRIES):
            text = self.line(question, flag)
            try:
                return read(text)
            except ThecalError as error:
                print(f"  {error}", file=sys.stderr)
        raise self._not_understood(flag)

    def _not_understood(self, flag: str) -> ThecalError:
        return ThecalError(f"no answer to be understood in {_TRIES} tries: {self.so_far()}", said_by(flag))

    def choice(self, question: str, options: Sequence[tuple[str, str]], flag: str) -> str:
        """One of the keys of `options`; anything else is asked again."""
        keys = [key for key, _ in options]
        for _ in range(_TRIES):
            if self.allowed:
                for key, text in options:
                    print(f"  {key}  {text}", file=sys.stderr)
            answer = self.line(question, flag).lower()
            if answer in keys:
                return answer
            print(f'  "{answer}" is none of {", ".join(keys)}', file=sys.stderr)
        raise self._not_understood(flag)

    def confirm(self, question: str, flag: str, said: bool) -> None:
        """Go on only after a yes, by word or by flag. ThecalError: nothing was changed."""
        if said:
            return
        if self.line(f"{question} [y/N]", flag).lower() not in ("y", "yes"):
            raise ThecalError(f"not confirmed: {self.so_far()}", to_go_on(flag))
