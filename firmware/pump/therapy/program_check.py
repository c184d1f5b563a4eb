"""Is a program acceptable? Every figure in its range, every part of it possible, alone and together.

The chip holds this on flash until a program comes or is read back. Allocates: commands only.
"""

from pump.therapy import library, worst_case
from pump.therapy.bounds import (
    MAX_DRUG_NAME,
    MAX_FLEX_STEPS_A_DAY,
    MAX_PERIODIC_A_DAY,
    PLAIN_NUMBERS,
    Refused,
    outside,
)
from pump.units import PL_PER_ML, US_PER_DAY
from thecal_protocol.program import BASAL_CONTINUOUS, BASAL_FLEX, BASAL_MINIMUM

_SCHEMA = 1
_MINUTES_A_DAY = 1440


def check(program) -> None:
    """Refused: the first thing that is wrong. Sets `withdrawal`, `schedule` and `daily_pl`."""
    if program.values["schema"] != _SCHEMA:
        raise outside("schema", _SCHEMA, _SCHEMA)
    _check_pump(program)
    _check_drugs(program)
    library.check(program)
    _check_basal(program)
    if program.mode == BASAL_FLEX:
        program.take_schedule()
    _check_periodic(program)
    _check_patient_bolus(program)
    _check_plan(program)
    _check_bridge(program)
    _check_limits(program)


def _check_pump(program) -> None:
    bounds = program.bounds
    values = program.values
    for name in ("step_volume_pl", "reservoir_pl", "fill_pl", "max_rate_pl_per_day"):
        bounds.check(name, values[name])
    if values["fill_pl"] > values["reservoir_pl"]:
        raise Refused("inconsistent", "fill_pl")
    bounds.check("pump_tubing_pl", values["pump_tubing_pl"])
    bounds.check("catheter_pl", program.catheter_pl)
    if values["low_reservoir_pl"] >= values["reservoir_pl"]:
        raise Refused("inconsistent", "low_reservoir_pl")
    for name in PLAIN_NUMBERS:
        bounds.check(name, values[name])
    bounds.check("start_delay_s", program.start_delay_s)


def _check_drugs(program) -> None:
    bounds = program.bounds
    drugs = program.values["drugs"]
    bounds.check("drugs", len(drugs))
    names = []
    for drug in drugs:
        bounds.check("concentration_ng_per_ml", drug["concentration_ng_per_ml"])
        if not drug["name"] or drug["name"] in names:
            raise Refused("inconsistent", "drugs")
        if len(drug["name"].encode()) > MAX_DRUG_NAME:
            raise Refused("too_large", "drugs")
        names.append(drug["name"])


def _check_basal(program) -> None:
    values = program.values
    mode = values["basal_mode"]
    if mode > BASAL_MINIMUM:
        raise outside("basal_mode", 0, BASAL_MINIMUM)
    if mode == BASAL_CONTINUOUS:
        _check_basal_dose(program, values["basal_dose_ng_per_day"], "basal_dose_ng_per_day")
    elif values["basal_dose_ng_per_day"]:
        raise Refused("inconsistent", "basal_dose_ng_per_day")
    if mode == BASAL_FLEX:
        _check_flex(program, values["basal_steps"])
    elif values["basal_steps"]:
        raise Refused("inconsistent", "basal_steps")


def _check_basal_dose(program, dose_ng_per_day: int, field: str) -> None:
    """The dose in range, and the flow it means at this concentration too."""
    bounds = program.bounds
    bounds.check("basal_dose_ng_per_day", dose_ng_per_day, field)
    flow = dose_ng_per_day * PL_PER_ML
    low = bounds.floor_pl_per_day * program.concentration_ng_per_ml
    high = program.max_rate_pl_per_day * program.concentration_ng_per_ml
    if not low <= flow <= high:
        raise outside("basal_rate_pl_per_day", bounds.floor_pl_per_day, program.max_rate_pl_per_day)


def _check_flex(program, steps) -> None:
    program.bounds.check("basal_steps", len(steps))
    taken = set()
    a_day = [0] * 7
    for step in steps:
        start = step["start_min"]
        days = step["days"]
        if start >= _MINUTES_A_DAY or not 0 < days < 128:
            raise Refused("out_of_range", "basal_steps")
        _check_basal_dose(program, step["dose_ng_per_day"], "basal_steps")
        for day in range(7):
            if days >> day & 1:
                a_day[day] += 1
                at = day * _MINUTES_A_DAY + start
                if at in taken or a_day[day] > MAX_FLEX_STEPS_A_DAY:
                    raise Refused("inconsistent", "basal_steps")
                taken.add(at)


def _check_bolus(program, bolus, field: str) -> None:
    bounds = program.bounds
    bounds.check("bolus_dose_ng", bolus["dose_ng"], field)
    bounds.check("bolus_duration_us", bolus["duration_us"], field)
    if bolus["dose_ng"] * PL_PER_ML > program.values["reservoir_pl"] * program.concentration_ng_per_ml:
        raise Refused("reservoir", field)
    if not program.fits_max_rate([bolus], program.highest_basal_e9()):
        raise Refused("max_rate", field)


def _check_periodic(program) -> None:
    bounds = program.bounds
    boluses = program.values["periodic_boluses"]
    bounds.check("periodic_boluses", len(boluses))
    for bolus in boluses:
        _check_bolus(program, bolus, "periodic_boluses")
        bounds.check("period_us", bolus["every_us"], "periodic_boluses")
        bounds.check("first_us", bolus["first_us"], "periodic_boluses")
        if bolus["duration_us"] > bolus["every_us"]:
            raise Refused("inconsistent", "periodic_boluses")
    if not program.fits_max_rate(boluses, program.highest_basal_e9()):
        raise Refused("max_rate", "periodic_boluses")
    if sum([-(-US_PER_DAY // bolus["every_us"]) for bolus in boluses]) > MAX_PERIODIC_A_DAY:
        raise Refused("too_large", "periodic_boluses")


def _check_patient_bolus(program) -> None:
    bounds = program.bounds
    boluses = program.values["patient_bolus"]
    if len(boluses) > 1:
        raise Refused("inconsistent", "patient_bolus")
    for bolus in boluses:
        _check_bolus(program, bolus, "patient_bolus")
        for reason, field in (("limit_24h", "max_dose_24h_ng"), ("limit_1h", "max_dose_1h_ng")):
            _check_limit(program, reason, field, bolus["dose_ng"], "patient_bolus")
        bounds.check("lockout_us", bolus["lockout_us"], "patient_bolus")
        bounds.check("max_per_24h", bolus["max_per_24h"], "patient_bolus")


def _check_plan(program) -> None:
    """A taper or titration is checked whole: every dose, every span (each step is a basal dose of its
    own)."""
    bounds = program.bounds
    steps = program.values["plan"]
    bounds.check("plan", len(steps))
    if steps and (program.mode != BASAL_CONTINUOUS or program.values["bridge"]):
        raise Refused("inconsistent", "plan")
    before_us = 0
    for index, step in enumerate(steps):
        field = "plan[%d]" % (index + 1)
        bounds.check("plan_span_us", step["after_us"] - before_us, field)
        before_us = step["after_us"]
        _check_basal_dose(program, step["dose_ng_per_day"], field)


def _check_bridge(program) -> None:
    bounds = program.bounds
    bridge = program.bridge
    if len(program.values["bridge"]) > 1:
        raise Refused("inconsistent", "bridge")
    if bridge:
        if program.dead_pl == 0 or program.start_delay_s:
            raise Refused("inconsistent", "bridge")
        bounds.check("concentration_ng_per_ml", bridge["concentration_ng_per_ml"], "bridge")
        bounds.check("basal_dose_ng_per_day", bridge["dose_ng_per_day"], "bridge")
        flow = bridge["dose_ng_per_day"] * PL_PER_ML
        old = bridge["concentration_ng_per_ml"]
        if not bounds.floor_pl_per_day * old <= flow <= program.max_rate_pl_per_day * old:
            raise outside(
                "basal_rate_pl_per_day", bounds.floor_pl_per_day, program.max_rate_pl_per_day, "bridge"
            )


def _check_limits(program) -> None:
    """The schedule alone must keep every drug's limit, at every step of a plan (BOL-05)."""
    values = program.values
    doses = [values["basal_dose_ng_per_day"]] + [step["dose_ng_per_day"] for step in values["plan"]]
    highest = 0
    for index, dose in enumerate(doses):
        for reason, field, window_us in (
            ("limit_24h", "max_dose_24h_ng", US_PER_DAY),
            ("limit_1h", "max_dose_1h_ng", US_PER_DAY // 24),
        ):
            scheduled = worst_case.scheduled_ng(program, dose, window_us)
            if window_us == US_PER_DAY and scheduled > highest:
                highest = scheduled
            _check_limit(program, reason, field, scheduled, "plan[%d]" % index if index else "basal")
    if program.patient_bolus:
        highest += worst_case.patient_24h(program.patient_bolus)
    program.daily_pl = highest * PL_PER_ML // program.concentration_ng_per_ml
    if program.bridge:  # of the old filling the pump knows the primary drug alone
        drug = program.drugs[0]
        dose = program.bridge["dose_ng_per_day"]
        for reason, limit in (
            ("limit_24h", drug["max_dose_24h_ng"]),
            ("limit_1h", 24 * drug["max_dose_1h_ng"]),
        ):
            if limit and dose > limit:
                raise Refused(reason, "bridge " + drug["name"])


def _check_limit(program, reason: str, field: str, scheduled_ng: int, detail: str) -> None:
    for drug in program.drugs:
        limit = drug[field]
        share = drug["concentration_ng_per_ml"]
        if limit and scheduled_ng * share > limit * program.concentration_ng_per_ml:
            raise Refused(reason, detail + " " + drug["name"])
