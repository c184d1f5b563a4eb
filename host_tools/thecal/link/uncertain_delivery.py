"""Commands whose answer may be lost on the way: find out what became of them before saying anything.

What may come between a command and its answer: the line (HOST-10) and whatever ends this process (HOST-11). A
signal is held meanwhile; the command is then not sent again; what became of it is found out at once, and a
second signal ends that, too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar

from thecal._io import interruption
from thecal._io.interruption import Ended
from thecal.errors import LinkError, PortError, ThecalError
from thecal.link.client import Client
from thecal.link.session import CommandOutcome

T = TypeVar("T")

_WORDS = {CommandOutcome.CARRIED_OUT: interruption.CARRIED_OUT, CommandOutcome.UNKNOWN: interruption.UNKNOWN}


class Unanswered(ThecalError):
    """A command got no answer. `outcome`: what became of it, as far as the pump can tell."""

    def __init__(self, message: str, hint: str, outcome: CommandOutcome) -> None:
        super().__init__(message, hint)
        self.outcome = outcome


def certain_delivery(client: Client, what: str, action: Callable[[], T], *, dose: bool = True) -> T | None:
    """The answer to `action`; None when it was carried out and only the answer was lost.

    Unanswered: it was not carried out, or nobody knows. Ended: a signal came meanwhile; it says what became
    of `what`. Any other exception that comes in between goes on, with a note that says so. `dose` false: what
    is sent changes no dose and lapses by itself; who breaks off after it has changed nothing.
    """
    lost: LinkError | PortError | None = None
    answer: T | None = None
    outcome = CommandOutcome.CARRIED_OUT
    with interruption.holding() as signals:
        try:
            answer = action()
        except (LinkError, PortError) as error:
            lost, outcome = error, _resolve(client, error)
        except ThecalError:  # refused
            if not signals:
                raise
            outcome = CommandOutcome.NOT_CARRIED_OUT
        except BaseException as other:  # from a signal handler that is not ours
            outcome = _resolve(client, other)
            interruption.act(what, _outcome_name(outcome))
            other.add_note(f"thecal: {_said(what, outcome)}")
            raise
    name = _outcome_name(outcome)
    if dose or outcome is CommandOutcome.UNKNOWN:
        interruption.act(what, name)
    if signals:
        raise Ended(signals[0], f"interrupted: {_said(what, outcome)}", name)
    if lost is None or outcome is CommandOutcome.CARRIED_OUT:
        return answer
    if outcome is CommandOutcome.UNKNOWN:
        raise Unanswered(f"{lost.message}, and {_said(what, outcome)}", interruption.LOOK, outcome) from lost
    raise Unanswered(
        f"{lost.message}, and {_said(what, outcome)}", "nothing was changed; try again", outcome
    ) from lost


def _resolve(client: Client, lost: BaseException) -> CommandOutcome:
    """What became of the command that `lost` broke off."""
    try:
        outcome = client.resolve_outcome()
    except (LinkError, PortError):
        return CommandOutcome.UNKNOWN
    if (
        outcome is CommandOutcome.NOTHING_PENDING
    ):  # before it was sent, or after an answer that cannot be read
        unsent = isinstance(lost, LinkError | PortError) and getattr(lost, "cause", "") != "malformed"
        return CommandOutcome.NOT_CARRIED_OUT if unsent else CommandOutcome.UNKNOWN
    return outcome


def _outcome_name(outcome: CommandOutcome) -> str:
    return _WORDS.get(outcome, interruption.NOT_CARRIED_OUT)


def _said(what: str, outcome: CommandOutcome) -> str:
    if outcome is CommandOutcome.UNKNOWN:
        return f"whether {what} was carried out is not known"
    return (
        f"{what} was carried out" if outcome is CommandOutcome.CARRIED_OUT else f"{what} was not carried out"
    )


def before_commit(what: str, action: Callable[[], T]) -> T:
    """Something before any commit: a broken line there leaves the pump as it was, and the message says so."""
    interruption.begun()
    try:
        return action()
    except (LinkError, PortError) as lost:
        raise Unanswered(
            f"{lost.message} during {what}, before anything was committed: the pump goes on as it was",
            lost.hint,
            CommandOutcome.NOT_CARRIED_OUT,
        ) from lost


def withdraw(client: Client) -> None:
    """The pump forgets what was proposed. One that is gone has nothing to forget: what is being reported
    already matters more than that."""
    with contextlib.suppress(LinkError, PortError):
        client.abort()
