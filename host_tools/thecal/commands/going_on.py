"""How therapy goes on, by what holds it: said in one way by everything that stops, refills or looks.

Imports nothing heavy.
"""

from __future__ import annotations

from typing import cast

from thecal.errors import Refused
from thecal.link.client import Client
from thecal.link.responses.pump import Status
from thecal.units.amounts import span_text

RESUME = "thecal resume"
_NEWEST = 8  # records of the ring of doses that a stop is looked for in

_WORDS = {
    "infusing": "therapy goes on",
    "held": "the minimum rate flows until the alarm has cleared; then therapy goes on by itself",
    "halted": "nothing flows until the alarm has cleared; then therapy goes on by itself",
    "fault": f"nothing flows until the fault is cleared (thecal fault clear); then: {RESUME}",
    "self_test": "the pump tests itself; see `thecal status` in a minute",
    "unprogrammed": "the pump has no program: thecal program",
}


def words(state: str, left_s: int | None = None) -> str:
    """Of a pump in `state` (thecal_protocol.messages.STATES). `left_s`: what is left of a stop for a time."""
    if state == "stopped":
        return f"the pump is stopped; {after_a_stop(left_s)}"
    return _WORDS.get(state, f"the pump is {state}")


def after_a_stop(left_s: int | None) -> str:
    """The end of words() for a stop."""
    if left_s is None:
        return f"it goes on with: {RESUME}"
    return f"it goes on by itself in {span_text(left_s)}, sooner with: {RESUME}"


def stop_left_s(client: Client, status: Status) -> int | None:
    """Of a stop for a time, the seconds that are left; None: it ends by a command, or nobody may say."""
    if status.state != "stopped":
        return None
    newest = status.next_event - 1
    reach = _NEWEST
    try:
        while True:
            first = max(0, newest + 1 - reach)
            events = client.events(first, doses=True)
            stops = [one for one in events if one.kind in ("stopped", "program_committed")]
            if stops or first == 0 or len(events) >= _NEWEST:
                break
            reach *= 4
        if not stops:
            return None
        last = stops[-1]
        program = client.running_program() if last.kind == "program_committed" else None
    except Refused:  # a role that reads no log
        return None
    lasts_s = cast("int", program["start_delay_s"]) if program else last.a if last.kind == "stopped" else 0
    return max(0, last.at.s + lasts_s - status.now.s) if lasts_s else None
