"""A therapy as the pump holds it: checked whole before anything of it can run.

Built from the decoded table wire.therapy.THERAPY (a dict, `values`) when a proposal is complete;
`Unacceptable` names the first thing wrong. A Prescription never changes: a new program is a new object,
so that the switch is one assignment (DEL-07). Called by: `pump.link`, `pump.therapy.course`. Allocates:
commands only."""

from pump.dosing.scale import dose_rate, volume_rate
from pump.dosing.schedule import Schedule
from pump.therapy import library, worst_case
from pump.therapy.bounds import (
    MAX_DRUG_NAME,
    MAX_FLEX_STEPS_A_DAY,
    MAX_PERIODIC_A_DAY,
    Unacceptable,
)
from pump.units import PL_PER_ML, US_PER_DAY

CONTINUOUS = 1  # 0: stopped
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
        library.check(self)
        self._check_basal()
        self._check_periodic()
        self._check_patient_bolus()
        self._check_plan()
        self._check_bridge()
        self._check_limits()

    def _check_pump(self) -> None:
        values = self.values
        for name in ("step_volume_pl", "reservoir_pl", "fill_pl", "max_rate_pl_per_day"):
            self.bounds.check(name, values[name])
        if values["fill_pl"] > values["reservoir_pl"]:
            raise Unacceptable("inconsistent", "fill_pl")
        self.step_volume_pl = values["step_volume_pl"]
        self.max_rate_pl_per_day = values["max_rate_pl_per_day"]
        self.bounds.check("pump_tubing_pl", values["pump_tubing_pl"])
        self.catheter_pl = values["catheter_length_um"] * values["catheter_pl_per_cm"] // 10_000
        self.bounds.check("catheter_pl", self.catheter_pl)
        self.dead_pl = values["pump_tubing_pl"] + self.catheter_pl
        if values["low_reservoir_pl"] >= values["reservoir_pl"]:
            raise Unacceptable("inconsistent", "low_reservoir_pl")
        for name in ("low_reservoir_pl", "low_reservoir_days", "max_pause_s"):
            self.bounds.check(name, values[name])
        self.start_delay_s = values["start_delay_s"]
        self.bounds.check("start_delay_s", self.start_delay_s)

    def _check_drugs(self) -> None:
        drugs = self.values["drugs"]
        self.bounds.check("drugs", len(drugs))
        names = []
        for drug in drugs:
            self.bounds.check("concentration_ng_per_ml", drug["concentration_ng_per_ml"])
            if not drug["name"] or drug["name"] in names:
                raise Unacceptable("inconsistent", "drugs")
            if len(drug["name"].encode()) > MAX_DRUG_NAME:
                raise Unacceptable("too_large", "drugs")
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
        if bolus["dose_ng"] * PL_PER_ML > self.values["reservoir_pl"] * self.concentration_ng_per_ml:
            raise Unacceptable("reservoir", field)
        if not self.fits_max_rate([bolus], self.highest_basal_e9()):
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
        if not self.fits_max_rate(boluses, self.highest_basal_e9()):
            raise Unacceptable("max_rate", "periodic_boluses")
        if sum([-(-US_PER_DAY // bolus["every_us"]) for bolus in boluses]) > MAX_PERIODIC_A_DAY:
            raise Unacceptable("too_large", "periodic_boluses")

    def _check_patient_bolus(self) -> None:
        boluses = self.values["patient_bolus"]
        if len(boluses) > 1:
            raise Unacceptable("inconsistent", "patient_bolus")
        self.patient_bolus = boluses[0] if boluses else None
        for bolus in boluses:
            self._check_bolus(bolus, "patient_bolus")
            for reason, field in (("limit_24h", "max_dose_24h_ng"), ("limit_1h", "max_dose_1h_ng")):
                self._check_limit(reason, field, bolus["dose_ng"], "patient_bolus")
            self.bounds.check("lockout_us", bolus["lockout_us"], "patient_bolus")
            self.bounds.check("max_per_24h", bolus["max_per_24h"], "patient_bolus")

    def _check_plan(self) -> None:
        """A taper or titration is checked whole: every dose, every span (each step is a basal dose of its
        own)."""
        steps = self.values["plan"]
        self.bounds.check("plan", len(steps))
        if steps and (self.mode != CONTINUOUS or self.values["bridge"]):
            raise Unacceptable("inconsistent", "plan")
        before_us = 0
        for index, step in enumerate(steps):
            field = "plan[%d]" % (index + 1)
            self.bounds.check("plan_span_us", step["after_us"] - before_us, field)
            before_us = step["after_us"]
            self._check_basal_dose(step["dose_ng_per_day"], field)

    def _check_bridge(self) -> None:
        bridges = self.values["bridge"]
        if len(bridges) > 1:
            raise Unacceptable("inconsistent", "bridge")
        self.bridge = bridges[0] if bridges else None
        if self.bridge:
            if self.dead_pl == 0 or self.start_delay_s:
                raise Unacceptable("inconsistent", "bridge")
            self.bounds.check("concentration_ng_per_ml", self.bridge["concentration_ng_per_ml"], "bridge")
            self.bounds.check("basal_dose_ng_per_day", self.bridge["dose_ng_per_day"], "bridge")
            flow = self.bridge["dose_ng_per_day"] * PL_PER_ML
            old = self.bridge["concentration_ng_per_ml"]
            if not self.bounds.floor_pl_per_day * old <= flow <= self.max_rate_pl_per_day * old:
                raise Unacceptable("out_of_range", "bridge")

    def _check_limits(self) -> None:
        """The schedule alone must keep every drug's limit, at every step of a plan (BOL-05)."""
        doses = [self.values["basal_dose_ng_per_day"]] + [x["dose_ng_per_day"] for x in self.values["plan"]]
        highest = 0
        for index, dose in enumerate(doses):
            for reason, field, window_us in (
                ("limit_24h", "max_dose_24h_ng", US_PER_DAY),
                ("limit_1h", "max_dose_1h_ng", US_PER_DAY // 24),
            ):
                scheduled = worst_case.scheduled_ng(self, dose, window_us)
                if window_us == US_PER_DAY and scheduled > highest:
                    highest = scheduled
                self._check_limit(reason, field, scheduled, "plan[%d]" % index if index else "basal")
        if self.patient_bolus:
            highest += worst_case.patient_24h(self.patient_bolus)
        # the most that 24 h of it can take from the reservoir, every bolus taken
        self.daily_pl = highest * PL_PER_ML // self.concentration_ng_per_ml
        if self.bridge:  # of the old filling the pump knows the primary drug alone
            drug = self.drugs[0]
            dose = self.bridge["dose_ng_per_day"]
            for reason, limit in (
                ("limit_24h", drug["max_dose_24h_ng"]),
                ("limit_1h", 24 * drug["max_dose_1h_ng"]),
            ):
                if limit and dose > limit:
                    raise Unacceptable(reason, "bridge " + drug["name"])

    def _check_limit(self, reason: str, field: str, scheduled_ng: int, detail: str) -> None:
        for drug in self.drugs:
            limit = drug[field]
            share = drug["concentration_ng_per_ml"]
            if limit and scheduled_ng * share > limit * self.concentration_ng_per_ml:
                raise Unacceptable(reason, detail + " " + drug["name"])

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
        if self.mode == CONTINUOUS:
            return dose_rate(self.values["basal_dose_ng_per_day"])
        if self.mode == MINIMUM:
            return volume_rate(self.bounds.floor_pl_per_day, self.concentration_ng_per_ml)
        return dose_rate(0)

    def highest_basal_e9(self) -> int:
        """Highest basal rate the mode ever runs at, in 10^-9 ng/day (minimum: its flow as a dose)."""
        if self.schedule is not None:
            return max(self.schedule.doses_ng_per_day) * PL_PER_ML
        if self.mode == MINIMUM:
            return self.bounds.floor_pl_per_day * self.concentration_ng_per_ml
        doses = [self.values["basal_dose_ng_per_day"]] + [x["dose_ng_per_day"] for x in self.values["plan"]]
        return max(doses) * PL_PER_ML
