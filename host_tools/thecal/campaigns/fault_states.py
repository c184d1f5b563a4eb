"""The states that a fault finds the pump in: each is brought about over the link, as a clinician would.

`STATES` names them; `prepare` leaves the pump in one, some random time in, and notes in `Patient.dose_bound`
the most that therapy may give from then on. Where a state can change by itself (flex, plan, bridge) the
highest of its rates counts: what is looked for are bursts, and those show above any steady rate.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any

from thecal.campaigns.cut_therapies import (
    BRIDGED,
    FILL_PL,
    STEP_PL,
    THERAPIES,
    US_PER_DAY,
    US_PER_H,
    US_PER_MIN,
    US_PER_S,
    Values,
    concentration,
    dead_steps,
    rates,
    steps_of,
)
from thecal.campaigns.dose_bound import DoseBound
from thecal_protocol.bolus_kinds import BOLUS_KINDS, PROPOSED
from thecal_protocol.codec import name_of

if TYPE_CHECKING:
    from thecal.campaigns.fault_pump import FaultPump

FOREVER_US = 10 * 366 * US_PER_DAY
_DAY = 9501  # 2026-01-05, a Monday
_BY_NAME = {values["name"]: values for values in THERAPIES}
_PLAIN = _BY_NAME["plain"]


@dataclass
class Patient:
    """A pump in therapy, and what that therapy allows. Times are the bench's."""

    pump: FaultPump
    rng: random.Random
    dose_bound: DoseBound = field(default_factory=DoseBound)
    program: Values | None = None
    flows: bool = False  # steps are being made
    stopped: bool = False  # and nothing will make them flow but a command
    begun_anew: int = 0  # steps of periodic boluses, which may begin anew after a reset
    released_steps: int = 0  # volume that was held up and came at once, in steps
    least: Fraction = Fraction(0)  # the lowest rate of what flows, steps/us

    def now(self) -> int:
        """The bench's time."""
        return self.pump.bench.now()

    def wait(self, least_us: int, most_us: int) -> None:
        """A random while."""
        self.pump.bench.advance_by(self.rng.randint(least_us, most_us))

    def begin(self, values: Values, fill_pl: int = FILL_PL) -> None:
        """The clock, a full reservoir, the program."""
        client = self.pump.client
        clock: Values = {
            "absolute": 1,
            "day": _DAY,
            "second": self.rng.randrange(86_400),
            "us": 0,
            "offset_us": 0,
        }
        self.pump.commit_clock(clock)
        values = {**values, "fill_pl": fill_pl}
        self.pump.bench.set_step_volume(STEP_PL)
        self.pump.bench.fill(fill_pl)
        client.commit(client.propose_program(values).digest)
        self.runs(values)

    def runs(self, values: Values) -> None:
        """This program has begun."""
        self.program = values
        self.flows = True
        lowest, highest = rates(values)
        begin_us = self.now()
        self.least = lowest
        self.dose_bound.add(begin_us, FOREVER_US, highest)

    def may_not_flow(self) -> None:
        """From now on nothing is allowed."""
        now_us = self.now()
        self.dose_bound.stretches = [
            (begin_us, min(end_us, now_us), rate)
            for begin_us, end_us, rate in self.dose_bound.stretches
            if begin_us < now_us
        ]
        self.flows = False
        self.stopped = True

    def once(self, steps: Fraction, duration_us: int) -> None:
        """So much may come on top, evenly over this time from now on."""
        begin_us = self.now()
        self.dose_bound.add(begin_us, begin_us + duration_us, steps / duration_us)


State = Callable[[Patient], None]


def _plainly(name: str) -> State:
    def prepare(patient: Patient) -> None:
        patient.begin(_BY_NAME[name])
        patient.wait(US_PER_S, 3 * US_PER_H)

    return prepare


def _unprogrammed(patient: Patient) -> None:
    patient.wait(US_PER_S, US_PER_H)


def _periodic(patient: Patient) -> None:
    """At a random phase of its boluses."""
    values = _BY_NAME["periodic"]
    patient.begin(values)
    begin_us = patient.now()
    for bolus in values["periodic_boluses"]:
        steps = steps_of(bolus["dose_ng"], concentration(values))
        patient.begun_anew += ceil(steps)
        at_us = begin_us + bolus["first_us"]
        while at_us < begin_us + 2 * US_PER_DAY:
            patient.dose_bound.add(at_us, at_us + bolus["duration_us"], steps / bolus["duration_us"])
            at_us += bolus["every_us"]
    patient.wait(US_PER_S, 3 * US_PER_H)


def _proposed_bolus(word: str) -> State:
    """Of the kind with this word; of the plain one, which has none, over a shorter time."""
    dose_ng, duration_us = (300_000, 2 * US_PER_H) if word else (200_000, 10 * US_PER_MIN)

    def prepared(patient: Patient) -> None:
        _plainly("plain")(patient)
        client = patient.pump.client
        words = {word: True} if word else {}
        client.commit(client.propose_bolus(dose_ng, duration_us, **words).digest)
        patient.once(steps_of(dose_ng, concentration(_PLAIN)), duration_us)
        patient.wait(0, duration_us // 2)

    return prepared


def _patient_bolus(patient: Patient) -> None:
    values = _PLAIN
    patient.begin(values)
    bolus = values["patient_bolus"][0]
    patient.pump.bench.advance_by(bolus["lockout_us"])
    patient.wait(US_PER_S, US_PER_H)
    patient.pump.client.patient_bolus()
    patient.once(steps_of(bolus["dose_ng"], concentration(values)), bolus["duration_us"])
    patient.wait(0, bolus["duration_us"] // 2)


def _prime(patient: Patient) -> None:
    _plainly("plain")(patient)
    client = patient.pump.client
    client.set_implant_flag()
    patient.wait(1000, US_PER_S)
    client.commit(client.propose_prime(dry=True).digest)
    rate = Fraction(_PLAIN["max_rate_pl_per_day"], STEP_PL * US_PER_DAY)
    steps = dead_steps(_PLAIN)
    patient.once(steps, int(steps / rate))
    patient.wait(0, int(steps / rate) // 2)


def _bridge(patient: Patient) -> None:
    _plainly("plain")(patient)
    client = patient.pump.client
    client.commit(client.propose_refill(FILL_PL, FILL_PL).digest)
    patient.pump.bench.fill(FILL_PL)
    values: Values = {**BRIDGED, "fill_pl": FILL_PL}
    client.commit(client.propose_program(values).digest)
    patient.dose_bound.stretches = [
        (begin, patient.now(), rate) for begin, _, rate in patient.dose_bound.stretches
    ]
    patient.runs(values)
    patient.wait(US_PER_S, US_PER_H)


def _stopped(patient: Patient) -> None:
    _plainly("plain")(patient)
    patient.pump.client.stop()
    patient.flows = False
    patient.wait(0, 10 * US_PER_MIN)


def _paused(patient: Patient) -> None:
    """It resumes by itself, 20 to 30 min after the stop."""
    _plainly("plain")(patient)
    patient.pump.client.stop(resume_after_s=patient.rng.randint(1200, 1800))
    patient.flows = False
    patient.wait(0, 10 * US_PER_MIN)


def _start_delay(patient: Patient) -> None:
    patient.begin({**_PLAIN, "start_delay_s": 3600})
    patient.flows = False
    patient.wait(0, 50 * US_PER_MIN)


def _alarm_hold(patient: Patient) -> None:
    """The motor stands, the pump has noticed and holds."""
    _plainly("often")(patient)
    bench = patient.pump.bench
    bench.motor_stall(2 * US_PER_DAY)
    patient.pump.await_alarm("motor_stall", 2 * US_PER_H)
    patient.flows = False
    patient.wait(0, 5 * US_PER_MIN)


def _low_reservoir(patient: Patient) -> None:
    """It has fallen below 2 mL some time ago; there is enough left for half a day."""
    patient.begin(_PLAIN, 2_000_000_000 - patient.rng.randint(10**6, 10**8))
    patient.wait(US_PER_MIN, 3 * US_PER_H)


def _open_session(patient: Patient) -> None:
    """Half a proposal was sent, and the host fell silent."""
    _plainly("plain")(patient)
    patient.pump.half_a_proposal()


STATES: dict[str, State] = {
    "unprogrammed": _unprogrammed,
    "continuous": _plainly("plain"),
    "fast": _plainly("fast"),
    "flex": _plainly("flex"),
    "minimum": _plainly("minimum"),
    "plan": _plainly("plan"),
    "periodic": _periodic,
    **{name_of(BOLUS_KINDS, kind): _proposed_bolus(word) for kind, word in PROPOSED},
    "patient_bolus": _patient_bolus,
    "prime": _prime,
    "bridge": _bridge,
    "start_delay": _start_delay,
    "stopped": _stopped,
    "paused": _paused,
    "alarm_hold": _alarm_hold,
    "low_reservoir": _low_reservoir,
    "open_session": _open_session,
}


def values_of(name: str) -> dict[str, Any]:
    """A therapy of the campaign by its name."""
    return _BY_NAME[name]
