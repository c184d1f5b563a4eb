"""What needs a person at the pump: said, waited for, and asked again once its button was pressed.

The pump refuses such a request as `needs_button` and holds it for a minute; a press releases it, and the
same request, under a new number, is then carried out, once (docs/reference/security.md). The one helper for
command line, workflows, pairing, campaigns and `Pump`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

from thecal._io import interruption
from thecal.errors import Refused, ThecalError
from thecal_protocol.roles import BUTTON_S

T = TypeVar("T")

Button = Callable[[str], None]  # told once, in one line, what to press for; or presses, where a bench does

_PAUSES_S = (0.0, 0.02, 0.05, 0.1, 0.2)  # between two asks at first,
_PAUSE_S = 0.5  # and then: far below what the pump grants to who has a key
_SPARE_S = 15.0  # for a request that another one has to wait for


def pressed(
    attempt: Callable[[], T],
    what: str,
    serial: str,
    button: Button | None,
    *,
    busy: Callable[[], None] = lambda: None,
    give_up: Callable[[], None] = lambda: None,
) -> T:
    """What `attempt` returns, made again until the button was pressed for it. `what` it is for: "to prime";
    `serial`: whose button.

    `button` None: nobody can be asked. `busy`: called once, when another request holds the button; it is
    waited for. `give_up`: called when nobody pressed, or the wait was broken off. Refused: for another
    reason, or nothing was pressed in a minute.
    """
    told: set[bool] = set()
    until = time.monotonic() + BUTTON_S + _SPARE_S
    pauses = iter(_PAUSES_S)
    while True:
        try:
            return attempt()
        except Refused as refused:
            if refused.name != "needs_button" or button is None:
                raise
            held = bool(refused.detail)  # by a request of somebody with a key: a pairing has to wait
            if interruption.came() or time.monotonic() > until:  # a signal that is held ends the wait, too
                with contextlib.suppress(ThecalError):
                    give_up()
                raise
        try:
            if held not in told and held:
                busy()
            elif held not in told:
                button(f"Press the button of the pump {serial} within {BUTTON_S} s, {what} ...")
                until = time.monotonic() + BUTTON_S
            told.add(held)
            time.sleep(next(pauses, _PAUSE_S))
        except BaseException:
            with contextlib.suppress(ThecalError):
                give_up()
            raise
