"""What may be asked of the bench of a running pump, as one JSON document a line, and who carries it out: the
very methods that `Emulator.bench` has (docs/reference/bench.md).
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Callable
from typing import Annotated, Any, Protocol, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from thecal.emulator.bench import PumpBench
from thecal.errors import SimulationError, ThecalError

LONGEST_LINE = 4096  # bytes
Passing = Callable[[int], None]  # is told the instant reached, ten times a second, and may break it off

_Amount = Annotated[str, Field(min_length=1, max_length=40)]
_Word = Annotated[str, Field(max_length=100)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Advance(_Request):
    """Let time pass."""

    duration: _Amount

    def carry_out(self, bench: PumpBench, passing: Passing) -> dict[str, Any]:
        return {"now_us": bench.advance(self.duration, progress=passing)}


class Inject(_Request):
    """A fault or a condition."""

    name: _Word
    lasting: Annotated[str, Field(max_length=40)] = ""
    values: Annotated[dict[_Word, _Word | int | bool], Field(max_length=8)] = {}

    def carry_out(self, bench: PumpBench, passing: Passing) -> dict[str, Any]:
        if "lasting" in self.values:
            raise SimulationError("lasting is no value", "it stands beside them")
        bench.inject(self.name, lasting=self.lasting, **self.values)
        return _instant(bench)


class Press(_Request):
    """Press the pump's button."""

    def carry_out(self, bench: PumpBench, passing: Passing) -> dict[str, Any]:
        bench.inject("press_button")
        return _instant(bench)


class Truth(_Request):
    """What physically happened."""

    def carry_out(self, bench: PumpBench, passing: Passing) -> dict[str, Any]:
        return dataclasses.asdict(bench.truth())


class PowerCut(_Request):
    """The supply is gone, and comes back."""

    lasting: _Amount

    def carry_out(self, bench: PumpBench, passing: Passing) -> dict[str, Any]:
        bench.cut_power(self.lasting)
        return _instant(bench)


class Request(Protocol):
    """One that has been read."""

    def carry_out(self, bench: PumpBench, passing: Passing) -> dict[str, Any]:
        """The answer."""
        ...


REQUESTS: dict[str, type[Advance | Inject | Press | Truth | PowerCut]] = {
    "advance": Advance,
    "inject": Inject,
    "press": Press,
    "truth": Truth,
    "power_cut": PowerCut,
}


def answer(bench: PumpBench, line: bytes, passing: Passing) -> bytes:
    """Carry out one line; the line that answers it, also when it is refused."""
    try:
        said: dict[str, Any] = {"ok": True, **_read(line).carry_out(bench, passing)}
    except ThecalError as error:
        said = {"ok": False, "error": error.message, "hint": error.hint}
    return json.dumps(said).encode() + b"\n"


def _instant(bench: PumpBench) -> dict[str, Any]:
    """When it was done; of a pump that was reset by it, when it had booted again."""
    return {"now_us": bench.truth(collect=False).now_us}


def _read(line: bytes) -> Request:
    """SimulationError: it is no request."""
    try:
        read: object = json.loads(line)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise SimulationError("the bench takes one JSON object a line", 'such as {"do": "truth"}')
    document = cast("dict[str, object]", read)
    do = document.pop("do", None)
    if not isinstance(do, str) or do not in REQUESTS:
        meant = difflib.get_close_matches(str(do), REQUESTS, 1)
        hint = f"did you mean {meant[0]}? " if meant else ""
        raise SimulationError(f"the bench knows no request {do!r}", f"{hint}known: {', '.join(REQUESTS)}")
    try:
        return REQUESTS[do].model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise SimulationError(f"{do}: {where or 'request'}: {first['msg']}", "nothing was done") from None
