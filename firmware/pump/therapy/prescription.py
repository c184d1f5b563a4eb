"""A therapy as the pump holds it: checked whole before anything of it can run.

Built from the decoded table thecal_protocol.therapy.THERAPY (a dict, `values`) when a proposal is complete;
`Refused` names the first thing wrong (`pump.therapy.program_check`). A Prescription never changes: a
new program is a new object, so that the switch is one assignment (DEL-07). Allocates: commands only.
"""

from pump.dosing.scale import dose_rate, volume_rate
from pump.dosing.schedule import Schedule
from pump.therapy import program_check
from pump.units import PL_PER_ML, US_PER_DAY
from thecal_protocol.program import BASAL_CONTINUOUS, BASAL_MINIMUM


class Prescription:
    """`values`: the table as decoded. The rest is derived from it."""

    def __init__(self, values, bounds):
        self.values = values
        self.bounds = bounds
        self.mode = values["basal_mode"]
        self.step_volume_pl = values["step_volume_pl"]
        self.max_rate_pl_per_day = values["max_rate_pl_per_day"]
        self.catheter_pl = values["catheter_length_um"] * values["catheter_pl_per_cm"] // 10_000
        self.dead_pl = values["pump_tubing_pl"] + self.catheter_pl
        self.start_delay_s = values["start_delay_s"]
        self.drugs = values["drugs"]
        self.concentration_ng_per_ml = self.drugs[0]["concentration_ng_per_ml"] if self.drugs else 0
        self.patient_bolus = values["patient_bolus"][0] if values["patient_bolus"] else None
        self.bridge = values["bridge"][0] if values["bridge"] else None
        self.schedule = None
        self.withdrawal = False  # must it not end suddenly?
        self.daily_pl = 0  # the most that 24 h of it can take from the reservoir, every bolus taken
        program_check.check(self)

    def take_schedule(self) -> None:
        """The flex steps, found good, as what delivery follows."""
        steps = self.values["basal_steps"]
        self.schedule = Schedule([(x["start_min"], x["days"], x["dose_ng_per_day"]) for x in steps])

    def forget_steps(self) -> None:
        """Drop the flex steps as decoded: the schedule holds them, in a tenth of the memory."""
        self.values["basal_steps"] = ()

    def fits_max_rate(self, boluses, basal_e9: int) -> bool:
        """Do these boluses, all at once and on top of this basal rate (10^-9 ng/day), keep the highest
        total rate?

        Exact: sum of B/d and D/day against R*C/10^9, over the product of the durations."""
        product = 1
        for bolus in boluses:
            product *= bolus["duration_us"]
        total = basal_e9 * product
        for bolus in boluses:
            total += bolus["dose_ng"] * PL_PER_ML * US_PER_DAY * (product // bolus["duration_us"])
        return total <= self.max_rate_pl_per_day * self.concentration_ng_per_ml * product

    def shortest_duration_us(self, boluses, basal_e9: int) -> int:
        """The shortest whole duration at which the first of the boluses fits on top of the rest; 0: none
        does."""
        product = 1
        for bolus in boluses[1:]:
            product *= bolus["duration_us"]
        room = (self.max_rate_pl_per_day * self.concentration_ng_per_ml - basal_e9) * product
        for bolus in boluses[1:]:
            room -= bolus["dose_ng"] * PL_PER_ML * US_PER_DAY * (product // bolus["duration_us"])
        if room <= 0:
            return 0
        return -(-boluses[0]["dose_ng"] * PL_PER_ML * US_PER_DAY * product // room)

    def base_rate(self):
        """The constant part of the basal rate, as a scale Fraction (flex has none)."""
        if self.mode == BASAL_CONTINUOUS:
            return dose_rate(self.values["basal_dose_ng_per_day"])
        if self.mode == BASAL_MINIMUM:
            return volume_rate(self.bounds.floor_pl_per_day, self.concentration_ng_per_ml)
        return dose_rate(0)

    def highest_basal_e9(self) -> int:
        """Highest basal rate the mode ever runs at, in 10^-9 ng/day (minimum: its flow as a dose)."""
        if self.schedule is not None:
            return max(self.schedule.doses_ng_per_day) * PL_PER_ML
        if self.mode == BASAL_MINIMUM:
            return self.bounds.floor_pl_per_day * self.concentration_ng_per_ml
        doses = [self.values["basal_dose_ng_per_day"]] + [x["dose_ng_per_day"] for x in self.values["plan"]]
        return max(doses) * PL_PER_ML
