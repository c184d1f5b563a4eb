"""A counted number of steps for a calibration: a bolus into a balance, counted by the pump's ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from thecal.errors import LinkError, PortError, ThecalError
from thecal.link.client import Client
from thecal.link.responses.pump import Proposal
from thecal.link.uncertain_delivery import before_commit, certain_delivery
from thecal.units.amounts import (
    PL_PER_ML,
    US_PER_S,
    count_text,
    dose_rate_text,
    duration_text,
    mass_text,
    volume_text,
)

_LOOK_EVERY_S = 0.2
_SLACK_S = 30


def _pause() -> None:
    time.sleep(_LOOK_EVERY_S)


@dataclass(frozen=True)
class CountedRun:
    """A bolus that the pump has read and would give; nothing has moved yet."""

    client: Client
    proposal: Proposal
    drug: str
    volume_pl: int
    dose_ng: int
    duration_us: int
    set_pl: int  # the step volume that the program says
    infusing_ng_per_day: int

    @classmethod
    def propose(cls, client: Client, volume_pl: int, duration_us: int) -> CountedRun:
        """Ask the pump whether it would give `volume_pl` as a bolus. Refused: it would not."""
        program = before_commit("the review", client.running_program)
        if program is None:
            raise ThecalError("the pump has no program to run steps by", "program a bench therapy first")
        values = cast("Mapping[str, Any]", program)
        drug: Mapping[str, Any] = values["drugs"][0]
        dose_ng = volume_pl * drug["concentration_ng_per_ml"] // PL_PER_ML
        status = before_commit("the review", client.status)
        proposal = before_commit("the proposal", lambda: client.propose_bolus(dose_ng, duration_us))
        given_pl = dose_ng * PL_PER_ML // drug["concentration_ng_per_ml"]
        return cls(
            client,
            proposal,
            drug["name"],
            given_pl,
            dose_ng,
            duration_us,
            values["step_volume_pl"],
            status.basal_ng_per_day,
        )

    @property
    def least_steps(self) -> int:
        """What the bolus alone makes."""
        return self.volume_pl // self.set_pl

    def words(self) -> list[str]:
        """What would leave the pump."""
        volume, dose = volume_text(self.volume_pl), mass_text(self.dose_ng)
        basal = self.infusing_ng_per_day
        beside = f", beside the basal {dose_rate_text(basal)}" if basal else ""
        return [
            f"The pump would give {volume}, {dose} of {self.drug}, over {duration_text(self.duration_us)}"
            f"{beside}: {count_text(self.least_steps)} steps or more.",
            "Do this on the bench only: whatever is connected to the pump gets it.",
        ]

    def give(self, progress: Callable[[int], None] | None = None) -> int:
        """Give it; steps counted from before it to after its end.

        A basal flow meanwhile is counted like the rest: it reaches the balance as well.
        """
        client = self.client
        before = before_commit("the review", client.accounts)
        certain_delivery(client, "the bolus", lambda: client.commit(self.proposal.digest))
        try:
            _until_it_ends(client, self.duration_us, progress)
            after = client.accounts()
        except (LinkError, PortError) as lost:
            raise ThecalError(
                f"{lost.message} amid the run: the pump may go on with it, and its steps are not counted",
                "look at `thecal status` and begin anew",
            ) from lost
        return after.steps - before.steps


def _until_it_ends(client: Client, duration_us: int, progress: Callable[[int], None] | None) -> None:
    deadline_s = time.monotonic() + duration_us / US_PER_S + _SLACK_S
    while True:
        status = client.status()
        if status.state != "infusing" or time.monotonic() > deadline_s:
            raise ThecalError("the run did not come to its end", "look at `thecal status` and begin anew")
        if status.bolus is None:
            break
        if progress is not None:
            progress(status.bolus_left_us)
        _pause()
