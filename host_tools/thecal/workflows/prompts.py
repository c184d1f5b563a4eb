"""Questions with units: every answer is shown as it was understood, a wrong one is asked again.

Questions go to stderr, so that stdout holds only what was found. With `--no-input` a question is an error
that names the flag that would have answered it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from thecal.errors import ThecalError
from thecal.units.amounts import (
    concentration_text,
    dose_rate_text,
    duration_text,
    mass_text,
    volume_text,
)
from thecal.units.quantities import (
    CONCENTRATION,
    DOSE_RATE,
    DURATION,
    MASS,
    VOLUME,
    Kind,
    QuantityError,
    parse_whole,
)

_TRIES = 5
_TEXTS: dict[str, Callable[[int], str]] = {
    MASS.words: mass_text,
    DOSE_RATE.words: dose_rate_text,
    CONCENTRATION.words: concentration_text,
    VOLUME.words: volume_text,
    DURATION.words: duration_text,
}


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

    def quantity(self, question: str, kind: Kind, flag: str, given: str = "", *, zero: bool = False) -> int:
        """An amount in wire units. `given`: what the flag says, refused outright when it is wrong."""
        if given:
            return parse_whole(given, kind, zero=zero)
        for _ in range(_TRIES):
            try:
                return self._understood(
                    parse_whole(self.line(f"{question} ({kind.example})?", flag), kind, zero=zero), kind
                )
            except QuantityError as error:
                print(f"  {error}", file=sys.stderr)
        raise ThecalError(
            f"no answer to be understood in {_TRIES} tries: {self.so_far()}", f"say it with {flag}"
        )

    def _understood(self, amount: int, kind: Kind) -> int:
        print(f"  understood: {_TEXTS[kind.words](amount)}", file=sys.stderr)
        return amount

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
        raise ThecalError(
            f"no answer to be understood in {_TRIES} tries: {self.so_far()}", f"say it with {flag}"
        )

    def confirm(self, question: str, flag: str, said: bool) -> None:
        """Go on only after a yes, by word or by flag. ThecalError: nothing was changed."""
        if said:
            return
        if self.line(f"{question} [y/N]", flag).lower() not in ("y", "yes"):
            raise ThecalError(
                f"not confirmed: {self.so_far()}", f"answer y to go on, or say {flag} in scripts"
            )
