"""Commands whose answer may be lost on the way: find out what became of them before saying anything.

What may come between a command and its answer: the line (HOST-10) and whatever ends this process (HOST-11).
A signal is held meanwhile; the command is then not sent again but settled at once, and a second signal ends
that, too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar

from thecal._io import interruption
from thecal._io.interruption import Ended
from thecal.errors import LinkError, PortError, ThecalError
from thecal.link.client import Client
from thecal.link.session import Outcome

T = TypeVar("T")

_WORDS = {Outcome.CARRIED_OUT: interruption.CARRIED_OUT, Outcome.UNKNOWN: interruption.UNKNOWN}


class Unanswered(ThecalError):
    """A command got no answer. `outcome`: what became of it, as far as the pump can tell."""

    def __init__(self, message: str, hint: str, outcome: Outcome) -> None:
        super().__init__(message, hint)
        self.outcome = outcome


def settled(client: Client, what: str, action: Callable[[], T], *, dose: bool = True) -> T | None:
    """The answer to `action`; None when it was carried out and only the answer was lost.

    Unanswered: it was not carried out, or nobody knows. Ended: a signal came meanwhile; it says what became
    of `what`. Any other exception that comes in between goes on, with a note that says so. `dose` false: what
    is sent changes no dose and lapses by itself; who breaks off after it has changed nothing.
    """
    lost: LinkError | PortError | None = None
    answer: T | None = None
    outcome = Outcome.CARRIED_OUT
    with interruption.holding() as signals:
        try:
            answer = action()
        except (LinkError, PortError) as error:
            lost, outcome = error, _settle(client, error)
        except ThecalError:  # refused
            if not signals:
                raise
            outcome = Outcome.NOT_CARRIED_OUT
        except BaseException as other:  # from a signal handler that is not ours
            outcome = _settle(client, other)
            interruption.act(what, _outcome_name(outcome))
            other.add_note(f"thecal: {_said(what, outcome)}")
            raise
    name = _outcome_name(outcome)
    if dose or outcome is Outcome.UNKNOWN:
        interruption.act(what, name)
    if signals:
        raise Ended(signals[0], f"interrupted: {_said(what, outcome)}", name)
    if lost is None or outcome is Outcome.CARRIED_OUT:
        return answer
    if outcome is Outcome.UNKNOWN:
        raise Unanswered(f"{lost.message}, and {_said(what, outcome)}", interruption.LOOK, outcome) from lost
    raise Unanswered(
        f"{lost.message}, and {_said(what, outcome)}", "nothing was changed; try again", outcome
    ) from lost


def _settle(client: Client, lost: BaseException) -> Outcome:
    """What became of the command that `lost` broke off."""
    try:
        outcome = client.settle()
    except (LinkError, PortError):
        return Outcome.UNKNOWN
    if outcome is Outcome.NOTHING_PENDING:  # before it was sent, or after an answer that cannot be read
        unsent = isinstance(lost, LinkError | PortError) and getattr(lost, "cause", "") != "malformed"
        return Outcome.NOT_CARRIED_OUT if unsent else Outcome.UNKNOWN
    return outcome


def _outcome_name(outcome: Outcome) -> str:
    return _WORDS.get(outcome, interruption.NOT_CARRIED_OUT)


def _said(what: str, outcome: Outcome) -> str:
    if outcome is Outcome.UNKNOWN:
        return f"whether {what} was carried out is not known"
    return f"{what} was carried out" if outcome is Outcome.CARRIED_OUT else f"{what} was not carried out"


def harmless(what: str, action: Callable[[], T]) -> T:
    """Something before any commit: a broken line there leaves the pump as it was, and the message says so."""
    interruption.begun()
    try:
        return action()
    except (LinkError, PortError) as lost:
        raise Unanswered(
            f"{lost.message} during {what}, before anything was committed: the pump goes on as it was",
            lost.hint,
            Outcome.NOT_CARRIED_OUT,
        ) from lost


def withdraw(client: Client) -> None:
    """The pump forgets what was proposed. One that is gone has nothing to forget: what is being reported
    already matters more than that."""
    with contextlib.suppress(LinkError, PortError):
        client.abort()
