"""The part of a program that carries the drug library to the pump (HOST-05).

Version, digest, hard limits, rules, and the soft limits that the program passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from thecal.therapy.dose_math import DAY_MIN, share_of, worst_window
from thecal.therapy.drug_library import rules, store
from thecal.therapy.drug_library.model import DrugEntry
from thecal.therapy.models import Therapy
from thecal.therapy.rules.whole import schedule_errors
from thecal_protocol.therapy import NO_PATIENT_BOLUS, UNKNOWN_DRUG, WITHDRAWAL

_MOST_CONFIRMED = 15


def library_section(therapy: Therapy, running: Mapping[str, Any] | None) -> list[dict[str, object]]:
    """The group `library` of thecal_protocol.therapy.THERAPY."""
    library = store.current()
    return [
        {
            "version": library.version,
            "digest": library.wire_digest,
            "drugs": [_drug(library.drug(drug.name)) for drug in therapy.drugs],
            "confirmed": [limit.as_wire() for limit in soft_limits(therapy, running)][:_MOST_CONFIRMED],
        }
    ]


def soft_limits(therapy: Therapy, running: Mapping[str, Any] | None) -> list[rules.SoftLimit]:
    """Every soft limit that the therapy, or the change to it, passes."""
    if schedule_errors(therapy):
        return []  # there are no doses to compare
    worst = worst_window(therapy, DAY_MIN).with_patient
    by_drug = {drug.name: worst * share_of(drug, therapy) for drug in therapy.drugs}
    return rules.soft_limits(therapy, by_drug, rules.running_doses(therapy, running))


def _drug(entry: DrugEntry | None) -> dict[str, object]:
    if entry is None:
        return {"max_concentration_ng_per_ml": 0, "max_dose_24h_ng": 0, "rules": UNKNOWN_DRUG}
    flags = NO_PATIENT_BOLUS if entry.rule("no_patient_bolus") else 0
    flags |= WITHDRAWAL if entry.rule("withdrawal") else 0
    concentration, dose = entry.concentration, entry.dose
    return {
        "max_concentration_ng_per_ml": (concentration.hard_ng_per_ml if concentration else None) or 0,
        "max_dose_24h_ng": (dose.hard_ng_per_day if dose else None) or 0,
        "rules": flags,
    }
