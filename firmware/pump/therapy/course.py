"""The course of therapy: what clinician and patient may do to a running delivery, and why not.

Every method takes the present instant (s, us), acts at exactly that microsecond or raises `Unacceptable` with nothing
changed. Called by: `pump.link` handlers. Allocates: commands only, never the passing of time.

Rules (docs/dosing.md): a new program is the whole therapy, so it ends a running bolus and restarts the patient
lockout (BOL-12); a stop ends boluses, what they gave is recorded, resume brings back the basal rate with its phase.
"""

from pump.dosing.source import CLINICIAN, EXTENDED, IDLE, PATIENT, Periodic, Source
from pump.dosing.scale import volume_rate
from pump.therapy.bounds import MAX_PATIENT_PER_24H, MAX_PERIODIC, Unacceptable
from pump.units import PL_PER_ML, S_PER_DAY, S_PER_WEEK, Instant

UNPROGRAMMED = 0
INFUSING = 1
STOPPED = 2
FAULT = 3

NOTE_COMMITTED = 3
NOTE_STOPPED = 5
NOTE_RESUMED = 6
NOTE_REFUSED = 10
NOTE_CLOCK = 11
NOTE_FAULT = 13


def make_sources():
    """The slots for boluses, for `Delivery` and `Course` alike: clinician, patient, extended, periodic ones."""
    periodic = [Periodic() for _ in range(MAX_PERIODIC)]
    return tuple([Source(CLINICIAN), Source(PATIENT), Source(EXTENDED)] + periodic)


class Filling:
    """What one reservoir filling holds and where the motor's count stood when it began."""

    def __init__(self, number: int, first_step: int, prescription):
        self.number = number
        self.first_step = first_step
        self.drugs = prescription.drugs
        self.step_volume_pl = prescription.step_volume_pl

    def holds(self, prescription) -> bool:
        return self.drugs == prescription.drugs and self.step_volume_pl == prescription.step_volume_pl


class Course:
    """Prescription, its delivery, and the rules between them."""

    def __init__(self, delivery, log):
        self.delivery = delivery
        self.log = log
        self.prescription = None
        self.stopped = False
        self.fillings = []
        self.fill_pl = 0  # what the reservoir held when its count began
        self._fill_step = 0  # motor's count at that time
        self._clinician, self._patient, self._extended = delivery.sources[:3]
        self._periodic = delivery.sources[3:]
        self._lockout_from = Instant(0, 0)  # start of the last accepted patient bolus, commit or refill
        self._given = [Instant() for _ in range(MAX_PATIENT_PER_24H)]  # ring of accepted patient boluses
        self._given_count = 0

    def state(self) -> int:
        if self.delivery.fault:
            return FAULT
        if self.prescription is None:
            return UNPROGRAMMED
        return STOPPED if self.stopped else INFUSING

    # --- program, stop, resume, clock ---

    def commit(self, prescription, s: int, us: int) -> None:
        """From this microsecond on the new prescription runs; what was running ends, its phase is kept."""
        self._interrupt(s, us)
        delivery = self.delivery
        delivery.cut_short(s, us)
        self._note_filling(prescription)
        self.prescription = prescription
        self.stopped = False
        delivery.flowing = True
        delivery.base = prescription.base_rate()
        delivery.schedule = prescription.schedule
        concentration = prescription.concentration_ng_per_ml
        delivery.ceiling = volume_rate(prescription.max_rate_pl_per_day, concentration)
        delivery.scale.set_drug(concentration, prescription.step_volume_pl)
        self._prescribe_boluses(prescription, s, us)
        self._lockout_from.set(s, us)
        self.log.note(NOTE_COMMITTED, 0, 0, 0, 0)
        delivery.go_on(s, us, True)

    def _note_filling(self, prescription) -> None:
        """The first program says what the reservoir holds; another drug or concentration begins a new count."""
        steps = self.delivery.steps()
        if not self.fillings:
            self.fill_pl = prescription.values["fill_pl"]
            self._fill_step = steps
        if not self.fillings or not self.fillings[-1].holds(prescription):
            self.fillings.append(Filling(len(self.fillings) + 1, steps, prescription))

    def _prescribe_boluses(self, prescription, s: int, us: int) -> None:
        concentration = prescription.concentration_ng_per_ml
        for source in (self._clinician, self._extended, self._patient):
            source.dose_ng = 0
        bolus = prescription.patient_bolus
        if bolus:
            self._patient.prescribe(bolus["dose_ng"], bolus["duration_us"], concentration)
        boluses = prescription.values["periodic_boluses"]
        for i, source in enumerate(self._periodic):
            source.cancel()
            if i < len(boluses):
                bolus = boluses[i]
                source.prescribe(bolus["dose_ng"], bolus["duration_us"], concentration)
                first = Instant(s, us)
                first.add(bolus["first_us"] // 1_000_000, bolus["first_us"] % 1_000_000)
                source.repeat(first.s, first.us, bolus["every_us"])

    def stop(self, s: int, us: int) -> None:
        self._need_program()
        if self.stopped:
            return
        self._interrupt(s, us)
        self.delivery.cut_short(s, us)
        self.stopped = True
        self.delivery.flowing = False
        self.log.note(NOTE_STOPPED, 0, 0, 0, 0)
        self.delivery.go_on(s, us, False)

    def resume(self, s: int, us: int) -> None:
        self._need_program()
        if self.delivery.fault:
            raise Unacceptable("alarm", "fault")
        if not self.stopped:
            raise Unacceptable("not_stopped", "")
        self._interrupt(s, us)
        self.stopped = False
        self.delivery.flowing = True
        self.log.note(NOTE_RESUMED, 0, 0, 0, 0)
        self.delivery.go_on(s, us, False)

    def set_clock(self, s: int, us: int, values) -> None:
        """Local time moves; a flex schedule follows it from now on, nothing is given twice or left out."""
        self._interrupt(s, us)
        if values["absolute"]:
            self.delivery.local.set_at(s, us, values["day"], values["second"], values["us"])
        else:
            self.delivery.local.shift(values["offset_us"])
        self.log.note(NOTE_CLOCK, values["absolute"], 0, abs(values["offset_us"]), 0)
        self.delivery.go_on(s, us, False)

    def _need_program(self) -> None:
        if self.prescription is None:
            raise Unacceptable("not_programmed", "")

    def _interrupt(self, s: int, us: int) -> None:
        if not self.delivery.interrupt(s, us):
            self.log.note(NOTE_FAULT, self.delivery.fault, 0, 0, 0)
            raise Unacceptable("alarm", "fault")

    # --- boluses ---

    def check_clinician_bolus(self, values, s: int, us: int) -> None:
        """Unacceptable when this bolus may not start now; reasons in CONTRACT's order."""
        self._need_program()
        bounds = self.prescription.bounds
        bounds.check("bolus_dose_ng", values["dose_ng"], "dose")
        bounds.check("bolus_duration_us", values["duration_us"], "duration")
        if values["extended"] > 1:
            raise Unacceptable("out_of_range", "extended")
        self._need_flow()
        source = self._extended if values["extended"] else self._clinician
        if source.state != IDLE or self._patient.state != IDLE:
            raise Unacceptable("running", "")
        self._check_room(values["dose_ng"], values["duration_us"], s, us)

    def start_clinician_bolus(self, values, s: int, us: int) -> int:
        """Start it; the number of the bolus."""
        self.check_clinician_bolus(values, s, us)
        self._interrupt(s, us)
        source = self._extended if values["extended"] else self._clinician
        source.prescribe(values["dose_ng"], values["duration_us"], self.prescription.concentration_ng_per_ml)
        ref = self.delivery.start_source(source, s, us)
        self.delivery.go_on(s, us, True)
        return ref

    def request_patient_bolus(self, s: int, us: int) -> int:
        """The patient's button: a bolus, or a refusal with its reason; both are logged (BOL-04). No queue."""
        try:
            self._check_patient_bolus(s, us)
        except Unacceptable as refused:
            self.log.refuse_bolus(PATIENT, self._patient.dose_ng, refused.reason)
            raise
        self._interrupt(s, us)
        self._lockout_from.set(s, us)
        self._given[self._given_count % MAX_PATIENT_PER_24H].set(s, us)
        self._given_count += 1
        ref = self.delivery.start_source(self._patient, s, us)
        self.delivery.go_on(s, us, False)
        return ref

    def _check_patient_bolus(self, s: int, us: int) -> None:
        self._need_program()
        bolus = self.prescription.patient_bolus
        if bolus is None:
            raise Unacceptable("not_prescribed", "patient_bolus")
        self._need_flow()
        if self._patient.state != IDLE:
            raise Unacceptable("running", "")
        since = Instant(s, us)
        since.subtract(self._lockout_from.s, self._lockout_from.us)
        if since.total_us() < bolus["lockout_us"]:
            raise Unacceptable("lockout", str(bolus["lockout_us"] - since.total_us()))
        if self._given_in_24h(s, us) >= bolus["max_per_24h"]:
            raise Unacceptable("max_per_24h", "")
        self._check_room(bolus["dose_ng"], bolus["duration_us"], s, us)

    def _need_flow(self) -> None:
        if self.delivery.fault:
            raise Unacceptable("alarm", "fault")
        if self.stopped:
            raise Unacceptable("stopped", "")

    def _given_in_24h(self, s: int, us: int) -> int:
        """Accepted patient boluses that started in (now - 24 h, now]."""
        count = 0
        for i in range(min(self._given_count, MAX_PATIENT_PER_24H)):
            if not self._given[i].by(s - S_PER_DAY, us):
                count += 1
        return count

    def _check_room(self, dose_ng: int, duration_us: int, s: int, us: int) -> None:
        """Rate and reservoir: a bolus that does not fit is refused, never shaved."""
        prescription = self.prescription
        others = [{"dose_ng": dose_ng, "duration_us": duration_us}]
        for source in self.delivery.sources:
            if source.state != IDLE or (source.kind == 3 and self._will_start(source, duration_us, s, us)):
                others.append({"dose_ng": source.dose_ng, "duration_us": source.duration_us})
        highest = self._highest_basal(duration_us, s, us)
        if not prescription.fits_max_rate(others, highest):
            shortest_us = prescription.shortest_duration_us(dose_ng, highest)
            raise Unacceptable("max_rate", str(shortest_us))
        if dose_ng * PL_PER_ML > self.reservoir_pl() * prescription.concentration_ng_per_ml:
            raise Unacceptable("reservoir", "")

    def _will_start(self, source, duration_us: int, s: int, us: int) -> bool:
        if source.next.is_never():
            return False
        return source.next.total_us() - (s * 1_000_000 + us) < duration_us

    def _highest_basal(self, duration_us: int, s: int, us: int) -> int:
        """Highest basal dose rate, ng/day, at which the schedule runs in the next duration_us."""
        schedule = self.prescription.schedule
        if schedule is None:
            return self.prescription.highest_basal_ng_per_day()
        local = self.delivery.local
        local.at(s, us)
        weekday = local.weekday()
        second = local.second
        left_us = duration_us + local.us
        highest = 0
        while left_us > 0:
            schedule.look(weekday, second)
            highest = max(highest, schedule.dose_ng_per_day())
            left_us -= schedule.ahead_s * 1_000_000
            at = (weekday * S_PER_DAY + second + schedule.ahead_s) % S_PER_WEEK
            weekday = at // S_PER_DAY
            second = at % S_PER_DAY
        return highest

    # --- what is known ---

    def reservoir_pl(self) -> int:
        """Counted volume left: fill less steps (RES-01), never below 0."""
        if self.prescription is None:
            return 0
        given = self.delivery.steps() - self._fill_step
        left = self.fill_pl - given * self.prescription.step_volume_pl
        return left if left > 0 else 0

    def shown_bolus(self):
        """The bolus to show in a status: the patient's first, then whatever else runs; None when none does."""
        shown = None
        for source in self.delivery.sources:
            if source.state != IDLE and (shown is None or source.kind == PATIENT):
                shown = source
        return shown

    def basal_ng_per_day(self) -> int:
        """The basal dose rate that is scheduled now (0 at the minimum rate, which is no dose)."""
        schedule = self.prescription.schedule
        if schedule is not None:
            return schedule.dose_ng_per_day()
        return self.prescription.values["basal_dose_ng_per_day"]
