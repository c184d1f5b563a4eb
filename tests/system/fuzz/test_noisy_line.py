"""The real client and the real emulated pump over a bad line: no command is ever carried out twice.

A hypothesis state machine gives commands while frames are lost, doubled, reordered and corrupted both ways.
The model is a list of the commands that were carried out, with the microsecond of each; it is held against
the pump's own log, and the steps that were physically made against the exact reference for that list.

THECAL_SOAK=1 makes it minutes instead of seconds.
"""

import os
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from firmware.dosing import oracle, rig
from system.fuzz.lossy_line import LossyLine
from thecal.emulator.emulator import Emulator
from thecal.errors import LinkError, Refused
from thecal.link.cipher import Cipher
from thecal.link.client import Client
from thecal.link.session import CommandOutcome
from thecal_protocol import framing
from thecal_protocol.codec import number_of
from thecal_protocol.messages import PATIENT_BOLUS, REFUSALS, STOP

SOAK = bool(os.environ.get("THECAL_SOAK"))
STEP_VOLUME_PL = 25_000
BOLUS_KIND = {1: "bolus", 2: "patient_bolus"}
NO_SESSION = number_of(REFUSALS, "no_session")
UNAUTHENTICATED = number_of(REFUSALS, "unauthenticated")

seeds = st.integers(0, 2**32 - 1)
spoils = st.sampled_from([0.0, 0.1, 0.3, 0.5])
doses = st.integers(2_000_000, 3_000_000)


def therapy(dose: int) -> dict[str, Any]:
    patient = {"dose_ng": 40_000, "duration_us": 120_000_000, "lockout_us": 600_000_000, "max_per_24h": 6}
    return rig.therapy(step_volume_pl=STEP_VOLUME_PL, basal_dose_ng_per_day=dose, patient_bolus=[patient])


class NoisyLine(RuleBasedStateMachine):
    """One pump, one client, one bad line."""

    def __init__(self) -> None:
        super().__init__()
        self.pump = Emulator(seed=7)
        self.pump.start()
        self.line = LossyLine(self.pump)
        self.client = Client(self.line, timeout_s=1.0, tries=4)
        self.done: list[dict[str, Any]] = []  # commands carried out, as the exact reference takes them
        self.stopped = False

    def teardown(self) -> None:
        try:
            self.line.misbehave(0, 0.0)
            self.client.resolve_outcome()
            self.log_is_what_was_done()
            assert self.client.status().steps == self.pump.bench.truth().steps
        finally:
            self.line.close()
            self.pump.close()

    @initialize(dose=doses)
    def first_program(self, dose: int) -> None:
        self.client.hello()
        self.program(dose, 0, 0.0)

    def _command(self, event: dict[str, Any], seed: int, spoil: float, *steps: Any) -> None:
        """Carry out a command, in steps of which the last one acts, and find out what became of it."""
        self.line.misbehave(seed, spoil)
        values: list[Any] = []
        try:
            for step in steps:
                values.append(step(*values[-1:]))
            happened = True
        except Refused as refused:
            happened = refused.name == "no_session" and self._settled()
        except LinkError:
            happened = self._settled() and len(values) == len(steps) - 1
        if happened:
            self.done.append({"at_us": self.pump.bench.now(), **event})
            self.stopped = event["do"] == "stop" or (self.stopped and event["do"] != "resume")
            if event["do"] == "program":
                self.stopped = False

    def _settled(self) -> bool:
        """The line is good again: was the command carried out?"""
        self.line.misbehave(0, 0.0)
        outcome = self.client.resolve_outcome()
        assert outcome is not CommandOutcome.UNKNOWN
        return outcome is CommandOutcome.CARRIED_OUT

    @rule(dose=doses, seed=seeds, spoil=spoils)
    def program(self, dose: int, seed: int, spoil: float) -> None:
        wanted = therapy(dose)
        event = {"do": "program", "therapy": wanted}
        client = self.client
        self._command(
            event, seed, spoil, lambda: client.propose_program(wanted), lambda p: client.commit(p.digest)
        )

    @rule(dose=st.integers(10_000, 90_000), duration=st.integers(60, 1800), seed=seeds, spoil=spoils)
    def bolus(self, dose: int, duration: int, seed: int, spoil: float) -> None:
        duration_us = duration * 1_000_003
        event = {"do": "bolus", "dose_ng": dose, "duration_us": duration_us, "extended": 0}
        client = self.client
        self._command(
            event,
            seed,
            spoil,
            lambda: client.propose_bolus(dose, duration_us),
            lambda p: client.commit(p.digest),
        )

    @rule(seed=seeds, spoil=spoils)
    def patient_bolus(self, seed: int, spoil: float) -> None:
        self._command({"do": "patient_bolus"}, seed, spoil, self.client.patient_bolus)

    @rule(seed=seeds, spoil=spoils)
    def stop(self, seed: int, spoil: float) -> None:
        self._command({"do": "stop"}, seed, spoil, self.client.stop)

    @rule(seed=seeds, spoil=spoils)
    def resume(self, seed: int, spoil: float) -> None:
        self._command({"do": "resume"}, seed, spoil, self.client.resume)

    @rule(passed_us=st.integers(1, 3_600_000_000))
    def time_passes(self, passed_us: int) -> None:
        now_us = self.pump.bench.advance_by(passed_us)
        assert self.pump.bench.truth().steps == self._exact_steps(now_us)

    @rule(seed=seeds, spoil=spoils)
    def new_session(self, seed: int, spoil: float) -> None:
        self.line.misbehave(seed, spoil)
        try:
            self.client.hello()
        except LinkError:
            self._settled()

    @precondition(lambda self: self.line.sent)
    @rule(data=st.data())
    def old_frame_comes_again(self, data: st.DataObject) -> None:
        """Any frame that was ever sent, now: nothing happens twice."""
        self.line.exchange(self.line.sent[data.draw(st.integers(0, len(self.line.sent) - 1))])

    @rule(
        session=st.integers(1, 0xFFFF),
        seq=st.integers(1, 0xFFFF),
        opcode=st.sampled_from([STOP, PATIENT_BOLUS]),
    )
    def foreign_session(self, session: int, seq: int, opcode: int) -> None:
        """A command of a session that is not the current one, or of none, is refused by name."""
        used = {int.from_bytes(unstuffed(frame)[1:3], "little") for frame in self.line.sent}
        if any(abs(session - one) < 1000 for one in used):
            return
        buffer = bytearray(framing.FRAME_SIZE)
        cipher = Cipher(bytes(16), bytes(8))
        count = framing.seal_secured(buffer, framing.REQUEST_AT, 0, session, seq, opcode, cipher)
        assert self.line.exchange(bytes(buffer[:count]))
        assert self.line.reader.result == NO_SESSION
        count = framing.seal_request(buffer, framing.REQUEST_AT, session, seq, opcode)
        assert self.line.exchange(bytes(buffer[:count]))
        assert self.line.reader.result == UNAUTHENTICATED

    @invariant()
    def log_is_what_was_done(self) -> None:
        self.line.misbehave(0, 0.0)
        seen: list[tuple[str, int]] = []
        for event in self.client.events(1):
            at_us = event.at.s * 1_000_000 + event.at.us
            if event.kind == "program_committed":
                seen.append(("program", at_us))
            elif event.kind in ("stopped", "resumed"):
                seen.append((event.kind.replace("stopped", "stop").replace("resumed", "resume"), at_us))
            elif event.kind == "bolus_started":
                seen.append((BOLUS_KIND[event.code], at_us))
        assert seen == [(event["do"], event["at_us"]) for event in self.done]

    def _exact_steps(self, now_us: int) -> int:
        scenario = {"day": 0, "second": 0, "events": self.done, "end_us": now_us}
        course = oracle.Course(scenario, [None] * len(self.done))
        return len(course.steps(STEP_VOLUME_PL))


def unstuffed(frame: bytes) -> bytes:
    """The body of a sent frame."""
    buffer = bytearray(frame.strip(b"\0"))
    framing.unstuff(buffer, len(buffer))
    return bytes(buffer[1:])


@pytest.mark.req("SEC-02", part="within a boot: no frame is carried out twice")
@pytest.mark.timeout(3600 if SOAK else 120)
def test_no_command_is_carried_out_twice():
    run_state_machine_as_test(
        NoisyLine,
        settings=settings(max_examples=300 if SOAK else 15, stateful_step_count=40 if SOAK else 20),
    )
