"""The part of a program that carries the drug library to the pump (HOST-05): version, limits, rules."""

from __future__ import annotations

from thecal.therapy.checked import LibrarySection
from thecal.therapy.drug_library.model import DrugEntry
from thecal.therapy.drug_library.store import Library
from thecal.therapy.models import Therapy
from thecal_protocol.program import NO_PATIENT_BOLUS, UNKNOWN_DRUG, WITHDRAWAL


def section_of(library: Library, therapy: Therapy) -> LibrarySection:
    """What this library says of the drugs of a therapy."""
    drugs = tuple(_drug(library.drug(drug.name)) for drug in therapy.drugs)
    return LibrarySection(library.version, library.wire_digest, drugs)


def _drug(entry: DrugEntry | None) -> dict[str, int]:
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
