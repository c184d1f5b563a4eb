"""`thecal clock set`: local time set or moved, in two steps like every change that touches a dose."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from thecal.errors import ThecalError
from thecal.link.client import Client
from thecal.link.responses.pump import Proposal
from thecal.link.uncertain_delivery import before_commit, certain_delivery
from thecal.therapy.rules.commands import clock_problems, is_large_clock_change, refuse
from thecal.units.local_time import from_wire, to_wire

CLOCK = "%a %Y-%m-%d %H:%M:%S"


class LargeClockChange(ThecalError):
    """The clock would move by more than a year, and nobody has agreed to that."""


@dataclass(frozen=True)
class Change:
    """Either `to` a time, or by `offset_us`."""

    to: datetime | None = None
    offset_us: int = 0

    def propose(self, client: Client) -> "ProposedClock":
        """Ask the pump whether it would."""
        status = before_commit("the review", client.status)
        before = from_wire(status.local_day, status.local_s, status.local_us)
        after = self.to or _moved(before, self.offset_us)
        refuse("the clock", clock_problems(before, after, 0 if self.to else self.offset_us))
        assert after is not None  # or it was refused
        if self.to is not None:
            day, second, us = to_wire(self.to)
            proposal = before_commit("the proposal", lambda: client.propose_clock(day, second, us))
        else:
            proposal = before_commit("the proposal", lambda: client.propose_clock_offset(self.offset_us))
        return ProposedClock(client, proposal, before, after, status.clock_set)


@dataclass(frozen=True)
class ProposedClock:
    """A change of local time that the pump has read. Time goes on until the commit, for `after` too."""

    client: Client
    proposal: Proposal
    before: datetime
    after: datetime
    was_set: bool  # had anybody ever said what time it is?

    @property
    def large(self) -> bool:
        """Whether it needs a question of its own: more than a year, of a clock that was set before."""
        return is_large_clock_change(self.was_set, self.before, self.after)

    def words(self) -> list[str]:
        """What would change."""
        never = "" if self.was_set else " (it was never set)"
        return [f"The pump's clock says {self.before:{CLOCK}}{never} and will say {self.after:{CLOCK}}."]

    def refuse_large_change(self, confirmed: bool) -> None:
        """LargeClockChange unless `confirmed` or it is no large change."""
        if self.large and not confirmed:
            raise LargeClockChange(
                f"more than a year's change of a clock that was set: from {self.before:{CLOCK}} to "
                f"{self.after:{CLOCK}}",
                "nothing was changed; if it is meant, say so with --confirm-large-change",
            )

    def commit(self) -> datetime:
        """Make it so; local time afterwards."""
        certain_delivery(self.client, "setting the clock", lambda: self.client.commit(self.proposal.digest))
        return _local(self.client)

    def abort(self) -> None:
        """Have the pump forget it; nothing has changed."""
        self.client.abort()


def _moved(local: datetime, offset_us: int) -> datetime | None:
    """None: no calendar has it."""
    try:
        return local + timedelta(microseconds=offset_us)
    except OverflowError:
        return None


def _local(client: Client) -> datetime:
    status = client.status()
    return from_wire(status.local_day, status.local_s, status.local_us)
