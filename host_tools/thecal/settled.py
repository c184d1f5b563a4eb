"""Commands whose answer may be lost on the way: find out what became of them before saying anything.

Used by every command that changes a pump.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from thecal.client import Client
from thecal.errors import LinkError, PortError, ThecalError
from thecal.session import Outcome

if TYPE_CHECKING:
    from thecal.pump import Pump

T = TypeVar("T")


class Unanswered(ThecalError):
    """A command got no answer. `outcome`: what became of it, as far as the pump can tell."""

    def __init__(self, message: str, hint: str, outcome: Outcome) -> None:
        super().__init__(message, hint)
        self.outcome = outcome


def settled(client: Client, what: str, action: Callable[[], T]) -> T | None:
    """The answer to `action`; None when it was carried out and only the answer was lost.

    Unanswered: it was not carried out, or nobody knows.
    """
    try:
        return action()
    except (LinkError, PortError) as lost:
        try:
            outcome = client.settle()
        except (LinkError, PortError):
            outcome = Outcome.UNKNOWN
        if outcome is Outcome.CARRIED_OUT:
            return None
        if outcome is Outcome.UNKNOWN:
            raise Unanswered(
                f"{lost.message}, and whether {what} was carried out is not known",
                "look at `thecal status` and `thecal log` before doing it again",
                outcome,
            ) from lost
        raise Unanswered(
            f"{lost.message}, and {what} was not carried out", "nothing was changed; try again", outcome
        ) from lost


def harmless(what: str, action: Callable[[], T]) -> T:
    """Something before any commit: a broken line there leaves the pump as it was, and the message says so."""
    try:
        return action()
    except (LinkError, PortError) as lost:
        raise Unanswered(
            f"{lost.message} during {what}, before anything was committed: the pump goes on as it was",
            lost.hint,
            Outcome.NOT_CARRIED_OUT,
        ) from lost


def withdraw(client: Client | Pump) -> None:
    """The pump forgets what was proposed. One that is gone has nothing to forget: what is being reported
    already matters more than that."""
    with contextlib.suppress(LinkError, PortError):
        client.abort()
