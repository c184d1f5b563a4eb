"""A pump on the bench that goes on over resets and power cuts, its every step traced and its log read.

Times are the bench's, which goes on over every life of the pump.
"""

from __future__ import annotations

import array
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from thecal.campaigns.base import Violated
from thecal.emulator.emulator import Emulator
from thecal.emulator.testbench import Bench, PumpReset
from thecal.emulator.truth import Truth
from thecal.link.client import Client
from thecal.link.responses.pump import Event
from thecal.link.transport import Transport
from thecal_protocol.alarms import ALARMS
from thecal_protocol.codec import encoded
from thecal_protocol.messages import PROPOSAL_CLOCK, PROPOSAL_PROGRAM, PROPOSE, proposal_fields

_ANSWER_S = 30.0  # the line is clean: what is not answered at once never is, but for a busy machine
_OFF_US = 60_000_000
_NAMES = {row[0]: row[1] for row in ALARMS}


@dataclass(frozen=True)
class Raised:
    """An alarm that was raised, at the bench's time."""

    name: str
    at_us: int
    critical: bool


class _FaultClient(Client):
    """A client that can also leave things half done."""

    def send_piece(self, piece: dict[str, object]) -> None:
        """One piece of a proposal."""
        self._session.request(PROPOSE, piece)

    def ask_on_noise(self) -> None:
        """Questions and a stop that is refused or carried out once, over a line that garbles them."""
        self.status()
        self.alarms()


class FaultPump:
    """One pump over all its lives."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._trace = folder / "steps"
        self._emulator = Emulator(
            seed=seed % 2**31,
            flash=folder / "flash",
            manifest=True,
        )
        self._line: Transport | None = None
        self._zero_us: dict[int, int] = {}  # by boot: the bench's time at the zero of the pump's clock
        self.resets = 0

    def __enter__(self) -> Self:
        self._emulator.start()
        self._connect()
        self._mark_us = self.bench.mark()
        self.bench.trace(self._trace)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._disconnect()
        self._emulator.close()

    @property
    def bench(self) -> Bench:
        """Of the present life."""
        return self._emulator.bench

    def now(self) -> int:
        """The bench's time."""
        return self.bench.now()

    def let(self, span_us: int) -> None:
        """Let time pass, over whatever resets come meanwhile."""
        to_us = self.bench.now() + span_us
        while True:
            try:
                self.bench.advance_to(to_us)
                return
            except PumpReset as reset:
                self._restart_after(reset)
                if self.bench.now() >= to_us:
                    return

    def cut_power(self) -> None:
        """No supply for a minute."""
        now_us = self.bench.now()
        world = self.bench.power_cut()
        self._disconnect()
        self._emulator.restart({"start_us": now_us + _OFF_US}, world=world)
        self.resets += 1
        self._connect()

    def _restart_after(self, reset: PumpReset) -> None:
        self._disconnect()
        self._emulator.restart_after(reset)
        self.resets += 1
        self._connect()

    def _connect(self) -> None:
        self._line = Transport(self._emulator.port)
        press = self._emulator.bench.press_button
        self.client = _FaultClient(self._line, timeout_s=_ANSWER_S, tries=1, button=lambda _: press())
        self.client.hello()
        status = self.client.status()
        self._zero_us[self.client.log_state().boot] = self.bench.now() - status.now.total_us

    def _disconnect(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    # --- what the campaign asks of it ---

    def commit_clock(self, values: dict[str, object]) -> None:
        """Set local time."""
        self.client.commit(self.client.propose(PROPOSAL_CLOCK, values).digest)

    def await_alarm(self, name: str, most_us: int) -> None:
        """Let time pass until this alarm stands. Violated: it does not come."""
        until_us = self.now() + most_us
        while all(alarm.name != name for alarm in self.client.alarms().standing):
            if self.now() >= until_us:
                raise Violated(f"{name} was not raised within {most_us // 10**6} s")
            self.let(10_000_000)

    def half_a_proposal(self) -> None:
        """The first piece of a program is sent, and nothing more."""
        program = self.client.running_program() or {}
        blob = bytes(encoded(proposal_fields(PROPOSAL_PROGRAM), program))
        piece: dict[str, object] = {
            "kind": PROPOSAL_PROGRAM,
            "total": len(blob),
            "offset": 0,
            "data": blob[:100],
        }
        self.client.send_piece(piece)

    def events(self, first: int) -> list[Event]:
        """Records of the log from this number on."""
        return self.client.events(first)

    def bench_us(self, event: Event) -> int:
        """When a record was written, by the bench's time."""
        return self._zero_us.get(event.boot, 0) + event.at.total_us

    def raised(self, events: list[Event]) -> list[Raised]:
        """The alarms among these records."""
        return [
            Raised(_NAMES.get(event.code, str(event.code)), self.bench_us(event), bool(event.b))
            for event in events
            if event.kind == "alarm_raised"
        ]

    def standing(self) -> list[Raised]:
        """The alarms that stand, those too that could not be put into the log."""
        zero_us = self._zero_us[self.client.log_state().boot]
        return [
            Raised(alarm.name, zero_us + alarm.raised.total_us, alarm.critical)
            for alarm in self.client.alarms().standing
        ]

    def truth(self) -> Truth:
        """What physically happened in this life."""
        return self.bench.truth()

    def step_times_us(self) -> list[int]:
        """When every physical step was made, over all lives. The trace is complete afterwards."""
        self.bench.trace(None)
        times = array.array("Q")
        times.frombytes(self._trace.read_bytes())
        return [at_us + self._mark_us for at_us in times]
