"""The therapy controller: what clinician and patient may do to a running delivery, and why not.

Every method takes the instant (s, us) at which it was asked, weighs the request as of then, and acts at one
exact microsecond or raises `Refused` with nothing changed. To weigh it takes a chip up to seconds, in which
the motor goes on: what takes effect does so when that is done (`close_segment`). Allocates: commands only,
never the passing of time.

Rules (docs/explanation/dosing.md): a new program is the whole therapy, so it ends a running bolus and
restarts the patient lockout (BOL-12); a stop ends boluses, what they gave is recorded; resume brings back
the basal rate with its phase, and a bridge or plan where it stood; a bridge is not reprogrammed away, only
skipped by its own command.
"""

from pump.dosing.infusion_source import IDLE
from pump.dosing.interlock import FAULT_OF_FLOW, FREE, PHASE
from pump.dosing.plan import Plan
from pump.dosing.scale import Fraction
from pump.therapy import library, windows
from pump.therapy.boluses import Boluses
from pump.therapy.bounds import EMPTY_PL, Refused, check_local_time, outside
from pump.therapy.reservoir_fills import ReservoirFills
from pump.units import PL_PER_ML, S_PER_DAY, US_PER_DAY, US_PER_S, Instant
from thecal_protocol import events as event
from thecal_protocol.bolus_kinds import GOING_FIRST

IMPLANT_S = 3600  # how long the implant/revision flag stands


class TherapyController:
    """Prescription, its delivery, and the rules between them."""

    def __init__(self, delivery, log, now):
        """`now()`: the present instant, with attributes s and us."""
        self.delivery = delivery
        self.log = log
        self._now = now
        self.breathe = now  # amid what takes long to weigh; the pump's own serves the motor, too (INT-11)
        self.prescription = None
        self.committed_ref = 0  # ties the records of the last commit together
        self.reservoir_fills = ReservoirFills()
        self.boluses = Boluses(self)
        self._prime = delivery.slots.prime
        self._bridge = delivery.slots.bridge
        self._implant_until = Instant(0, 0)
        self._primed = False

    def need_program(self) -> None:
        if self.prescription is None:
            raise Refused("not_programmed", "")

    def close_segment(self):
        """Close the running segment, now; the instant (s, us) at which it closed. Refused after a fault."""
        now = self._now()
        if not self.delivery.close_segment(now.s, now.us):
            raise Refused("alarm", "fault")
        return self.delivery.at.s, self.delivery.at.us

    # --- program ---

    def check_program(self, prescription, s: int, us: int, refill=None) -> None:
        """What depends on the pump's present state. `refill`: one that comes with it."""
        refilled = refill is not None or self.reservoir_fills.was_refilled()
        if self._bridge.state != IDLE:
            raise Refused("bridge", "skip or finish it first")
        prescription.bounds.check_speed(prescription)
        library.check_succession(self.prescription, prescription)
        self.reservoir_fills.check(prescription, refilled)
        if prescription.bridge:
            if not refilled:
                raise Refused("refill_first", "bridge")
            if prescription.bridge["concentration_ng_per_ml"] != self.reservoir_fills.old_concentration():
                raise Refused("inconsistent", "bridge.concentration")
        self.boluses.check_halt(prescription, refill)
        if prescription.start_delay_s and self.delivery.flowing:
            raise Refused("running_therapy", "start_delay")
        if self.prescription is not None and not prescription.bridge:  # its doses are the old filling's
            self._check_windows(prescription, s, us)

    def _check_windows(self, prescription, s: int, us: int) -> None:
        """What was given and what is to come must not pass a limit together."""
        try:
            self._refuse_given(windows.exceeded(self, prescription, None, s, us))
        except MemoryError:
            raise Refused("internal", "memory")

    def _refuse_given(self, passed: str) -> None:
        if passed:
            raise Refused(passed, "given")

    def commit(self, prescription, s: int, us: int, refill=None) -> None:
        """From this microsecond on the new prescription runs; what was running ends, its phase is kept.
        `refill`: the reservoir was filled with what it is for; on record at the same microsecond."""
        self.check_program(prescription, s, us, refill)
        delivery = self.delivery
        delivery.interlock.check_start(refill)
        s, us = self.close_segment()
        ref = self.committed_ref = delivery.sources.take_ref()
        if refill is not None:
            self._fill(refill, s, us, ref)
        restriction = delivery.restriction
        delivery.restriction = FREE
        delivery.sources.cut_all_short(s, us)
        self.reservoir_fills.apply_program(prescription, delivery.count)
        self._prescribe(prescription, s, us)
        self.boluses.restart_lockout(s, us)
        library.note_committed(prescription, self.log, ref)
        delivery.pause.end(delivery.interlock, s, us)
        delivery.set_flowing(prescription.start_delay_s == 0)
        if not delivery.flowing:
            delivery.pause.begin(s, us, prescription.start_delay_s)
        elif prescription.bridge:
            self._prescribe_bridge(prescription)
            delivery.sources.start(self._bridge, s, us)
        delivery.open_segment(s, us, True)
        if restriction:
            delivery.restrict(restriction, s, us)

    def _prescribe(self, prescription, s: int, us: int) -> None:
        """What may run from now on is what this prescription says."""
        delivery = self.delivery
        self.prescription = prescription
        delivery.rates.prescribe(prescription)
        delivery.schedule = prescription.schedule
        delivery.plan = self._make_plan(prescription, s, us)
        self._prescribe_boluses(prescription, s, us)
        delivery.pause.most_s = prescription.values["max_pause_s"]
        for source in delivery.sources.exclusive:
            source.withdraw()
        delivery.interlock.prescribe(prescription)

    def restore(self, prescription, s: int, us: int) -> None:
        """After a reset: this program had been committed. Its progress is the caller's to put back."""
        self._prescribe(prescription, s, us)
        if prescription.bridge:
            self._prescribe_bridge(prescription)

    def _make_plan(self, prescription, s: int, us: int):
        steps = prescription.values["plan"]
        if not steps:
            return None
        first = prescription.values["basal_dose_ng_per_day"]
        plan = Plan(first, [(x["after_us"], x["dose_ng_per_day"]) for x in steps])
        plan.start(s, us)
        if prescription.start_delay_s:
            plan.pause(s, us)
        return plan

    def _prescribe_boluses(self, prescription, s: int, us: int) -> None:
        concentration = prescription.concentration_ng_per_ml
        slots = self.delivery.slots
        for source in slots.sources:
            source.withdraw()
        bolus = prescription.patient_bolus
        if bolus:
            slots.patient.prescribe(bolus["dose_ng"], bolus["duration_us"], concentration)
        boluses = prescription.values["periodic_boluses"]
        for i, source in enumerate(slots.periodic):
            source.cancel()
            if i < len(boluses):
                bolus = boluses[i]
                source.prescribe(bolus["dose_ng"], bolus["duration_us"], concentration)
                first = Instant(s, us)
                first.add(bolus["first_us"] // US_PER_S, bolus["first_us"] % US_PER_S)
                source.repeat(first.s, first.us, bolus["every_us"])

    # --- prime and bridge ---

    def _prescribe_bridge(self, prescription) -> None:
        """The old drug in the catheter flows at its own rate until one dead volume has passed (BOL-11)."""
        bridge = prescription.bridge
        dose = bridge["dose_ng_per_day"]
        old = bridge["concentration_ng_per_ml"]
        volume_pl = prescription.dead_pl
        rate = Fraction(5 * dose * prescription.concentration_ng_per_ml, old)
        duration_us = -(-volume_pl * old * US_PER_DAY // (dose * PL_PER_ML))
        self._bridge.prescribe_volume(volume_pl, rate, duration_us)

    def skip_bridge(self, s: int, us: int) -> None:
        """Go on with the program at once, although old drug is still in the catheter."""
        if self._bridge.state == IDLE:
            raise Refused("not_running", "bridge")
        s, us = self.close_segment()
        self.delivery.sources.cut_short(self._bridge, s, us)
        self.log.note(event.BRIDGE_SKIPPED, 0, 0, 0, 0)
        self.delivery.open_segment(s, us, False)

    def set_implant(self, s: int, us: int) -> None:
        """The implant/revision flag: for one hour a prime may be given."""
        self._implant_until.set(s, us)
        self._implant_until.add(IMPLANT_S, 0)
        self.log.note(event.IMPLANT_FLAG_SET, 0, 0, 0, 0)

    def check_prime(self, values, s: int, us: int) -> None:
        """Refused when this prime may not be given now (BOL-10)."""
        self.need_program()
        if values["dry"] > 1:
            raise Refused("out_of_range", "dry")
        if self.delivery.fault:
            raise Refused("alarm", "fault")
        if not self.delivery.flowing:
            raise Refused("stopped", "")
        if self.delivery.restriction:
            raise Refused("alarm", "")
        if self.delivery.sources.exclusive_running() is not None:
            raise Refused("bridge", "")
        if self._implant_until.by(s, us):
            raise Refused("implant_flag", "")
        if not self._prime_pl(values):
            raise Refused("out_of_range", "volume")  # there is nothing to fill
        above_pl = max(0, self.reservoir_left_pl() - EMPTY_PL)
        if self._prime_pl(values) > above_pl:
            raise Refused("reservoir", "volume_pl 0 %d" % above_pl)

    def _prime_pl(self, values) -> int:
        """Dry: the whole dead volume; a pump primed before: the catheter's only."""
        prescription = self.prescription
        return prescription.dead_pl if values["dry"] else prescription.catheter_pl

    def prime(self, values, s: int, us: int) -> int:
        """Fill the catheter at the highest total rate; the basal flow waits. Its number."""
        self.check_prime(values, s, us)
        prescription = self.prescription
        s, us = self.close_segment()
        delivery = self.delivery
        for source in delivery.sources.adding:
            if source.state != IDLE:
                delivery.sources.cut_short(source, s, us)
        volume_pl = self._prime_pl(values)
        duration_us = -(-volume_pl * US_PER_DAY // prescription.max_rate_pl_per_day)
        rate = Fraction(432 * volume_pl * prescription.concentration_ng_per_ml, duration_us)
        self._prime.prescribe_volume(volume_pl, rate, duration_us)
        self._implant_until.set(0, 0)
        ref = delivery.sources.start(self._prime, s, us)
        delivery.open_segment(s, us, True)
        return ref

    # --- stop, resume, plan, clock, refill ---

    def stop(self, resume_after_s: int, s: int, us: int) -> None:
        """Nothing flows from here on; with `resume_after_s`, for so long."""
        self.need_program()
        if resume_after_s > self.prescription.values["max_pause_s"]:
            raise outside("resume_after_s", 0, self.prescription.values["max_pause_s"])
        delivery = self.delivery
        if not delivery.fault:
            s, us = self.close_segment()
            pause = delivery.pause
            was_to_flow = delivery.flowing or not pause.resume_at.is_never()
            delivery.halt(s, us)
            if delivery.flowing:  # whatever went wrong: a stop that does not stop is a fault (INT-07)
                delivery.fail(FAULT_OF_FLOW, PHASE, s, us)
                raise Refused("alarm", "fault")
            pause.begin(s, us, resume_after_s)
            if was_to_flow:  # also out of a start delay: a pump that waits for ever must say so (ALM-06)
                pause.watch(s, us, self.prescription.values["max_pause_s"])
            self.log.note(event.STOPPED, 0, 0, resume_after_s, 0)
            delivery.open_segment(s, us, False)

    def resume(self, s: int, us: int) -> None:
        self.need_program()
        if self.delivery.fault:
            raise Refused("alarm", "fault")
        if self.delivery.flowing:
            raise Refused("not_stopped", "")
        if self.delivery.restriction:
            raise Refused("alarm", "")
        self.delivery.interlock.check_start()
        s, us = self.close_segment()
        self.delivery.resume_flow(s, us)
        self.delivery.open_segment(s, us, False)

    def cancel_plan(self, s: int, us: int) -> None:
        """No further steps of the plan: the dose that holds now stays."""
        if self.delivery.plan is None or self.delivery.plan.is_over():
            raise Refused("not_running", "plan")
        s, us = self.close_segment()
        self.delivery.plan.cancel()
        self.log.note(event.PLAN_CANCELLED, 0, self.delivery.plan.index, 0, 0)
        self.delivery.open_segment(s, us, False)

    def check_clock(self, values, s: int, us: int) -> None:
        """Local time must lie between 2000-01-01 and LAST_DAY."""
        local = self.delivery.local
        local.at(s, us)
        if values["absolute"]:
            day = values["day"]
        else:
            now_us = (local.day * S_PER_DAY + local.second) * US_PER_S + local.us
            day = (now_us + values["offset_us"]) // US_PER_DAY
        check_local_time(day, values["offset_us"])
        self._check_bolus_meets_any_hour()
        if self.delivery.schedule is not None:  # its high part may come again
            try:
                self._refuse_given(windows.by_clock(self, values, s, us).exceeded())
            except MemoryError:
                raise Refused("internal", "memory")

    def _check_bolus_meets_any_hour(self) -> None:
        """A bolus was accepted with the basal rate of its hours; others must not lift it over the cap."""
        running = []
        for source in self.delivery.sources.adding:
            if source.state != IDLE:
                running.append({"dose_ng": source.dose_ng, "duration_us": source.duration_us})
        if running and not self.prescription.fits_max_rate(running, self.prescription.highest_basal_e9()):
            raise Refused("max_rate", "a bolus is running")

    def set_clock(self, s: int, us: int, values) -> None:
        """Local time is what it was said to be when this was asked; a flex schedule follows it from now on,
        nothing is given twice or left out."""
        self.check_clock(values, s, us)
        at_s, at_us = self.close_segment()
        self.move_clock(s, us, values)
        self.log.note(
            event.CLOCK_SET, values["absolute"], 0, abs(values["offset_us"]), values["offset_us"] < 0
        )
        self.delivery.open_segment(at_s, at_us, False)

    def move_clock(self, s: int, us: int, values) -> None:
        local = self.delivery.local
        if values["absolute"]:
            local.set_at(s, us, values["day"], values["second"], values["us"])
        else:
            local.shift(values["offset_us"])

    def check_refill(self, values) -> None:
        self.need_program()
        if self.delivery.fault:  # it could not be put on record
            raise Refused("alarm", "fault")
        most_pl = self.prescription.values["reservoir_pl"]
        if not 0 < values["volume_pl"] <= most_pl:
            raise outside("volume_pl", 1, most_pl)
        if values["residual_pl"] > most_pl:
            raise outside("residual_pl", 0, most_pl)

    def refill(self, values, s: int, us: int) -> None:
        """The reservoir was emptied (residual) and filled (volume); the lockout restarts (BOL-12)."""
        self.check_refill(values)
        self.delivery.apply_due(s, us)
        self._fill(values, s, us, 0)

    def _fill(self, values, s: int, us: int, ref: int) -> None:
        delivery = self.delivery
        delivery.history.mark(s, us, delivery.count.dose_steps())  # a step may hold another dose from here on
        self.log.note(event.REFILLED, 0, ref, values["volume_pl"], values["residual_pl"])
        delivery.interlock.filled(values, s, ref)
        self.reservoir_fills.refill(values["volume_pl"], delivery.count)
        self.boluses.restart_lockout(s, us)

    # --- what is known ---

    def reservoir_left_pl(self) -> int:
        """Counted volume left in the reservoir."""
        return self.reservoir_fills.left_pl(self.delivery.count.steps())

    def basal_ng_per_day(self) -> int:
        """The basal dose rate that is scheduled now (0 at the minimum rate, which is no dose)."""
        if self.delivery.schedule is not None:
            return self.delivery.schedule.dose_ng_per_day()
        if self.delivery.plan is not None:
            return self.delivery.plan.dose_ng_per_day()
        return self.prescription.values["basal_dose_ng_per_day"]

    def shown_source(self):
        """What to show beside the basal rate: the patient's bolus first, then whatever else runs, or None."""
        shown = None
        for source in self.delivery.sources.all:
            if source.state != IDLE and (shown is None or source.kind in GOING_FIRST):
                shown = source
        return shown
