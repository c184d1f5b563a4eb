"""Critical values, stored twice and compared before they are used (INT-05).

The arrays that make the runs (rates, unit, strides) have a second copy, compared in one step of C before
every run. Whole numbers (permit, gaps) are compared with their complement before every run; those of the
prescription, which only commands use, before every command that changes something and with every sample.

`VALUES` names them all, for a bench that flips bits: name -> (holder, attribute or key); an array has key
None.

Only `take_prescription` allocates.
"""

from pump.dosing import bigint
from pump.dosing.accumulator import CAPACITY
from pump.therapy.bounds import PLAIN_NUMBERS

VALUES = {}

_PROGRAM = PLAIN_NUMBERS + (
    "step_volume_pl",
    "max_rate_pl_per_day",
    "basal_mode",
    "basal_dose_ng_per_day",
    "pump_tubing_pl",
    "catheter_length_um",
    "catheter_pl_per_cm",
)
_DRUG = ("concentration_ng_per_ml", "max_dose_24h_ng", "max_dose_1h_ng")
_BOLUS = ("dose_ng", "duration_us", "lockout_us", "max_per_24h")

# what was found damaged: codes of the event value_damaged
ARRAY = 1
PERMIT = 2
GAP = 3
PROGRAM = 4
STATE = 5
GUARD = 6


class Critical:
    """The second copies."""

    def __init__(self, delivery, guard, machine):
        self._delivery = delivery
        self._planner = delivery.planner
        self._guard = guard
        accumulator = delivery.accumulator
        planner = delivery.planner
        named = [
            ("rate", accumulator.rate),
            ("unit", accumulator.unit),
            ("base_rate", delivery.rates.base_parts),
            ("ceiling", delivery.rates.ceiling_parts),
            ("modulus", planner.run.modulus),
            ("stride_rest", planner.rest),
        ]
        for index, stride in enumerate(planner.strides):
            named.append(("stride_%d" % index, stride.carry))
        self._live = tuple([array for _, array in named])
        self._copies = tuple([bigint.new(CAPACITY) for _ in named])
        self._gap_s = 0
        self._gap_us = 0
        self._full_s = 0
        self._full_us = 0
        self._values = []  # (holder, key, value) of the program
        self._limits = (~guard.limit_1h, ~guard.limit_24h)
        for name, array in named:
            VALUES[name] = (array, None)
        for name in ("gap_s", "gap_us"):
            VALUES[name] = (planner.run, name)
        VALUES["permit"] = (delivery, "permit")
        VALUES["state"] = (machine, "word")
        VALUES["limit_1h"] = (guard, "limit_1h")
        VALUES["limit_24h"] = (guard, "limit_24h")
        self.seal()

    def seal(self) -> None:
        """The arrays are as they should be: keep a copy. At every change of the rate."""
        for index in range(len(self._live)):
            self._copies[index][bigint.WHOLE] = self._live[index]
        run = self._planner.run
        full = self._planner.full
        self._gap_s = ~run.gap_s
        self._gap_us = ~run.gap_us
        self._full_s = ~full.gap_s
        self._full_us = ~full.gap_us

    def take_prescription(self, prescription) -> None:
        """Keep copies of the program's numbers. Commands only."""
        self._values = []
        values = prescription.values
        for key in _PROGRAM:
            self._keep(key, values, key)
        for number, drug in enumerate(values["drugs"]):
            for key in _DRUG:
                self._keep("%s_%d" % (key, number), drug, key)
        for bolus in values["patient_bolus"]:
            for key in _BOLUS:
                self._keep("patient_" + key, bolus, key)
        self._limits = (~self._guard.limit_1h, ~self._guard.limit_24h)

    def _keep(self, name: str, holder, key: str) -> None:
        self._values.append((holder, key, holder[key]))
        VALUES[name] = (holder, key)

    def damaged_run(self) -> int:
        """Before every run: what of it is not what was stored; 0: nothing."""
        if self._live != self._copies:
            return ARRAY
        delivery = self._delivery
        if delivery.permit != ~delivery.permit_inverse:
            return PERMIT
        run = self._planner.run
        full = self._planner.full
        if run.gap_s != ~self._gap_s or run.gap_us != ~self._gap_us:
            return GAP
        if full.gap_s != ~self._full_s or full.gap_us != ~self._full_us:
            return GAP
        return 0

    def damaged_program(self) -> int:
        """The same of the program's numbers and the guard's limits."""
        for holder, key, value in self._values:
            if holder[key] != value:
                return PROGRAM
        if self._guard.limit_1h != ~self._limits[0] or self._guard.limit_24h != ~self._limits[1]:
            return GUARD
        return 0
