"""What a stop means for the drug in the pump, by what the program itself carries of the drug library.

Said after the stop: nothing comes before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from thecal.commands import going_on
from thecal.units.amounts import US_PER_S, duration_text
from thecal_protocol.program import WITHDRAWAL


def words(program: Mapping[str, Any] | None, lasting_s: int | None = None) -> Iterator[str]:
    """Lines for people; none without a program. `lasting_s`: the stop ends by itself after that."""
    if program is None:
        return
    goes_on = going_on.after_a_stop(lasting_s)
    yield f"{goes_on[:1].upper()}{goes_on[1:]}."
    if lasting_s is None:
        pause = duration_text(program["max_pause_s"] * US_PER_S)
        yield f"It alerts when the stop lasts longer than {pause}."
    for library in program["library"]:
        for drug, entry in zip(program["drugs"], library["drugs"], strict=True):
            if entry["rules"] & WITHDRAWAL:
                name = drug["name"]
                yield f"ATTENTION: a sudden end of {name} is dangerous (withdrawal): plan what replaces it."
    if not program["library"]:
        yield "ATTENTION: the program says nothing of its drugs: their sudden end may be dangerous."
