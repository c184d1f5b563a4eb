"""What a pump takes of a bolus, a refill, a prime and its clock: found here first, with better words.

The pump checks all of it again (SEC-11), and a test holds the two verdicts together. Each problem is one
line that names the bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from thecal.errors import REFUSAL_TEXTS, ThecalError
from thecal.therapy.limits import BOLUS_DOSE, BOLUS_DURATION, EMPTY_PL, MAX_LOT_BYTES, SHIFT
from thecal.therapy.refill_check import pocket_fill_bound_pl
from thecal.units import local_time
from thecal.units.amounts import PL_PER_ML, duration_text, volume_text
from thecal.units.bound_text import detail_text

A_YEAR = timedelta(days=365)


def refuse(what: str, problems: list[str]) -> None:
    """ThecalError when there are any."""
    if problems:
        raise ThecalError(
            f"{what}: {'; '.join(problems)}", "nothing was changed; correct it and say it again"
        )


def bolus_problems(dose_ng: int, duration_us: int) -> list[str]:
    """What is wrong with a clinician's bolus, whatever the pump is doing."""
    found = (BOLUS_DOSE.complaint(dose_ng), BOLUS_DURATION.complaint(duration_us))
    return [problem for problem in found if problem]


def refill_problems(refill: Mapping[str, Any], reservoir_pl: int, today: int) -> list[str]:
    """What is wrong with a refill, as `thecal_protocol.therapy.REFILL`, on a local day, of a pump that holds
    so much.
    """
    found: list[str] = []
    volume_pl, residual_pl, measured_pl = (refill[x] for x in ("volume_pl", "residual_pl", "measured_pl"))
    holds = f"the reservoir holds {volume_text(reservoir_pl)}"
    if volume_pl <= 0:
        found.append(f"filled in: {volume_text(volume_pl)}, but a refill is more than nothing")
    if volume_pl > reservoir_pl:
        found.append(f"filled in: {volume_text(volume_pl)}, but {holds}")
    if residual_pl > reservoir_pl:
        found.append(f"came out: {volume_text(residual_pl)}, but {holds}")
    most_pl = min(volume_pl + pocket_fill_bound_pl(reservoir_pl), reservoir_pl)
    if refill["checked"] and measured_pl > most_pl:
        found.append(
            f"measured after filling: {volume_text(measured_pl)}, but of {volume_text(volume_pl)} filled in "
            f"at most {volume_text(most_pl)} can be found; measure again"
        )
    found += lot_problems(refill["lot"])
    day = refill["expiry_day"]
    if day and not today <= day <= local_time.LAST_DAY:
        good, first, last = map(local_time.date_text, (day, today, local_time.LAST_DAY))
        found.append(f"the drug is good until {good}; it must be from the pump's today, {first}, to {last}")
    return found


def expiry_problems(expiry: date | None, today: date) -> list[str]:
    """What is wrong with the date on a drug's label."""
    return [f"the drug expired on {expiry}, and today is {today}"] if expiry and expiry < today else []


def lot_problems(lot: str) -> list[str]:
    """What is wrong with the name of a lot."""
    size = len(lot.encode())
    return [f"the lot has {size} bytes; at most {MAX_LOT_BYTES}"] if size > MAX_LOT_BYTES else []


def prime_problems(program: Mapping[str, Any], dry: bool, left_pl: int) -> list[str]:
    """What is wrong with a prime by this program, with so much left in the reservoir."""
    volume_pl = catheter_pl(program) + (program["pump_tubing_pl"] if dry else 0)
    above_pl = max(0, left_pl - EMPTY_PL)
    if not volume_pl:
        return ["by the program there is no volume to fill: it names no tubing and no catheter"]
    if volume_pl > above_pl:
        return [
            f"the prime takes {volume_text(volume_pl)}, and {volume_text(above_pl)} lie above the "
            f"{volume_text(EMPTY_PL)} at which the pump stops; refill first"
        ]
    return []


def bridge_problems(volume_pl: int, left_pl: int) -> list[str]:
    """What is wrong with a bridge of this volume, with so much in the reservoir when it begins."""
    above_pl = max(0, left_pl - EMPTY_PL)
    if volume_pl <= above_pl:
        return []
    what, hint = REFUSAL_TEXTS["reservoir"]
    most = detail_text("reservoir", f"bridge volume_pl 0 {above_pl}")
    return [f"it takes {volume_text(volume_pl)}: {what} ({most}); {hint}"]


def catheter_pl(program: Mapping[str, Any]) -> int:
    """The volume of its catheter, as the pump counts it."""
    return int(Fraction(program["catheter_length_um"] * program["catheter_pl_per_cm"], 10_000))


def clock_problems(before: datetime, after: datetime | None, offset_us: int) -> list[str]:
    """What is wrong with setting local time to `after` (None: no calendar has it), or moving it so far."""
    found: list[str] = []
    if abs(offset_us) > SHIFT.high:
        found.append(
            f"an offset of {duration_text(abs(offset_us))} is more than {duration_text(SHIFT.high)}; use --to"
        )
    if after is None or not local_time.FIRST <= after <= local_time.LAST:
        when = f"{after:%Y-%m-%d}" if after else f"{before:%Y-%m-%d}, so moved,"
        found.append(
            f"{when} is no date that the pump can be set to: from {local_time.FIRST:%Y-%m-%d} to "
            f"{local_time.LAST:%Y-%m-%d}"
        )
    return found


def is_large_clock_change(was_set: bool, before: datetime, after: datetime) -> bool:
    """Whether it needs a question of its own: more than a year, of a clock that was set before."""
    return was_set and abs(after - before) > A_YEAR


assert PL_PER_ML == 2 * EMPTY_PL  # the docs say 0.5 mL
