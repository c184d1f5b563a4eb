"""Which programs a press of the pump's button has to agree to: those that may raise a dose past the limits
that were last pressed for (SEC-15).

Limits may be lowered without it, and rules added: what runs is never above what was pressed for. Drugs are
the same when their names are, in whatever case. The chip holds this on flash until a program is committed.
Allocates: commands only.
"""

from pump.therapy.library import version_of
from pump.therapy.reservoir_fills import same_drugs
from thecal_protocol.program import DEMANDS

_MOST_VERSIONS = 1000  # above the running one: nothing follows the highest number


def needed(running, new) -> bool:
    """Does this program need a press where `running` (None: never programmed) runs?"""
    if running is None:
        return False
    if new.bridge or new.step_volume_pl != running.step_volume_pl or not same_drugs(running.drugs, new.drugs):
        return True
    if new.max_rate_pl_per_day > running.max_rate_pl_per_day:
        return True
    for field in ("max_dose_24h_ng", "max_dose_1h_ng"):
        if _any_rises(running.drugs, new.drugs, field):
            return True
    return _library_loosens(running, new)


def _any_rises(old, new, field: str) -> bool:
    """Is one of these limits higher than it was, or gone (0)?"""
    for index, entry in enumerate(old):
        before = entry[field]
        if before and not 0 < new[index][field] <= before:
            return True
    return False


def _library_loosens(running, new) -> bool:
    """By an older library, or by one so much newer that no other could follow it; or by the same drug's hard
    limits and rules."""
    version = version_of(running)[0]
    if not version <= version_of(new)[0] <= version + _MOST_VERSIONS:
        return True
    for old in running.values["library"]:
        drugs = new.values["library"][0]["drugs"]  # it has a version, so it is there
        for field in ("max_concentration_ng_per_ml", "max_dose_24h_ng"):
            if _any_rises(old["drugs"], drugs, field):
                return True
        for index, entry in enumerate(old["drugs"]):
            if entry["rules"] & ~drugs[index]["rules"] & DEMANDS:
                return True
    return False
