"""A therapy as the pump holds it: checked whole before anything of it can run.

Built from the decoded table wire.therapy.THERAPY (a dict, `values`) when a proposal is complete; `Unacceptable`
names the first thing wrong. A Prescription never changes: a new program is a new object, so that the switch is one
assignment (DEL-07). Called by: `pump.link`, `pump.therapy.course`. Allocates: commands only.
"""

from pump.dosing.scale import dose_rate, volume_rate
from pump.dosing.schedule import Schedule
from pump.therapy.bounds import MAX_FLEX_STEPS_A_DAY, Unacceptable
from pump.units import PL_PER_ML, US_PER_DAY

STOPPED = 0
CONTINUOUS = 1
FLEX = 2
MINIMUM = 3
_SCHEMA = 1
_MINUTES_A_DAY = 1440


class Prescription:
    """`values`: the table as decoded. The rest is derived from it."""

    def __init__(self, values, bounds):
        self.values = values
        self.bounds = bounds
        if values["schema"] != _SCHEMA:
            raise Unacceptable("out_of_range", "schema")
        self._check_pump()
        self._check_drugs()
        self._check_basal()
        self._check_periodic()
        self._check_patient_bolus()

    def _check_pump(self) -> None:
        values = self.values
        for name in ("step_volume_pl", "reservoir_pl", "fill_pl", "max_rate_pl_per_day"):
            self.bounds.check(name, values[name])
        if values["fill_pl"] > values["reservoir_pl"]:
            raise Unacceptable("inconsistent", "fill_pl")
        self.step_volume_pl = values["step_volume_pl"]
        self.max_rate_pl_per_day = values["max_rate_pl_per_day"]

    def _check_drugs(self) -> None:
        drugs = self.values["drugs"]
        self.bounds.check("drugs", len(drugs))
        names = []
        for drug in drugs:
            self.bounds.check("concentration_ng_per_ml", drug["concentration_ng_per_ml"])
            if not drug["name"] or drug["name"] in names:
                raise Unacceptable("inconsistent", "drugs")
            names.append(drug["name"])
        self.drugs = drugs
        self.concentration_ng_per_ml = drugs[0]["concentration_ng_per_ml"]

    def _check_basal(self) -> None:
        values = self.values
        mode = values["basal_mode"]
        if mode > MINIMUM:
            raise Unacceptable("out_of_range", "basal_mode")
        self.mode = mode
        self.schedule = None
        if mode == CONTINUOUS:
            self._check_basal_dose(values["basal_dose_ng_per_day"], "basal_dose_ng_per_day")
        elif values["basal_dose_ng_per_day"]:
            raise Unacceptable("inconsistent", "basal_dose_ng_per_day")
        if mode == FLEX:
            self._check_flex(values["basal_steps"])
        elif values["basal_steps"]:
            raise Unacceptable("inconsistent", "basal_steps")

    def _check_basal_dose(self, dose_ng_per_day: int, field: str) -> None:
        """The dose in range, and the flow it means at this concentration too."""
        self.bounds.check("basal_dose_ng_per_day", dose_ng_per_day, field)
        flow = dose_ng_per_day * PL_PER_ML
        low = self.bounds.floor_pl_per_day * self.concentration_ng_per_ml
        high = self.max_rate_pl_per_day * self.concentration_ng_per_ml
        if not low <= flow <= high:
            raise Unacceptable("out_of_range", "basal_rate_pl_per_day")

    def _check_flex(self, steps) -> None:
        self.bounds.check("basal_steps", len(steps))
        taken = set()
        a_day = [0] * 7
        for step in steps:
            start = step["start_min"]
            days = step["days"]
            if start >= _MINUTES_A_DAY or not 0 < days < 128:
                raise Unacceptable("out_of_range", "basal_steps")
            self._check_basal_dose(step["dose_ng_per_day"], "basal_steps")
            for day in range(7):
                if days >> day & 1:
                    a_day[day] += 1
                    at = day * _MINUTES_A_DAY + start
                    if at in taken or a_day[day] > MAX_FLEX_STEPS_A_DAY:
                        raise Unacceptable("inconsistent", "basal_steps")
                    taken.add(at)
        self.schedule = Schedule([(x["start_min"], x["days"], x["dose_ng_per_day"]) for x in steps])

    def _check_bolus(self, bolus, field: str) -> None:
        self.bounds.check("bolus_dose_ng", bolus["dose_ng"], field)
        self.bounds.check("bolus_duration_us", bolus["duration_us"], field)
        if not self.fits_max_rate([bolus], self.highest_basal_ng_per_day()):
            raise Unacceptable("max_rate", field)

    def _check_periodic(self) -> None:
        boluses = self.values["periodic_boluses"]
        self.bounds.check("periodic_boluses", len(boluses))
        for bolus in boluses:
            self._check_bolus(bolus, "periodic_boluses")
            self.bounds.check("period_us", bolus["every_us"], "periodic_boluses")
            self.bounds.check("first_us", bolus["first_us"], "periodic_boluses")
            if bolus["duration_us"] > bolus["every_us"]:
                raise Unacceptable("inconsistent", "periodic_boluses")
        if not self.fits_max_rate(boluses, self.highest_basal_ng_per_day()):
            raise Unacceptable("max_rate", "periodic_boluses")

    def _check_patient_bolus(self) -> None:
        boluses = self.values["patient_bolus"]
        if len(boluses) > 1:
            raise Unacceptable("inconsistent", "patient_bolus")
        self.patient_bolus = boluses[0] if boluses else None
        for bolus in boluses:
            self._check_bolus(bolus, "patient_bolus")
            self.bounds.check("lockout_us", bolus["lockout_us"], "patient_bolus")
            self.bounds.check("max_per_24h", bolus["max_per_24h"], "patient_bolus")

    def fits_max_rate(self, boluses, basal_ng_per_day: int) -> bool:
        """Do these boluses, all at once and on top of this basal dose, stay within the highest total rate?

        Exact: sum of B/d and D/day against R*C/10^9, over the product of the durations."""
        product = 1
        for bolus in boluses:
            product *= bolus["duration_us"]
        total = basal_ng_per_day * product
        for bolus in boluses:
            total += bolus["dose_ng"] * US_PER_DAY * (product // bolus["duration_us"])
        return total * PL_PER_ML <= self.max_rate_pl_per_day * self.concentration_ng_per_ml * product

    def shortest_duration_us(self, dose_ng: int, basal_ng_per_day: int) -> int:
        """The shortest whole duration at which this dose fits on top of that basal; 0: none does."""
        room = self.max_rate_pl_per_day * self.concentration_ng_per_ml - basal_ng_per_day * PL_PER_ML
        if room <= 0:
            return 0
        return -(-dose_ng * PL_PER_ML * US_PER_DAY // room)

    def base_rate(self):
        """The constant part of the basal rate, as a scale Fraction (flex has none)."""
        if self.mode == CONTINUOUS:
            return dose_rate(self.values["basal_dose_ng_per_day"])
        if self.mode == MINIMUM:
            return volume_rate(self.bounds.floor_pl_per_day, self.concentration_ng_per_ml)
        return dose_rate(0)

    def highest_basal_ng_per_day(self) -> int:
        """Highest dose rate the basal mode ever runs at (minimum: its flow as a dose, rounded up)."""
        if self.schedule is not None:
            return max(self.schedule.doses_ng_per_day)
        if self.mode == MINIMUM:
            return -(-self.bounds.floor_pl_per_day * self.concentration_ng_per_ml // PL_PER_ML)
        return self.values["basal_dose_ng_per_day"]
