"""The slots of a delivery: one infusion source for each bolus that a pump may give at the same time."""

from pump.dosing.delivery import Delivery
from pump.dosing.infusion_source import InfusionSource, Periodic
from pump.therapy.bounds import MAX_PERIODIC
from thecal_protocol.bolus_kinds import BRIDGE, PATIENT_BOLUS, PRIME, PROPOSED


class Slots:
    """By name, those a clinician proposes with their words; `sources` add to the basal rate, `exclusive` ones
    flow alone."""

    def __init__(self):
        self.proposed = [(InfusionSource(kind), word) for kind, word in PROPOSED]
        self.patient = InfusionSource(PATIENT_BOLUS)
        self.periodic = [Periodic() for _ in range(MAX_PERIODIC)]
        self.prime = InfusionSource(PRIME)
        self.bridge = InfusionSource(BRIDGE)
        asked = sorted([source for source, _ in self.proposed] + [self.patient], key=lambda x: x.kind)
        self.sources = tuple(asked + self.periodic)
        self.exclusive = (self.prime, self.bridge)


def make_delivery(motor, log):
    """A delivery with all its slots."""
    return Delivery(motor, log, Slots())
