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


class Slots:
    """By name; `sources` add to the basal rate, `exclusive` ones flow alone."""

    def __init__(self):
        self.clinician = InfusionSource(CLINICIAN)
        self.patient = InfusionSource(PATIENT)
        self.extended = InfusionSource(EXTENDED)
        self.periodic = [Periodic() for _ in range(MAX_PERIODIC)]
        self.prime = InfusionSource(PRIME)
        self.bridge = InfusionSource(BRIDGE)
        self.sources = tuple([self.clinician, self.patient, self.extended] + self.periodic)
        self.exclusive = (self.prime, self.bridge)


def make_delivery(motor, log):
    """A delivery with all its slots."""
    return Delivery(motor, log, Slots())
