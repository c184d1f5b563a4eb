"""A therapy on the wire: `to_wire` fills the table `thecal_protocol.therapy.THERAPY`;
`thecal_protocol.codec` makes bytes of it. Nothing is judged here, and no rule and no drug library is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.errors import TherapyError
from thecal.therapy.taper import plan_of
from thecal_protocol.program import BASAL_MODES
from thecal_protocol.therapy import SCHEMA_VERSION

if TYPE_CHECKING:
    from thecal.therapy.checked import CheckedTherapy

NO_OLD_PROGRAM = "asks to bridge an old filling, and no program runs that would say which; remove [bridge]"
_MOST_CONFIRMED = 15  # soft limits that the pump keeps with a program
_MODE_NUMBERS = {name: number for number, name in BASAL_MODES}


def to_wire(checked: CheckedTherapy) -> dict[str, object]:
    """The table `thecal_protocol.therapy.THERAPY` of a therapy that was judged.

    A bridge takes the old concentration from the program that is replaced, so TherapyError when one is asked
    for and no program runs: it is never left out in silence.
    """
    therapy = checked.model
    basal, patient = therapy.basal, therapy.patient_bolus
    return {
        "schema": SCHEMA_VERSION,
        "name": therapy.name,
        **therapy.pump.on_wire(),
        **therapy.catheter.on_wire(),
        "drugs": _drugs(checked),
        "basal_mode": _MODE_NUMBERS[basal.mode],
        "basal_dose_ng_per_day": basal.dose_ng_per_day or 0,
        "basal_steps": [
            {"start_min": step.start_min, "days": step.days, "dose_ng_per_day": step.dose_ng_per_day}
            for step in basal.steps
        ],
        "periodic_boluses": [bolus.on_wire() for bolus in therapy.periodic_boluses],
        "patient_bolus": [patient.on_wire()] if patient else [],
        **therapy.limits.on_wire(),
        **therapy.alarms.on_wire(),
        **therapy.beginning.on_wire(),
        "plan": [step._asdict() for step in plan_of(therapy)],
        "bridge": _bridge(checked),
        "library": _library(checked),
    }


def _bridge(checked: CheckedTherapy) -> list[dict[str, object]]:
    """The old filling to be given first, if that is asked for."""
    change = checked.change
    if checked.model.bridge is None:
        return []
    if change is None:
        raise TherapyError([("bridge", NO_OLD_PROGRAM)])
    return [{"dose_ng_per_day": change.bridge_ng_per_day, "concentration_ng_per_ml": change.old_ng_per_ml}]


def _library(checked: CheckedTherapy) -> list[dict[str, object]]:
    """The drug library that it was judged with, and the soft limits that are passed knowingly."""
    library = checked.library
    return [
        {
            "version": library.version,
            "digest": library.digest,
            "drugs": [dict(drug) for drug in library.drugs],
            "confirmed": [limit.as_wire() for limit in checked.soft_limits][:_MOST_CONFIRMED],
        }
    ]


def _drugs(checked: CheckedTherapy) -> list[dict[str, object]]:
    """Drugs with their limits; 0: no limit of this kind."""
    return [
        {
            "name": drug.name,
            "concentration_ng_per_ml": drug.concentration_ng_per_ml,
            "max_dose_24h_ng": limits.max_24h_ng or 0,
            "max_dose_1h_ng": limits.max_1h_ng or 0,
        }
        for drug, limits in zip(checked.model.drugs, checked.limits, strict=True)
    ]
