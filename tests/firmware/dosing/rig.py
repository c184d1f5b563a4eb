"""A delivery on a rig instead of a board: the real dosing core, a motor that writes down every step.

Runs under CPython, unix MicroPython and 31-bit MicroPython alike (no module of the host). A scenario is a
dict of integers, strings and lists; `play` returns the time of every step in us since
the first command.
"""

from pump.dosing import bigint
from pump.therapy.bounds import Bounds, Refused
from pump.therapy.prescription import Prescription
from pump.therapy.slots import make_delivery
from pump.therapy.therapy_controller import TherapyController
from pump.units import Instant

MILLION = 1_000_000


class RigMotor:
    """Takes runs, makes each step in the microsecond the run says, remembers them all."""

    def __init__(self):
        self.now_us = 0
        self.queue = []  # due times of steps not yet made
        self.made = []
        self.most_in_flight = 0

    def append(self, run):
        if len(self.queue) + run.steps > 64:
            raise ValueError("more than 64 steps with the motor")
        size = run.size
        lead = bigint.to_int(run.lead, size)
        carry = bigint.to_int(run.carry, size)
        modulus = bigint.to_int(run.modulus, size)
        due = run.first_s * MILLION + run.first_us
        for i in range(run.steps):
            if i:
                due += run.gap_s * MILLION + run.gap_us
                if lead >= carry:
                    lead -= carry
                else:
                    due += 1
                    lead += modulus - carry
            self.queue.append(due)
        if due != run.last_s * MILLION + run.last_us:
            raise ValueError("the run's last step is not where it says")
        self.most_in_flight = max(self.most_in_flight, len(self.queue))

    def settle(self):
        count = 0
        while count < len(self.queue) and self.queue[count] <= self.now_us:
            count += 1
        self.made.extend(self.queue[:count])
        del self.queue[:count]

    def executed(self):
        self.settle()
        return len(self.made)

    def lost_steps(self) -> int:
        return 0

    def in_flight(self):
        self.settle()
        return len(self.queue)

    def cancel(self):
        self.settle()
        self.queue = []


class RigLog:
    """Keeps notes as tuples."""

    def __init__(self):
        self.notes = []

    def note(self, kind, code, ref, a, b):
        self.notes.append((kind, code, ref, a, b))

    def note_at(self, s, us, kind, code, ref, a, b):
        self.notes.append((kind, code, ref, a, b))

    def refuse_bolus(self, kind, dose_ng, reason):
        self.notes.append(("refused", kind, dose_ng, reason))


class Rig:
    """Delivery and course under a clock that jumps from deadline to deadline."""

    def __init__(self, start_us=0):
        self.motor = RigMotor()
        self.log = RigLog()
        self.motor.now_us = start_us
        self.delivery = make_delivery(self.motor, self.log)
        self.controller = TherapyController(self.delivery, self.log, lambda: Instant(*self.now()))
        self.wakes = 0

    def now(self):
        return self.motor.now_us // MILLION, self.motor.now_us % MILLION

    def run_to(self, until_us):
        """Let time pass: jump from wake to wake, end exactly at until_us with everything due then done."""
        while True:
            self.delivery.apply_due(*self.now())
            self.wakes += 1
            wake_us = self.delivery.wake.s * MILLION + self.delivery.wake.us
            if self.motor.now_us >= until_us:
                return
            self.motor.now_us = min(max(wake_us, self.motor.now_us), until_us)

    def act(self, event):
        """Carry out one event; the reason of the refusal, or None."""
        s, us = self.now()
        do = event["do"]
        try:
            if do == "program":
                for library in event["therapy"]["library"]:
                    library["digest"] = bytes(library["digest"])  # a scenario may have been JSON
                self.controller.commit(Prescription(event["therapy"], Bounds()), s, us)
            elif do == "bolus":
                self.controller.boluses.start_clinician(event, s, us)
            elif do == "patient_bolus":
                self.controller.boluses.request_patient(s, us)
            elif do == "stop":
                self.controller.stop(event.get("resume_after_s", 0), s, us)
            elif do == "clock":
                self.controller.set_clock(s, us, event)
            elif do == "prime":
                self.controller.set_implant(s, us)
                self.controller.prime(event, s, us)
            elif do == "refill":
                self.controller.refill(event, s, us)
            else:
                self._act_plainly(do, s, us)
        except Refused as refused:
            return refused.reason
        return None

    def _act_plainly(self, do, s, us):
        if do == "resume":
            self.controller.resume(s, us)
        elif do == "skip_bridge":
            self.controller.skip_bridge(s, us)
        elif do == "cancel_plan":
            self.controller.cancel_plan(s, us)
        else:
            raise ValueError(do)


def therapy(**changes):
    """A therapy in wire terms; keyword arguments replace fields."""
    values = {
        "schema": 1,
        "name": "rig",
        "reservoir_pl": 40_000_000_000,
        "fill_pl": 40_000_000_000,
        "step_volume_pl": 2500,
        "pump_tubing_pl": 140_000_000,
        "catheter_length_um": 890_000,
        "catheter_pl_per_cm": 2_200_000,
        "drugs": [
            {
                "name": "morphine",
                "concentration_ng_per_ml": 20_000_000,
                "max_dose_24h_ng": 0,
                "max_dose_1h_ng": 0,
            }
        ],
        "basal_mode": 1,
        "basal_dose_ng_per_day": 2_400_000,
        "basal_steps": [],
        "periodic_boluses": [],
        "patient_bolus": [],
        "max_rate_pl_per_day": 24_000_000_000,
        "low_reservoir_pl": 2_000_000_000,
        "low_reservoir_days": 3,
        "max_pause_s": 1800,
        "start_delay_s": 0,
        "plan": [],
        "bridge": [],
    }
    values.update(changes)
    if "library" not in changes:
        values["library"] = section(values["drugs"])
    return values


def section(drugs, rules=0):
    """What a drug library says of these drugs: nothing but `rules`."""
    entry = {"max_concentration_ng_per_ml": 0, "max_dose_24h_ng": 0, "rules": rules}
    return [{"version": 1, "digest": bytes(8), "drugs": [entry for _ in drugs], "confirmed": []}]


def follow(rig, scenario):
    """Carry the events of a scenario out on a rig, to its end; what was refused."""
    start_us = scenario["start_us"]
    s, us = rig.now()
    rig.delivery.local.set_at(s, us, scenario["day"], scenario["second"], 0)
    refusals = []
    for event in scenario["events"]:
        rig.run_to(start_us + event["at_us"])
        refusals.append(rig.act(event))
    rig.run_to(start_us + scenario["end_us"])
    rig.motor.settle()
    return refusals


def play(scenario):
    """{start_us, end_us, day, second, events: [{at_us, do, ...}]} -> (step times, refusals, rig)."""
    start_us = scenario["start_us"]
    rig = Rig(start_us)
    refusals = follow(rig, scenario)
    return [due - start_us for due in rig.motor.made], refusals, rig
