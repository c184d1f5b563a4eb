"""Random pieces of therapy for the power-cut campaign: what hands do to the pump, and what may then be true.

Each action says beforehand what it would make true, so that a cut in the midst of it leaves both possible.
"""

import random
from collections.abc import Callable
from typing import TypeVar

from thecal.campaigns.base import Tell, Violated
from thecal.campaigns.cut_pump import CutPump
from thecal.campaigns.cut_therapies import (
    FILL_PL,
    US_PER_DAY,
    US_PER_MIN,
    US_PER_S,
    Values,
    bridged,
    concentration,
    dead_steps,
    therapies,
)
from thecal.campaigns.expected_state import INFUSING, ExpectedState, offset_us, promise
from thecal.emulator.testbench import PowerCut
from thecal.errors import Refused
from thecal.link.proposals import refill_values
from thecal_protocol.bolus_kinds import BOLUS_KINDS, PROPOSED, WORDS
from thecal_protocol.codec import name_of
from thecal_protocol.messages import (
    CANCEL_PLAN,
    PROPOSAL_BOLUS,
    PROPOSAL_CLOCK,
    PROPOSAL_PRIME,
    PROPOSAL_REFILL,
    PROPOSAL_REFILL_AND_PROGRAM,
)

T = TypeVar("T")

_SMALL_STEP_PL = 1000
_DAY = 9501  # 2026-01-05, a Monday
_OUR_FAULT = ("malformed", "internal", "storage", "alarm")  # refusals that nothing done here explains


class RandomScenario:
    """One pump, what is believed of it, and the dice."""

    def __init__(self, pump: CutPump, expected: ExpectedState, rng: random.Random, tell: Tell) -> None:
        self.pump = pump
        self.expected = expected
        self.rng = rng
        self._tell = tell
        self.doing = "nothing"
        self._asked_us = 0  # when the last command was given; with busy flash it may take a while
        self._actions: list[tuple[int, Callable[[], None]]] = [
            (8, self.wait),
            (4, self.patient_bolus),
            (4, self.clinician_bolus),
            (3, self.program),
            (3, self.stop),
            (3, self.resume),
            (2, self.refill),
            (2, self.clock),
            (1, self.cancel_plan),
            (1, self.prime),
            (1, self.bridge),
        ]

    def act(self) -> None:
        """One random action. PowerCut: the power went in the midst of it."""
        weights = [weight for weight, _ in self._actions]
        action = self.rng.choices([action for _, action in self._actions], weights)[0]
        if self.expected.programs:
            action()
        else:
            self.begin(self.rng.choice(therapies(self.expected.step_pl)))

    def begin(self, values: Values) -> None:
        """A new pump gets its time and its first program."""
        self.set_clock()
        self.commit(values)

    # --- time ---

    def wait(self) -> None:
        """Let between a second and some hours pass; less where steps are small and many."""
        longest = 4 if self.expected.step_pl >= _SMALL_STEP_PL else 3
        self.pass_time(int(US_PER_S * 10 ** self.rng.uniform(0, longest)))

    def pass_time(self, span_us: int) -> None:
        """Let time pass; no overdose meanwhile."""
        self._begin(f"wait {span_us / US_PER_S:.6f} s")
        to_us = self.expected.now_us + span_us
        reached_us = self.pump.bench.advance_to(to_us)
        self.expected.pass_time(reached_us)
        self.expected.check_steps(self.pump.bench.truth(collect=False).steps)

    # --- commands ---

    def commit(self, values: Values) -> None:
        """Commit a program."""
        expected = self.expected
        self._begin(f"program {values['name']}")

        def doubt() -> None:
            expected.programmed(values, expected.now_us, surely=False)

        client = self.pump.client
        if self._try(lambda: client.commit(client.propose_program(values).digest), doubt) is not None:
            expected.programmed(values, self._asked_us, surely=True)
            self._note_level()

    def program(self) -> None:
        """Another program of the same drug."""
        now = concentration(self.expected.programs[-1])
        same = [one for one in therapies(self.expected.step_pl) if concentration(one) == now]
        if same:
            self.commit(self.rng.choice(same))

    def bridge(self) -> None:
        """A refill of a higher concentration and the program that bridges to it: in one commit, or in two."""
        stronger = bridged(self.expected.step_pl)
        if concentration(self.expected.programs[-1]) == concentration(stronger):
            return
        if self.rng.random() < 0.5:
            self.refill_and_program(stronger)
        else:
            self.refill()
            self.commit(stronger)

    def refill_and_program(self, values: Values) -> None:
        """Both in one commit."""
        expected = self.expected
        volume_pl = self.rng.randint(FILL_PL // 2, FILL_PL)
        self._begin(f"refill {volume_pl} pL and program {values['name']}")

        def doubt() -> None:
            expected.level = None
            expected.programmed(values, expected.now_us, surely=False)

        both = {**refill_values(volume_pl, FILL_PL // 10), **values}
        if self._commit(PROPOSAL_REFILL_AND_PROGRAM, both, doubt):
            expected.programmed(values, self._asked_us, surely=True)
            self._note_level()

    def patient_bolus(self) -> None:
        """The patient asks; what may not be given must be refused."""
        expected = self.expected
        self._begin("patient bolus")
        forbidden = expected.may_bolus()

        def doubt() -> None:
            program = expected.programs[-1]
            for rule in program["patient_bolus"]:
                expected.bolus(expected.steps_of(rule["dose_ng"], program), rule["duration_us"])

        if self._try(self.pump.client.patient_bolus, doubt) is None:
            return
        promise(not forbidden, f"a patient bolus was given although {forbidden} forbids it")
        promise(INFUSING in expected.states, "a patient bolus was given while stopped")
        expected.lockout_from_us = self._asked_us
        expected.given_us.append(self._asked_us)

    def clinician_bolus(self) -> None:
        """A clinician's bolus, now and then one of another kind than the plain one."""
        dose_ng = self.rng.randint(1_000, 300_000)
        duration_us = self.rng.randint(US_PER_MIN, 90 * US_PER_MIN)
        chosen, others = self.rng.random() / 0.3, PROPOSED[1:]
        kind, word = others[int(chosen * len(others))] if chosen < 1 else PROPOSED[0]
        name = name_of(BOLUS_KINDS, kind).replace("_", " ")
        self._begin(f"{name} {dose_ng} ng in {duration_us} us")
        words = {each: int(each == word) for each in WORDS}
        values = {"dose_ng": dose_ng, "duration_us": duration_us, **words}

        def doubt() -> None:
            longest_us = US_PER_DAY if word else duration_us  # another kind may wait for others
            steps = self.expected.steps_of(dose_ng, self.expected.programs[-1])
            self.expected.bolus(steps * longest_us / duration_us, longest_us)

        self._commit(PROPOSAL_BOLUS, values, doubt)

    def stop(self) -> None:
        """Stop, for good or for some minutes."""
        expected = self.expected
        for_s = self.rng.choice((0, self.rng.randint(1, 1800)))
        self._begin(f"stop for {for_s} s" if for_s else "stop")

        def doubt() -> None:
            expected.stopped(for_s, expected.now_us, surely=False)

        if self._try(lambda: self.pump.client.stop(resume_after_s=for_s), doubt) is not None:
            expected.stopped(for_s, self._asked_us, surely=True)

    def resume(self) -> None:
        """Resume, when there is something to resume."""
        expected = self.expected
        if expected.states == {INFUSING}:
            return
        self._begin("resume")

        def doubt() -> None:
            expected.resumed(surely=False)

        if self._try(self.pump.client.resume, doubt) is not None:
            expected.resumed(surely=True)

    def refill(self) -> None:
        """Record a refill."""
        expected = self.expected
        volume_pl = self.rng.randint(FILL_PL // 2, FILL_PL)
        self._begin(f"refill {volume_pl} pL")

        def doubt() -> None:
            expected.level = None
            expected.lockout_from_us = None

        if self._commit(PROPOSAL_REFILL, refill_values(volume_pl, FILL_PL // 10), doubt):
            expected.lockout_from_us = self._asked_us
            self._note_level()

    def clock(self) -> None:
        """Move local time."""
        expected = self.expected
        shift_us = self.rng.randint(-36_000, 36_000) * US_PER_S
        self._begin(f"clock by {shift_us} us")

        def doubt() -> None:
            expected.offsets = {old + change for old in expected.offsets for change in (0, shift_us)}

        values = {"absolute": 0, "day": 0, "second": 0, "us": 0, "offset_us": shift_us}
        if self._commit(PROPOSAL_CLOCK, values, doubt):
            expected.offsets = {offset_us(self.pump.client.status())}

    def set_clock(self) -> None:
        """Give local time."""
        expected = self.expected
        self._begin("clock")
        values = {"absolute": 1, "day": _DAY, "second": 43_200, "us": 0, "offset_us": 0}
        if self._commit(PROPOSAL_CLOCK, values, expected.offsets.clear):
            expected.offsets = {offset_us(self.pump.client.status())}

    def cancel_plan(self) -> None:
        """The dose that holds now stays: within what the plan allowed."""
        self._begin("cancel plan")
        self._try(lambda: self.pump.client.request(CANCEL_PLAN), _nothing)

    def prime(self) -> None:
        """Prime the catheter."""
        self._begin("prime")
        if self._try(self.pump.client.set_implant_flag, _nothing) is None:
            return

        def doubt() -> None:
            self.expected.ceiling += dead_steps(self.expected.programs[-1])

        self._commit(PROPOSAL_PRIME, {"dry": 1}, doubt)

    # --- how ---

    def _commit(self, kind: int, values: Values, doubt: Callable[[], None]) -> bool:
        client = self.pump.client
        return self._try(lambda: client.commit(client.propose(kind, values).digest), doubt) is not None

    def _try(self, command: Callable[[], T], doubt: Callable[[], None]) -> T | None:
        """What it answered; None: refused. PowerCut: `doubt` has noted that it may have been done."""
        expected = self.expected
        self._asked_us = expected.now_us
        try:
            answer = command()
            now_us = self.pump.bench.now()
            doubt()
            expected.pass_time(now_us)  # at some instant of that time it took effect
            return None if expected.failing else answer
        except Refused as refused:
            self._tell(f"    refused: {refused.name} {refused.message}")
            if expected.failing and refused.name in ("storage", "alarm"):
                doubt()  # it may have been put on record before the flash failed
            elif refused.name in _OUR_FAULT:
                raise Violated(f"{self.doing}: {refused}") from None
            return None
        except PowerCut:
            doubt()
            raise

    def _note_level(self) -> None:
        accounts = self.pump.client.accounts()
        self.expected.level = (accounts.steps, accounts.reservoir_pl)

    def _begin(self, what: str) -> None:
        self.doing = what
        self.expected.pass_time(max(self.expected.now_us, self.pump.bench.now()))
        self._tell(f"{self.expected.now_us / US_PER_S:14.6f} s  {what}")


def _nothing() -> None:
    """Whether it was done or not, nothing of it flows any more."""
