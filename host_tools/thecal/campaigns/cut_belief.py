"""What may be true of a pump whose power goes at any moment: the promises of the power-cut campaign.

Everything answered is certain, what was under way when the power went may have been done or not; both are
kept as possible. `surely=False` says that something may be done from now on, `surely=True`, after that, that
it was: with a flash that takes its time the pump's clock goes on in between. Time is the bench's, and goes on
over power cuts.
"""

import math
from fractions import Fraction
from typing import Any

from thecal.answers import Accounts, Event, Status
from thecal.campaigns.base import Violated
from thecal.campaigns.cut_therapies import (
    STEP_PL,
    US_PER_DAY,
    US_PER_S,
    Values,
    periodic_once,
    periodic_rate,
    rates,
)

RESERVE_PL = 2_560_000  # of pump.records.ledger: what one reservation holds
IN_FLIGHT = 64  # steps that the motor may hold
BOUND = RESERVE_PL // STEP_PL + IN_FLIGHT  # the ledger may be ahead of the motor by so much a reset

INFUSING, STOPPED, UNPROGRAMMED = "infusing", "stopped", "unprogrammed"


def promise(kept: bool, text: str) -> None:
    """Violated with this text when it was not kept."""
    if not kept:
        raise Violated(text)


class Belief:
    """What one pump may be like. Counts are over all its lives."""

    def __init__(self) -> None:
        self.now_us = 0
        self.blur_us = (
            0  # how far a command may be moved to agree with the motor (a flash that takes its time)
        )
        self.resets = 0
        self.steps = 0  # physically made before this life
        self.ceiling = Fraction(0)  # the most that therapy allowed so far
        self.programs: list[Values] = []
        self.states = {UNPROGRAMMED}
        self.resume_at_us: int | None = None  # a stop that ends by itself, not before this instant
        self._resume_by_us = 0  # and not after this one
        self.may_resume = False  # it is stopped, and may end that by itself at any time
        self.will_resume = False  # the same, and it must
        self.boluses: list[tuple[int, int, Fraction]] = []  # begin, end, steps/us
        self.lockout_from_us: int | None = None  # None: not known
        self.given_us: list[int] = []  # patient boluses that were answered
        self.offsets: set[int] = set()  # local time less the pump's own, possible ones; empty: not known
        self.level: tuple[int, int] | None = None  # steps accounted, picolitres left, at some instant

    # --- what happens ---

    def pass_time(self, to_us: int) -> None:
        """Until `to_us` the pump may have given what it was allowed to."""
        if self.resume_at_us is not None and self.resume_at_us < to_us:
            at_us, self.resume_at_us = max(self.resume_at_us, self.now_us), None
            self.pass_time(at_us)
            self.may_resume = self._resume_by_us >= to_us
            self.states = {STOPPED, INFUSING} if self.may_resume else {INFUSING}
        span_us = to_us - self.now_us
        if self.may_resume and span_us:
            self.states = self.states | {INFUSING}
        if INFUSING in self.states and self.programs:
            self.ceiling += span_us * max(rates(one)[1] + periodic_rate(one) for one in self.programs)
        for begin_us, end_us, rate in self.boluses:
            self.ceiling += max(0, min(end_us, to_us) - max(begin_us, self.now_us)) * rate
        self.boluses = [bolus for bolus in self.boluses if bolus[1] > to_us]
        self.now_us = to_us

    def bolus(self, steps: Fraction, duration_us: int) -> None:
        """One may begin now."""
        self.boluses.append((self.now_us, self.now_us + duration_us, steps / duration_us))

    def programmed(self, values: Values, asked_us: int, *, surely: bool) -> None:
        """A program was committed, between `asked_us` and now."""
        self.level = None
        if surely:
            self.programs = [values]
            self.states = {INFUSING}
            self.boluses.clear()
            self.lockout_from_us = asked_us - self.blur_us
            self.ceiling += self.blur_us * rates(values)[1]
            self._set_resume(None)
        else:
            self.ceiling += periodic_once(values)
            self.programs.append(values)
            self.states = self.states | {INFUSING}
            self.lockout_from_us = None
            self.will_resume = False

    def stopped(self, resume_after_s: int, asked_us: int, *, surely: bool) -> None:
        """Delivery was stopped, for `resume_after_s` or (0) for good."""
        if surely:
            self.states = {STOPPED}
            self.boluses.clear()
            self._set_resume(asked_us + resume_after_s * US_PER_S if resume_after_s else None, asked_us)
        else:
            self.states = self.states | {STOPPED}
            self.may_resume = self.may_resume or resume_after_s > 0 or self.resume_at_us is not None
            self.will_resume = False
            self.resume_at_us = None

    def resumed(self, *, surely: bool) -> None:
        """Delivery goes on."""
        self.states = {INFUSING} if surely else self.states | {INFUSING}
        if surely:
            self._set_resume(None)
        else:
            self.ceiling += max((periodic_once(one) for one in self.programs), default=Fraction(0))

    def _set_resume(self, at_us: int | None, asked_us: int = 0) -> None:
        """It is known when the stop ends by itself, if at all."""
        self.resume_at_us = at_us
        self._resume_by_us = 0 if at_us is None else self.now_us - asked_us + at_us
        self.may_resume = self.will_resume = False

    def power_gone(self, steps_this_life: int) -> None:
        """Boluses end with the power; periodic ones may begin anew."""
        self.steps += steps_this_life
        self.resets += 1
        self.boluses.clear()
        self.ceiling += max((periodic_once(one) for one in self.programs), default=Fraction(0))
        if self.resume_at_us is not None:  # the pump's clock may have fallen behind: it resumes later
            if self.resume_at_us <= self.now_us:
                self.states = {STOPPED, INFUSING}
            self.resume_at_us = None
            self.may_resume = self.will_resume = True

    # --- what must hold ---

    def check_steps(self, steps_this_life: int) -> None:
        """No overdose: never more than the prescription allows."""
        made = self.steps + steps_this_life
        promise(
            made <= self.ceiling,
            f"overdose: {made} steps made, the prescription allows {math.floor(self.ceiling)} until now",
        )

    def check_ledger(self, accounts: Accounts) -> None:
        """The ledger is never behind the motor, nor further ahead than the reservations lost."""
        most = self.steps + BOUND * self.resets
        promise(
            self.steps <= accounts.steps,
            f"under-reported: the ledger says {accounts.steps} steps, the motor made {self.steps}",
        )
        promise(
            accounts.steps <= most,
            f"the ledger says {accounts.steps} steps, the motor made {self.steps}: more than {BOUND} "
            f"too many for each of {self.resets} resets",
        )
        promise(accounts.resets == self.resets, f"{accounts.resets} resets on the ledger, {self.resets} made")
        if self.level is not None:
            left_pl = self.level[1] - (accounts.steps - self.level[0]) * STEP_PL
            promise(
                accounts.reservoir_pl == left_pl,
                f"the reservoir holds {accounts.reservoir_pl} pL by the pump's count, {left_pl} by its steps",
            )

    def check_program(self, running: dict[str, Any] | None) -> None:
        """The old program or the new one, whole; the new one once it was answered."""
        if running is None:
            promise(UNPROGRAMMED in self.states, "a committed program is lost")
            return
        names = " or ".join(one["name"] for one in self.programs) or "none"
        promise(running in self.programs, f"the pump runs {running['name']!r}, which should be {names}")

    def check_state(self, status: Status) -> None:
        """Therapy goes on by itself, a stop stays."""
        promise(
            status.state in self.states,
            f"the pump is {status.state}, which should be {' or '.join(sorted(self.states))}",
        )
        if self.offsets:
            promise(offset_us(status) in self.offsets, "local time has moved against the pump's own")

    def check_log(self, events: list[Event]) -> None:
        """A power cut alone makes no record untrustworthy."""
        for event in events:
            promise(
                event.kind not in ("records_distrusted", "fault"),
                f"the log says {event.kind}, code {event.code}",
            )

    def may_bolus(self) -> str:
        """Why a patient's bolus may not be given now; "" when nothing that is known forbids it."""
        if len(self.programs) != 1 or not self.programs[0]["patient_bolus"]:
            return ""
        rule = self.programs[0]["patient_bolus"][0]
        if self.lockout_from_us is not None and self.now_us - self.lockout_from_us < rule["lockout_us"]:
            return "lockout"
        recent = [at_us for at_us in self.given_us if at_us > self.now_us - US_PER_DAY]
        return "max_per_24h" if len(recent) >= rule["max_per_24h"] else ""

    def settle(self, running: dict[str, Any] | None, status: Status) -> None:
        """After a restart that was found good: what was in doubt is known now."""
        self.programs = [] if running is None else [running]
        self.states = {status.state}
        self.offsets = {offset_us(status)}

    def expected(self, span_us: int) -> int:
        """The least number of steps in this time without a stop."""
        if self.states != {INFUSING} or not self.programs:
            return 0
        return math.floor(span_us * min(rates(one)[0] for one in self.programs))


def offset_us(status: Status) -> int:
    """How far local time is ahead of the pump's own."""
    local_us = (status.local_day * 86_400 + status.local_s) * US_PER_S + status.local_us
    return local_us - status.now.total_us
