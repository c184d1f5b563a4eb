"""What a program on the wire amounts to: its daily dose. Exact. Needs no drug library.

A program is the table `thecal_protocol.therapy.THERAPY`, as it is sent and as the pump reads it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from thecal.therapy.limits import MINIMUM_RATE_PL_PER_DAY
from thecal.therapy.rolling_window import Week
from thecal.units import amounts
from thecal_protocol.program import BASAL_MODES

LARGE = 2  # a change of a dose by more than this factor, either way, needs its own confirmation (HOST-03)
_MODE_NAMES = dict(BASAL_MODES)


def intended_dose(values: Mapping[str, Any]) -> Fraction:
    """The daily mean of the basal dose, also of mode "minimum", ng."""
    if _MODE_NAMES.get(values["basal_mode"]) == "minimum":
        concentration = values["drugs"][0]["concentration_ng_per_ml"]
        return Fraction(MINIMUM_RATE_PL_PER_DAY * concentration, amounts.PL_PER_ML)
    return mean_basal(values)


def mean_basal(values: Mapping[str, Any]) -> Fraction:
    """The daily mean of the basal dose, ng; 0 when stopped or at the minimum rate, which is no dose."""
    if _MODE_NAMES.get(values["basal_mode"]) != "flex":
        return Fraction(values["basal_dose_ng_per_day"])
    steps = values["basal_steps"]
    return Week.of_steps((x["start_min"], x["days"], x["dose_ng_per_day"]) for x in steps).total() / 7
