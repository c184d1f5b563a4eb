"""The slots of a delivery: one infusion source for each bolus that a pump may give at the same time."""

from pump.dosing.delivery import Delivery
from pump.dosing.infusion_source import (
    BRIDGE,
    CLINICIAN,
    EXTENDED,
    PATIENT,
    PRIME,
    InfusionSource,
    Periodic,
)
from pump.therapy.bounds import MAX_PERIODIC


def make_delivery(motor, log):
    """A delivery with all its slots: clinician, patient, extended and periodic boluses; prime and bridge."""
    periodic = [Periodic() for _ in range(MAX_PERIODIC)]
    single = [InfusionSource(kind) for kind in (CLINICIAN, PATIENT, EXTENDED)]
    exclusive = (InfusionSource(PRIME), InfusionSource(BRIDGE))
    return Delivery(motor, log, tuple(single + periodic), exclusive)
