"""Boluses: who may have one now, and why not. The order of the reasons is fixed (docs/explanation/dosing.md,
Bolus rules).

Allocates: commands only.
"""

import struct
from array import array

from pump.dosing.infusion_source import IDLE
from pump.therapy import room, windows
from pump.therapy.bounds import EMPTY_PL, MAX_PATIENT_PER_24H, Refused
from pump.units import PL_PER_ML, S_PER_DAY, US_PER_S, Instant
from thecal_protocol.bolus_kinds import GIVING_WAY, PATIENT_BOLUS, PERIODIC_BOLUS, WORDS


class Boluses:
    """Lockout, counts and limits; starts what passes."""

    def __init__(self, controller):
        self._controller = controller
        self._delivery = controller.delivery
        slots = controller.delivery.slots
        self._proposed = slots.proposed
        self._patient = slots.patient
        self.lockout_from = Instant(0, 0)  # start of the last accepted patient bolus, commit or refill
        # ring of accepted patient boluses: seconds, microseconds of each
        self._given = array("I", bytes(8 * MAX_PATIENT_PER_24H))
        self._given_count = 0

    def restart_lockout(self, s: int, us: int) -> None:
        """A program or refill: the lockout counts from here (BOL-12)."""
        self.lockout_from.set(s, us)

    def pack_given(self, buffer) -> None:
        """The ring of accepted patient boluses into buffer[4:-4], its count into buffer[0:4]."""
        struct.pack_into("<I", buffer, 0, self._given_count)
        for index, word in enumerate(self._given):
            struct.pack_into("<I", buffer, 4 + 4 * index, word)

    def unpack_given(self, buffer) -> None:
        """Take the ring back from what `pack_given` wrote; the lockout counts at least from its newest."""
        self._given_count = struct.unpack_from("<I", buffer, 0)[0]
        for index in range(len(self._given)):
            self._given[index] = struct.unpack_from("<I", buffer, 4 + 4 * index)[0]
        at = (self._given_count - 1) % MAX_PATIENT_PER_24H * 2
        if self._given_count and self.lockout_from.by(self._given[at], self._given[at + 1]):
            self.lockout_from.set(self._given[at], self._given[at + 1])

    def _set_given(self, index: int, s: int, us: int) -> None:
        at = index % MAX_PATIENT_PER_24H * 2
        self._given[at] = s
        self._given[at + 1] = us

    def distrust_history(self, s: int, us: int) -> None:
        """The record cannot be read: the lockout is active, and the day's boluses count as given (BOL-08)."""
        self.lockout_from.set(s, us)
        for index in range(MAX_PATIENT_PER_24H):
            self._set_given(index, s, us)
        self._given_count = MAX_PATIENT_PER_24H

    def check_halt(self, prescription, refill) -> None:
        """What would be cut by the halt at EMPTY_PL (RES-07): a bolus that no filling has above it, a bridge
        that this filling has not."""
        values = prescription.values
        most_ng = (values["reservoir_pl"] - EMPTY_PL) * prescription.concentration_ng_per_ml // PL_PER_ML
        for bolus in values["periodic_boluses"] + values["patient_bolus"]:
            if bolus["dose_ng"] > most_ng:
                raise Refused("reservoir", "bolus_dose_ng 0 %d" % most_ng)
        if prescription.bridge:
            left_pl = refill["volume_pl"] if refill else self._controller.reservoir_left_pl()
            above_pl = max(0, left_pl - EMPTY_PL)
            if prescription.dead_pl > above_pl:
                raise Refused("reservoir", "bridge volume_pl 0 %d" % above_pl)

    def check_clinician(self, values, s: int, us: int) -> None:
        """Refused when this bolus may not start now."""
        controller = self._controller
        controller.need_program()
        bounds = controller.prescription.bounds
        bounds.check("bolus_dose_ng", values["dose_ng"], "dose")
        bounds.check("bolus_duration_us", values["duration_us"], "duration")
        for word in WORDS:
            if values[word] > 1:
                raise Refused("out_of_range", word)
        self._check_state()
        source = self._slot(values)
        if source.state != IDLE or self._patient.state != IDLE:  # BOL-03
            raise Refused("running", "")
        self._check_room(values, False, s, us)

    def _slot(self, values):
        """Of the kind whose word is said, or the plain one."""
        for source, word in self._proposed:
            if word and values[word]:
                return source
        return self._proposed[0][0]

    def start_clinician(self, values, s: int, us: int) -> int:
        """Start it; the number of the bolus."""
        self.check_clinician(values, s, us)
        s, us = self._controller.close_segment()
        source = self._slot(values)
        concentration = self._controller.prescription.concentration_ng_per_ml
        source.prescribe(values["dose_ng"], values["duration_us"], concentration)
        ref = self._delivery.sources.start(source, s, us)
        self._delivery.open_segment(s, us, True)
        return ref

    def request_patient(self, s: int, us: int) -> int:
        """The patient's button: a bolus, or a refusal with its reason; both are logged (BOL-04). No queue."""
        self.admit_patient(s, us)
        return self.start_patient(s, us)

    def admit_patient(self, s: int, us: int) -> None:
        """The first half of a request: it passes, and counts as given from here on."""
        try:
            self._check_patient(s, us)
        except Refused as refused:
            self._controller.log.refuse_bolus(PATIENT_BOLUS, self._patient.dose_ng, refused.reason)
            raise
        self._set_given(self._given_count, s, us)
        self._given_count += 1

    def withdraw_patient(self, reason: str) -> None:
        """What was admitted last cannot be given after all; it stays in the log as refused."""
        self._given_count -= 1
        self._set_given(self._given_count, 0, 0)
        self._controller.log.refuse_bolus(PATIENT_BOLUS, self._patient.dose_ng, reason)

    def start_patient(self, s: int, us: int) -> int:
        """The second half: the bolus begins; its number."""
        s, us = self._controller.close_segment()
        self.lockout_from.set(s, us)
        ref = self._delivery.sources.start(self._patient, s, us)
        self._delivery.open_segment(s, us, False)
        return ref

    def _check_patient(self, s: int, us: int) -> None:
        self._controller.need_program()
        bolus = self._controller.prescription.patient_bolus
        if bolus is None:
            raise Refused("not_prescribed", "patient_bolus")
        self._check_state()
        if self._patient.state != IDLE:
            raise Refused("running", "")
        since_us = s * US_PER_S + us - self.lockout_from.total_us()
        if since_us < bolus["lockout_us"]:
            raise Refused("lockout", str(bolus["lockout_us"] - since_us))
        if self._given_in_24h(s, us) >= bolus["max_per_24h"]:
            raise Refused("max_per_24h", str(bolus["max_per_24h"]))
        self._check_room(bolus, True, s, us)

    def _check_state(self) -> None:
        delivery = self._delivery
        if not delivery.flowing and not delivery.fault:
            raise Refused("stopped", "")
        if delivery.fault:
            raise Refused("alarm", "fault")
        if delivery.restriction:
            raise Refused("alarm", "")
        if delivery.sources.exclusive_running() is not None:  # BOL-06
            raise Refused("bridge", "")

    def _given_in_24h(self, s: int, us: int) -> int:
        """Accepted patient boluses that started in (now - 24 h, now]."""
        since_s = s - S_PER_DAY
        given = self._given
        count = 0
        for at in range(0, 2 * min(self._given_count, MAX_PATIENT_PER_24H), 2):
            if given[at] > since_s or (given[at] == since_s and given[at + 1] > us):
                count += 1
        return count

    def _check_room(self, values, from_patient: bool, s: int, us: int) -> None:
        """Limits, rate and reservoir: a bolus that does not fit is refused, never shaved. So is one for which
        that cannot be worked out: nothing has changed yet."""
        try:
            self._check_fit(values, from_patient, s, us)
        except MemoryError:
            raise Refused("internal", "memory")

    def _check_fit(self, values, from_patient: bool, s: int, us: int) -> None:
        controller = self._controller
        prescription = controller.prescription
        dose_ng = values["dose_ng"]
        duration_us = values["duration_us"]
        bolus = {"dose_ng": dose_ng, "duration_us": duration_us, "goes_first": from_patient}
        passed = windows.exceeded(controller, prescription, bolus, s, us)
        if passed:
            raise Refused(passed, self._what_is_left(passed, bolus, s, us))
        others = [bolus]
        for source in self._delivery.sources.adding:
            if from_patient and source.kind in GIVING_WAY:
                continue  # it waits
            if source.state != IDLE or self._will_start(source, duration_us, s, us):
                others.append({"dose_ng": source.dose_ng, "duration_us": source.duration_us})
        highest_e9 = 0
        for _, dose_e9 in windows.basal_ahead(controller, prescription, duration_us, s, us):
            highest_e9 = max(highest_e9, dose_e9)
        if not prescription.fits_max_rate(others, highest_e9):
            raise Refused("max_rate", str(prescription.shortest_duration_us(others, highest_e9)))
        for source, word in self._proposed:
            if from_patient and source.kind in GIVING_WAY and source.state != IDLE:
                self._check_after(source, word, duration_us, s, us)
        self._check_reservoir(bolus, s, us)

    def _what_is_left(self, reason: str, bolus, s: int, us: int) -> str:
        """Of the limit that refused it; "" where there is no memory to work that out."""
        try:
            return room.left(self._controller, reason, bolus, s, us)
        except MemoryError:
            return ""

    def _check_reservoir(self, bolus, s: int, us: int) -> None:
        """All that is to flow while it runs must lie above the volume at which the pump halts."""
        controller = self._controller
        prescription = controller.prescription
        ahead = windows.Ahead(controller, prescription, bolus, bolus["duration_us"], s, us)
        above_pl = max(0, controller.reservoir_left_pl() - EMPTY_PL)
        lacking = ahead.corners[-1][1] - above_pl * prescription.concentration_ng_per_ml * ahead.q
        if lacking > 0:
            most_ng = bolus["dose_ng"] + -lacking // (PL_PER_ML * ahead.q)
            raise Refused("reservoir", "bolus_dose_ng 0 %d" % max(0, most_ng))

    def _check_after(self, waiting, word: str, wait_us: int, s: int, us: int) -> None:
        """A bolus that waits runs later: what it meets then must keep the highest rate too."""
        until_us = wait_us + waiting.left_us(s, us)
        together = []
        for source in self._delivery.sources.adding:
            if source.left_us(s, us) > wait_us or source is waiting:
                together.append({"dose_ng": source.dose_ng, "duration_us": source.duration_us})
            elif self._will_start(source, until_us, s, us):
                together.append({"dose_ng": source.dose_ng, "duration_us": source.duration_us})
        highest_e9 = 0
        for at_us, dose_e9 in windows.basal_ahead(
            self._controller, self._controller.prescription, until_us, s, us
        ):
            highest_e9 = dose_e9 if at_us <= wait_us else max(highest_e9, dose_e9)
        if not self._controller.prescription.fits_max_rate(together, highest_e9):
            raise Refused("max_rate", word)

    def _will_start(self, source, duration_us: int, s: int, us: int) -> bool:
        """A periodic bolus that comes while a bolus of this duration would run."""
        if source.kind != PERIODIC_BOLUS or source.next.is_never():
            return False
        return source.next.total_us() - (s * US_PER_S + us) < duration_us
