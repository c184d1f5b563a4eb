"""`thecal clock set`: local time set or moved, in two steps like every change that touches a dose."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from thecal.answers import Proposal
from thecal.client import Client
from thecal.local_time import from_wire, to_wire
from thecal.settled import harmless, settled

_CLOCK = "%a %Y-%m-%d %H:%M:%S"


@dataclass(frozen=True)
class Change:
    """Either `to` a time, or by `offset_us`."""

    to: datetime | None = None
    offset_us: int = 0

    def propose(self, client: Client) -> "ProposedClock":
        """Ask the pump whether it would."""
        before = harmless("the review", lambda: _local(client))
        if self.to is not None:
            after = self.to
            day, second, us = to_wire(self.to)
            proposal = harmless("the proposal", lambda: client.propose_clock(day, second, us))
        else:
            after = before + timedelta(microseconds=self.offset_us)
            proposal = harmless("the proposal", lambda: client.propose_clock_offset(self.offset_us))
        return ProposedClock(client, proposal, before, after)


@dataclass(frozen=True)
class ProposedClock:
    """A change of local time that the pump has read. Time goes on until the commit, for `after` too."""

    client: Client
    proposal: Proposal
    before: datetime
    after: datetime

    def words(self) -> list[str]:
        """What would change."""
        return [f"The pump's clock says {self.before:{_CLOCK}} and will say {self.after:{_CLOCK}}."]

    def commit(self) -> datetime:
        """Make it so; local time afterwards."""
        settled(self.client, "setting the clock", lambda: self.client.commit(self.proposal.digest))
        return _local(self.client)


def _local(client: Client) -> datetime:
    status = client.status()
    return from_wire(status.local_day, status.local_s, status.local_us)
