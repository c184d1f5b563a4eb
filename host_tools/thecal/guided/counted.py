"""A counted number of steps for a calibration: a bolus into a balance, counted by the pump's ledger."""

from __future__ import annotations

import time
from collections.abc import Callable

from thecal.amounts import PL_PER_ML, US_PER_S
from thecal.client import Client
from thecal.errors import LinkError, PortError, ThecalError
from thecal.settled import harmless, settled

_LOOK_EVERY_S = 0.2
_SLACK_S = 30


def _pause() -> None:
    time.sleep(_LOOK_EVERY_S)


def run_steps(
    client: Client, volume_pl: int, duration_us: int, progress: Callable[[int], None] | None = None
) -> tuple[int, int]:
    """Give `volume_pl` as a bolus; (steps counted from before it to after its end, step volume that is set).

    A basal flow meanwhile is counted like the rest: it reaches the balance as well.
    """
    program = harmless("the review", client.running_program)
    if program is None:
        raise ThecalError("the pump has no program to run steps by", "program a bench therapy first")
    drugs = program["drugs"]
    assert isinstance(drugs, list)
    concentration = int(drugs[0]["concentration_ng_per_ml"])  # pyright: ignore[reportUnknownArgumentType]
    dose_ng = volume_pl * concentration // PL_PER_ML
    before = client.accounts()
    proposal = harmless("the proposal", lambda: client.propose_bolus(dose_ng, duration_us))
    settled(client, "the bolus", lambda: client.commit(proposal.digest))
    try:
        _until_it_ends(client, duration_us, progress)
        after = client.accounts()
    except (LinkError, PortError) as lost:
        raise ThecalError(
            f"{lost.message} amid the run: the pump may go on with it, and its steps are not counted",
            "look at `thecal status` and begin anew",
        ) from lost
    return after.steps - before.steps, after.step_volume_pl


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
