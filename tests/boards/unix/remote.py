"""A board worked by hand from a test: calls of the board interface over the emulator's own serial line.

`scripts/remote.py` is the other end. Time is moved with `bench`.
"""

import json
import os
import select
import time
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path

from thecal.emulator.emulator import Emulator

SCRIPTS = Path(__file__).resolve().parent / "scripts"
_ANSWER_S = 20


@dataclass(frozen=True)
class Run:
    """A run as the planner would hand it over, its numbers whole. `last_us` follows unless it is given."""

    steps: int
    first_us: int
    gap_us: int
    lead: int = 0
    carry: int = 0
    modulus: int = 1

    def due_us(self, k: int) -> int:
        """When step k (0: the first) is due: the first microsecond at which the exact volume reaches it.

        In units of 1/modulus microseconds a step lasts gap*modulus + carry, and at the first step's due time
        the volume is `lead` past it.
        """
        exact = k * (self.gap_us + Fraction(self.carry, self.modulus)) - Fraction(self.lead, self.modulus)
        return self.first_us + (ceil(exact) if k else 0)

    def times(self) -> list[int]:
        """The due times of all steps."""
        return [self.due_us(k) for k in range(self.steps)]

    def made_by(self, instant_us: int) -> int:
        """How many steps are due at or before an instant."""
        return sum(due <= instant_us for due in self.times())


class RefusedByBoard(Exception):
    """The board raised ValueError."""


class Remote:
    """The board in a running `Emulator` that booted scripts/remote.py."""

    def __init__(self, emulator: Emulator):
        self.bench = emulator.bench
        self._process = emulator.process
        self._port = os.open(emulator.port, os.O_RDWR | os.O_NOCTTY)

    def close(self) -> None:
        os.close(self._port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, do: str, **values):
        """One call of the board interface; what it returned."""
        self.send(do, **values)
        reply = json.loads(self.read_line())
        if "error" in reply:
            raise RefusedByBoard(reply["error"])
        return reply["value"]

    def send(self, do: str, **values) -> None:
        os.write(self._port, json.dumps({"do": do, **values}).encode() + b"\n")

    def read_line(self) -> bytes:
        """The next line from the board. SimulationError when the pump has ended."""
        line = b""
        deadline_s = time.monotonic() + _ANSWER_S
        while not line.endswith(b"\n"):
            if select.select([self._port], [], [], 0.02)[0]:
                line += os.read(self._port, 4096)
            elif self._process.poll() is not None:
                self.bench.now()
            else:
                assert time.monotonic() < deadline_s, "the board does not answer"
        return line

    def append(self, run: Run) -> None:
        size = -(-max(run.modulus.bit_length(), 1) // 15)
        self.ask(
            "append",
            steps=run.steps,
            first=run.first_us,
            last=run.due_us(run.steps - 1),
            gap=run.gap_us,
            size=size,
            lead=f"{run.lead:x}",
            carry=f"{run.carry:x}",
            modulus=f"{run.modulus:x}",
        )

    def executed(self) -> int:
        return self.ask("executed")

    def in_flight(self) -> int:
        return self.ask("in_flight")

    def call(self, path: str, *arguments: int):
        """A method of the board interface by its dotted name; what it returned."""
        return self.ask("call", path=path.split("."), call=True, **{"with": arguments})

    def read(self, path: str):
        """An attribute of the board interface by its dotted name."""
        return self.ask("call", path=path.split("."), call=False)

    def cancel(self) -> None:
        self.ask("cancel")


def remote_emulator(**options) -> Emulator:
    """An emulator that boots scripts/remote.py instead of the firmware."""
    return Emulator(script=SCRIPTS / "remote.py", **options)
