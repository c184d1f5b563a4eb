"""What may be true of a pump whose power goes at any moment: the promises of the power-cut campaign.

Everything answered is certain, what was under way when the power went may have been done or not; both are
kept as possible. `surely=False` says that something may be done from now on, `surely=True`, after that, that
it was: with a flash that takes its time the pump's clock goes on in between. Time is the bench's, and goes on
over power cuts.
"""

import math
from fractions import Fraction

from thecal.campaigns.base import Violated
from thecal.campaigns.cut_pump import BUSY, FAILING
from thecal.campaigns.cut_therapies import (
    US_PER_DAY,
    US_PER_S,
    Values,
    concentration,
    periodic_once,
    periodic_rate,
    rates,
    steps_of,
)
from thecal.link.proposals import digest_of
from thecal.link.responses.pump import Accounts, Event, Status
from thecal_protocol.codec import encoded
from thecal_protocol.messages import PROPOSAL_PROGRAM, proposal_fields

INFUSING, STOPPED, UNPROGRAMMED, FAULT = "infusing", "stopped", "unprogrammed", "fault"
_IN_FLIGHT = 64  # steps that the motor may hold
_BLUR_US = 100_000  # of pump.dosing.delivery: by how much a command may be moved where flash takes its time


def bound_steps(step_pl: int) -> int:
    """By how much the ledger may be ahead of the motor for each reset: one reservation
    (docs/explanation/storage.md).
    """
    return min(max(2_560_000 // step_pl, 128), 16_384)


def digest(values: Values) -> bytes:
    """What the pump calls this program."""
    return digest_of(PROPOSAL_PROGRAM, bytes(encoded(proposal_fields(PROPOSAL_PROGRAM), values)))


def promise(kept: bool, text: str) -> None:
    """Violated with this text when it was not kept."""
    if not kept:
        raise Violated(text)


class ExpectedState:
    """What one pump may be like. Counts are over all its lives."""

    def __init__(self, step_pl: int) -> None:
        self.now_us = 0
        self.step_pl = step_pl
        self.blur_us = 0  # how far a command may be moved to agree with the motor
        self.failing = False  # writes may fail: an answer is then no promise, and therapy may end
        self.resets = 0
        self.ahead: int | None = None  # by so much is the ledger ahead of the motor; None: not known
        self._bound = 0  # by so much it may be
        self._resets_seen = -1  # on the ledger, when it was last looked at
        self._deaths = 0  # since then
        self._exact = False  # the one death since then left a memory of the motor's count
        self.last_event = 0
        self.ever: dict[bytes, Values] = {}  # every program that may ever have been committed
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

    def steps_of(self, dose_ng: int, program: Values) -> Fraction:
        """A dose in steps, exactly."""
        return steps_of(dose_ng, concentration(program), self.step_pl)

    def bolus(self, steps: Fraction, duration_us: int) -> None:
        """One may begin now."""
        self.boluses.append((self.now_us, self.now_us + duration_us, steps / duration_us))

    def programmed(self, values: Values, asked_us: int, *, surely: bool) -> None:
        """A program was committed, between `asked_us` and now."""
        self.level = None
        self.ever[digest(values)] = values
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

    def on(self, flash: str) -> None:
        """From now on the flash is like this (thecal.campaigns.cut_pump)."""
        self.blur_us = _BLUR_US if flash == BUSY else 0
        self.failing = flash == FAILING

    def power_gone(self, steps_this_life: int, *, memory: bool = False) -> None:
        """Boluses end with the power; periodic ones may begin anew. `memory`: what the motor made in this
        life is remembered over the reset."""
        self.steps += steps_this_life
        self.resets += 1
        self._deaths += 1
        self._exact = memory and self._deaths == 1 and self.ahead is not None and steps_this_life > 0
        self._bound += bound_steps(self.step_pl)
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

    @property
    def bound(self) -> int:
        """By how much the ledger may be ahead of the motor."""
        return self._bound

    def check_ledger(self, accounts: Accounts) -> bool:
        """The ledger is never behind the motor, nor further ahead than the reservations lost; no more than
        before where the count outlived the reset. Did it?"""
        ahead = accounts.steps - self.steps
        promise(
            ahead >= 0,
            f"under-reported: the ledger says {accounts.steps} steps, the motor made {self.steps}",
        )
        promise(
            ahead <= self._bound + (_IN_FLIGHT if self.blur_us else 0),  # of this life already
            f"the ledger says {accounts.steps} steps, the motor made {self.steps}: more than {self._bound} "
            f"too many after {self._deaths} resets",
        )
        exact = self._exact and not self.failing and not self.blur_us
        if exact:
            promise(
                ahead == self.ahead,
                f"the ledger was {self.ahead} steps ahead, is {ahead}, though the count outlived the reset",
            )
        seen = accounts.resets - max(0, self._resets_seen)
        least = 1 if self._resets_seen >= 0 and not self.failing else 0
        promise(least <= seen <= self._deaths, f"{seen} resets more on the ledger, {self._deaths} made")
        if self.level is not None:
            left_pl = self.level[1] - (accounts.steps - self.level[0]) * self.step_pl
            promise(
                accounts.reservoir_pl == left_pl,
                f"the reservoir holds {accounts.reservoir_pl} pL by the pump's count, {left_pl} by its steps",
            )
        return exact

    def check_program(self, found: bytes) -> None:
        """The old program or the new one, whole; the new one once it was answered. `found`: its digest."""
        if not found:
            promise(UNPROGRAMMED in self.states, "a committed program is lost")
            return
        names = " or ".join(one["name"] for one in self.programs) or "none"
        running = self.ever[found]["name"] if found in self.ever else "something else"
        promise(
            found in [digest(one) for one in self.programs],
            f"the pump runs {running}, which should be {names}",
        )

    def check_state(self, status: Status) -> None:
        """Therapy goes on by itself, a stop stays."""
        promise(
            status.state in self.states or (self.failing and status.state == FAULT),
            f"the pump is {status.state}, which should be {' or '.join(sorted(self.states))}",
        )
        if self.offsets:
            promise(offset_us(status) in self.offsets, "local time has moved against the pump's own")

    def check_log(self, events: list[Event]) -> None:
        """A power cut alone makes no record untrustworthy; numbers go on."""
        for event in events:
            promise(event.sequence > self.last_event, f"number {event.sequence} of the log is there again")
            self.last_event = event.sequence
            promise(
                self.failing or event.kind not in ("records_distrusted", "fault", "records_lost"),
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

    def settle(self, found: bytes, status: Status, accounts: Accounts) -> None:
        """After a restart that was found good: what was in doubt is known now.

        Where writes fail, a fault hides what the records say: it ends with the next reset, which goes back to
        them (docs/explanation/storage.md, The promises)."""
        hidden = self.failing and status.state == FAULT
        if found or not hidden:
            self.programs = [self.ever[found]] if found else []
        self.states = self.states | {FAULT} if hidden else {status.state}
        self.offsets = {offset_us(status)}
        self.ahead = self._bound = accounts.steps - self.steps
        self._resets_seen = accounts.resets
        self._deaths = 0

    def expected(self, span_us: int) -> int:
        """The least number of steps in this time without a stop."""
        if self.states != {INFUSING} or not self.programs:
            return 0
        return math.floor(span_us * min(rates(one)[0] for one in self.programs))


def offset_us(status: Status) -> int:
    """How far local time is ahead of the pump's own."""
    local_us = (status.local_day * 86_400 + status.local_s) * US_PER_S + status.local_us
    return local_us - status.now.total_us
