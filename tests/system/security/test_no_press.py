"""Whatever a clinician's key does without a press of the button, no 24 h and no hour gets more than was
last pressed for.

A hypothesis state machine gives every command in any order to an emulated pump. What counts is what
physically happened, by the bench: each step that the motor made, times what such a step displaces, times what
the reservoir holds. The first program says both truly, and its limits count as pressed for. From then on:

- Whoever has only the key changes neither motor nor reservoir: what a refill, a step volume, a concentration
  or a drug's name says may be a lie, and is measured by the truth.
- Whoever presses vouches for what the program says: its step volume and concentrations are the truth from
  that commit on, its limits are those that count. Another filling is pressed for with its refill.
- A window may hold what the highest limit allows that counted within it, and two steps: the pump is exact
  to one.
- Primes and bridges, which always need a press, are tried without one only.

THECAL_SOAK=1 makes it hours instead of seconds of therapy.
"""

import array
import contextlib
import copy
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from thecal.emulator.emulator import Emulator
from thecal.emulator.testbench import PowerCut, PumpReset
from thecal.errors import LinkError, Refused
from thecal.link.client import Client
from thecal.link.proposals import refill_values
from thecal.link.transport import Transport
from thecal_protocol import messages

from .no_press_changes import (
    CHANGES,
    DAY_US,
    HOUR_US,
    LOOSEN,
    ML,
    SCALES,
    STEP_PL,
    Changed,
    S,
    Values,
    attempts,
    changes,
    first_program,
    indices,
    loosening,
    scales,
)
from .no_press_truth import Agreed, Numbers, Truth

SOAK = bool(os.environ.get("THECAL_SOAK"))


class WithoutPress(RuleBasedStateMachine):
    """A clinician's key, and nobody at the button."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._trace = Path(self._folder.name) / "trace"
        self.pump = Emulator(seed=11, flash=Path(self._folder.name) / "flash", provisioned=False)
        self.pump.start()
        self.pump.bench.set_step_volume(STEP_PL)
        self.line = Transport(self.pump.port)
        self.client = Client(self.line)
        self.digest = b""
        self._now_us = 0

    def teardown(self) -> None:
        try:
            self.wait(DAY_US + HOUR_US)  # what was begun shows
        finally:
            self.line.close()
            self.pump.close()
            self._folder.cleanup()

    @initialize(
        drugs=st.sampled_from([1, 1, 2]), library=st.booleans(), limits=st.sampled_from([True, True, False])
    )
    def first(self, drugs: int, library: bool, limits: bool) -> None:
        """The first program of a pump that was paired with a press; which is long past afterwards."""
        self.client.hello()
        self.client.commit(self.client.propose_clock(9500, 6 * 3600, 0).digest)
        self.values = values = first_program(drugs, library, limits)
        self.client.commit(self.client.propose_program(values).digest)
        self.pump.bench.mark(0)
        self._begin_trace()
        self.truth = Truth(Agreed.of(values, self.pump.bench.now(), 0))
        self.pump.bench.advance_by(61 * S)

    # --- what happened ---

    def _begin_trace(self) -> None:
        self.pump.bench.trace(self._trace, append=self._trace.exists())

    def _made(self) -> int:
        """Steps so far, all of them read."""
        bench = self.pump.bench
        bench.trace(None)
        self._begin_trace()
        times = self._times()
        assert bool(np.all(np.diff(times) >= 0))
        self.truth.times = times
        self._now_us = bench.now()
        return len(times)

    def _times(self) -> Numbers:
        return np.array(array.array("Q", self._trace.read_bytes()), dtype=np.int64)

    def check(self) -> None:
        """What the motor has made by now is within what was pressed for."""
        self._live(self._made)
        self.truth.check()

    def _live(self, action: Callable[[], object]) -> None:
        """Do it; a pump that lost its power or was reset meanwhile boots again."""
        try:
            self._now_us = self.pump.bench.now()
            action()
        except PumpReset as reset:
            self.pump.restart_after(reset)
            self._booted()
        except (PowerCut, LinkError):
            if self.pump.process.poll() is None:
                raise
            last_us = max([self._now_us, *self._times()[-1:].tolist()])  # it is off for a second
            self.pump.restart({"start_us": last_us + S})
            self._booted()

    def _booted(self) -> None:
        self.pump.bench.mark(0)
        self.pump.bench.trace(None)
        self._begin_trace()
        self.client.hello()
        self.digest = b""

    def _try(self, action: Callable[[], object]) -> bool:
        """Was it carried out? Whatever the pump refuses is well."""
        done: list[bool] = []

        def attempt() -> None:
            with contextlib.suppress(Refused):
                action()
                done.append(True)

        self._live(attempt)
        return bool(done)

    # --- time and faults ---

    @rule(span_us=st.sampled_from([S, 600 * S, HOUR_US, 3 * HOUR_US, 12 * HOUR_US, DAY_US + HOUR_US]))
    def wait(self, span_us: int) -> None:
        self._live(lambda: self.pump.bench.advance_by(span_us))
        self.check()

    @rule(off_us=st.sampled_from([S, HOUR_US]))
    def power_cut(self, off_us: int) -> None:
        def cut() -> None:
            world = self.pump.bench.power_cut()
            self.pump.restart({"start_us": self._now_us + off_us}, world=world)
            self._booted()

        self._live(cut)

    @rule(
        operation=st.integers(1, 12),
        when=st.sampled_from(["before", "torn", "after"]),
        seed=st.integers(0, 999),
    )
    def power_cut_soon(self, operation: int, when: Any, seed: int) -> None:
        """Amid one of the next operations of the flash, whatever they are for."""
        self._live(lambda: self.pump.bench.power_cut_at_flash_operation(operation, when, seed))

    # --- programs and refills ---

    def _next_program(self, wanted: Changed) -> Values:
        values: Values = copy.deepcopy(self.client.running_program() or self.values)
        values["bridge"] = []
        for name, index, by in wanted:
            CHANGES[name](values, index, by)
        return values

    def _commit(self, kind: int, values: Callable[[], Values]) -> bool:
        client = self.client
        return self._try(lambda: client.commit(client.propose(kind, values()).digest))

    @rule(attempts=attempts)
    def program(self, attempts: list[Changed]) -> None:
        for wanted in attempts:
            self._commit(messages.PROPOSAL_PROGRAM, partial(self._next_program, wanted))
        self.wait(HOUR_US)

    @rule(volume_ml=st.integers(0, 40), residual_ml=st.integers(0, 40), measured=st.booleans())
    def refill(self, volume_ml: int, residual_ml: int, measured: bool) -> None:
        """A lie: the reservoir holds what it held."""
        values = refill_values(
            volume_ml * ML, residual_ml * ML, measured_pl=volume_ml * ML if measured else None
        )
        self._commit(messages.PROPOSAL_REFILL, lambda: values)

    @rule(attempts=attempts, volume_ml=st.integers(1, 40))
    def refill_and_program(self, attempts: list[Changed], volume_ml: int) -> None:
        for wanted in attempts:
            self._commit(messages.PROPOSAL_REFILL_AND_PROGRAM, partial(self._both, volume_ml, wanted))
        self.wait(3 * HOUR_US)

    def _both(self, volume_ml: int, wanted: Changed) -> Values:
        return {**refill_values(volume_ml * ML, ML), **self._next_program(wanted)}

    @rule(attempts=attempts)
    def refill_then_program(self, attempts: list[Changed]) -> None:
        for wanted in attempts:
            self.refill(40, 39, False)
            self._commit(messages.PROPOSAL_PROGRAM, partial(self._next_program, wanted))
        self.wait(3 * HOUR_US)

    @rule(looser=st.lists(st.tuples(loosening, indices, scales), min_size=2, max_size=4))
    def loosen_and_use(self, looser: Changed) -> None:
        """Each in every way, then as high a dose as is taken, by basal rate and bolus; then as it was."""
        for change in looser:
            self._commit(messages.PROPOSAL_PROGRAM, partial(self._next_program, [change]))
            self._commit(messages.PROPOSAL_REFILL_AND_PROGRAM, partial(self._both, 40, [change]))
        for dose_ng in (24_000_000, 9_600_000, 3_900_000):
            if self._commit(messages.PROPOSAL_PROGRAM, partial(self._with_dose, dose_ng)):
                break
        for dose_ng in (1_000_000, 400_000):
            values: Values = {"dose_ng": dose_ng, "duration_us": HOUR_US, "extended": 0}
            self._commit(messages.PROPOSAL_BOLUS, lambda values=values: values)
        self.wait(12 * HOUR_US)
        self._commit(messages.PROPOSAL_PROGRAM, partial(self._with_dose, 2_400_000))

    def _with_dose(self, dose_ng: int) -> Values:
        return {**self._next_program([("continuous", 0, (1, 1))]), "basal_dose_ng_per_day": dose_ng}

    @rule(wanted=changes, refilled=st.booleans())
    def propose_only(self, wanted: Changed, refilled: bool) -> None:
        """Its commit may come much later, or in another session."""

        def propose() -> None:
            values = self._next_program(wanted)
            if refilled:
                self.digest = self.client.propose_refill_and_program(refill_values(ML, ML), values).digest
            else:
                self.digest = self.client.propose_program(values).digest

        self._try(propose)

    @rule(times=st.integers(1, 3))
    def commit_it(self, times: int) -> None:
        for _ in range(times):
            self._try(lambda: self.client.commit(self.digest))

    # --- boluses ---

    @rule(
        dose_ng=st.integers(1_000, 600_000),
        minutes=st.integers(1, 600),
        extended=st.booleans(),
        times=st.integers(1, 4),
    )
    def bolus(self, dose_ng: int, minutes: int, extended: bool, times: int) -> None:
        values: Values = {"dose_ng": dose_ng, "duration_us": minutes * 60 * S, "extended": int(extended)}
        for _ in range(times):
            self._commit(messages.PROPOSAL_BOLUS, lambda: values)
            self.wait(S)

    @rule(times=st.integers(1, 8))
    def patient_boluses(self, times: int) -> None:
        for _ in range(times):
            self._try(self.client.patient_bolus)
            self._live(lambda: self.pump.bench.advance_by(HOUR_US // 2))

    # --- everything else there is ---

    @rule(seconds=st.integers(-2 * 86_400, 2 * 86_400), absolute=st.booleans())
    def clock(self, seconds: int, absolute: bool) -> None:
        values: Values = {"absolute": int(absolute), "day": 0, "second": 0, "us": 0, "offset_us": 0}
        values |= {"day": 9500 + seconds // 86_400, "second": seconds % 86_400} if absolute else {}
        values["offset_us"] = 0 if absolute else seconds * S
        self._commit(messages.PROPOSAL_CLOCK, lambda: values)

    @rule(dry=st.booleans())
    def implant_and_prime(self, dry: bool) -> None:
        self._try(self.client.set_implant_flag)
        self._commit(messages.PROPOSAL_PRIME, lambda: {"dry": int(dry)})

    @rule(role=st.integers(1, 4))
    def pair(self, role: int) -> None:
        """Somebody else asks for a key of his own; then the clinician is back."""
        self._try(lambda: self.client._session.plain(messages.PAIR, {"role": role, "public": b"9" * 32}))

    @rule(
        which=st.lists(
            st.sampled_from(
                [
                    "stop",
                    "stop a while",
                    "resume",
                    "cancel plan",
                    "skip bridge",
                    "confirm",
                    "silence",
                    "test",
                    "self test",
                    "clear fault",
                    "abort",
                    "hello",
                ]
            ),
            min_size=1,
            max_size=3,
        )
    )
    def simple(self, which: list[str]) -> None:
        client = self.client
        actions: dict[str, Callable[[], object]] = {
            "stop": client.stop,
            "stop a while": lambda: client.stop(resume_after_s=600),
            "resume": client.resume,
            "cancel plan": lambda: client.request(messages.CANCEL_PLAN),
            "skip bridge": lambda: client.request(messages.SKIP_BRIDGE),
            "confirm": client.confirm_alarm,
            "silence": client.silence_alarms,
            "test": lambda: client.test_alarm(critical=True),
            "self test": client.self_test,
            "clear fault": client.clear_fault,
            "abort": client.abort,
            "hello": client.hello,
        }
        for name in which:
            self._try(actions[name])


class WithPress(WithoutPress):
    """The same, and now and then somebody who presses for a program, and fills in what it says."""

    @rule(wanted=changes, refilled=st.booleans())
    def pressed(self, wanted: Changed, refilled: bool) -> None:
        """Other drugs or concentrations come with a refill that really happens."""
        steps: list[int] = []

        def commit() -> None:
            client = self.client
            values = self._next_program(wanted)
            values["bridge"] = []  # which counts the old filling's dose, at its concentration
            now: Values = client.running_program() or values
            if refilled or [_content(x) for x in now["drugs"]] != [_content(x) for x in values["drugs"]]:
                proposal = client.propose_refill_and_program(refill_values(40 * ML, ML), values)
            else:
                proposal = client.propose_program(values)
            try:
                client.commit(proposal.digest)
            except Refused as refused:
                if refused.name != "needs_button":
                    raise
                self.pump.bench.press_button()
                steps.append(self._made())
                client.commit(proposal.digest)
                self.truth.agreed.append(Agreed.of(values, self._now_us, steps[0]))

        self._try(commit)


def _content(drug: Values) -> tuple[str, int]:
    return drug["name"], drug["concentration_ng_per_ml"]


def effort(examples: int) -> settings:
    """The same examples in every run; not shrunk, which would take long."""
    return settings(
        max_examples=100 if SOAK else examples,
        stateful_step_count=60 if SOAK else 20,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
        ],
        phases=[Phase.generate],
    )


@pytest.mark.req("SEC-15", "BOL-13", part="each change that loosens something, and then the highest dose")
@pytest.mark.parametrize("held_by", ["limits", "library", "rate"] if SOAK else ["limits", "rate"])
def test_no_single_change_opens_a_way(held_by: str):
    machine = WithoutPress()
    try:
        machine.first(drugs=1, library=held_by == "library", limits=held_by != "rate")
        for name in list(CHANGES)[:LOOSEN]:
            for by in SCALES if SOAK or name in ("name", "library") else [(1, 10), (10, 1)]:
                machine.loosen_and_use([(name, int(name == "library"), by)])
    finally:
        machine.teardown()


@pytest.mark.timeout(7200 if SOAK else 120)
@pytest.mark.req("SEC-15", "BOL-05", "BOL-13", part="any commands in any order, by what physically happened")
@pytest.mark.parametrize(("machine", "examples"), [(WithoutPress, 6), (WithPress, 4)])
def test_no_dose_passes_what_was_pressed_for(machine: type[WithoutPress], examples: int):
    run_state_machine_as_test(machine, settings=effort(examples))
