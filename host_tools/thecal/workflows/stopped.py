"""What a stop means for the drug in the pump, by what the program itself carries of the drug library.

Said after the stop: nothing comes before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from thecal.units.amounts import US_PER_S, duration_text
from thecal_protocol.therapy import WITHDRAWAL


def words(program: Mapping[str, Any] | None) -> Iterator[str]:
    """Lines for people; none without a program."""
    if program is None:
        return
    pause = duration_text(program["max_pause_s"] * US_PER_S)
    yield f"The pump alerts when the stop lasts longer than {pause}. It goes on with: thecal resume"
    for library in program["library"]:
        for drug, entry in zip(program["drugs"], library["drugs"], strict=True):
            if entry["rules"] & WITHDRAWAL:
                name = drug["name"]
                yield f"ATTENTION: a sudden end of {name} is dangerous (withdrawal): plan what replaces it."
    if not program["library"]:
        yield "ATTENTION: the program says nothing of its drugs: their sudden end may be dangerous."
