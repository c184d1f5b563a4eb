"""`thecal clock set`: local time set or moved, in two steps like every change that touches a dose."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from thecal.client import Client
from thecal.local_time import from_wire, to_wire
from thecal.settled import harmless, settled


@dataclass(frozen=True)
class Change:
    """Either `to` a time, or by `offset_us`."""

    to: datetime | None = None
    offset_us: int = 0

    def preview(self, client: Client) -> tuple[datetime, datetime]:
        """Local time now, and what it would be."""
        before = _local(client)
        return before, self.to or before + timedelta(microseconds=self.offset_us)

    def carry_out(self, client: Client) -> datetime:
        """Propose and commit; local time afterwards."""
        if self.to is not None:
            day, second, us = to_wire(self.to)
            proposal = harmless("the proposal", lambda: client.propose_clock(day, second, us))
        else:
            proposal = harmless("the proposal", lambda: client.propose_clock_offset(self.offset_us))
        settled(client, "setting the clock", lambda: client.commit(proposal.digest))
        return _local(client)


def _local(client: Client) -> datetime:
    status = client.status()
    return from_wire(status.local_day, status.local_s, status.local_us)
