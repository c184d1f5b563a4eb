"""What must hold after a power cut, judged by what had been answered and what the motor had made.

`Day` plays the script once and knows, for every operation of the flash, what came before it; `judge` boots a
pump on the image that a cut left and says what is wrong with it: nothing, or a list of sentences.

What therapy allows after the reset is read from a trace of the same day without a cut, in which no command
follows the last one that counts: the pump's own clock says where in it the pump goes on.
"""

import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from firmware.records.flash_images import Operation, read_log
from firmware.records.script import (
    DAY,
    END_S,
    HOUR_S,
    LOCKOUT_S,
    US,
    Act,
    Played,
    play,
    pump_at_day,
    steps_of,
)
from thecal.campaigns.multi_boot import MultiBoot
from thecal.errors import Refused
from thecal.link.client import Client
from thecal.link.proposals import digest_of
from thecal_protocol.codec import encoded
from thecal_protocol.messages import PROPOSAL_PROGRAM, proposal_fields

RESERVE_STEPS = 1024  # firmware/pump/records/ledger.py, reserve_steps(2500)
ON_S = 2 * HOUR_S  # so long therapy is watched after the reset
FILL_PL = 40_000_000_000


def digest(program: object) -> bytes:
    """What the pump calls this program; empty for none."""
    if program is None:
        return b""
    assert isinstance(program, dict)
    return digest_of(PROPOSAL_PROGRAM, bytes(encoded(proposal_fields(PROPOSAL_PROGRAM), program)))


def program_of(acts: list[Act]) -> object:
    """The last program among some commands, or None."""
    programs = [act.program for act in acts if act.program is not None]
    return programs[-1] if programs else None


@dataclass(frozen=True)
class Future:
    """What the first `count` commands lead to."""

    acts: list[Act]
    times: "array.array[int]"  # of every step, without a cut

    @property
    def program(self) -> object:
        return program_of(self.acts)

    @property
    def refills(self) -> list[int]:
        """What refills filled in, newest first."""
        return [act.refill_pl for act in reversed(self.acts) if act.refill_pl is not None]

    def steps_by(self, at_us: int) -> int:
        return bisect_right(self.times, at_us)

    def flows_at(self, at_us: int) -> bool:
        """Is it flowing at an instant (the commands having been given at theirs)?"""
        flows = False
        for act in self.acts:
            if act.at_s * US > at_us:
                break
            if act.flows is not None:
                flows = act.flows
                if act.after_s is not None and at_us >= (act.at_s + act.after_s) * US:
                    flows = True
        return flows

    def interrupted_steps(self, from_us: int, to_us: int) -> int:
        """The most that boluses under way in this span can still owe: they end with a reset."""
        owed = 0
        for act in self.acts:
            if act.at_s * US <= to_us and from_us <= (act.at_s + act.lasts_s) * US:
                owed += act.most_steps
        for bolus, start_us in self._periodic_starts(to_us):
            if from_us <= start_us + bolus["duration_us"]:
                owed += steps_of(bolus["dose_ng"])
        return owed

    def _periodic_starts(self, to_us: int) -> Iterator[tuple[dict[str, int], int]]:
        """The periodic boluses of the last program that begin by an instant."""
        program = next((act for act in reversed(self.acts) if act.program is not None), None)
        if program is None or program.program is None:
            return
        for bolus in program.program["periodic_boluses"]:
            start_us = program.at_s * US + bolus["first_us"]
            while start_us <= to_us:
                yield bolus, start_us
                start_us += bolus["every_us"]

    def locked_out_at(self, at_us: int) -> bool:
        starts = [a.at_s for a in self.acts if a.name == "patient bolus" or a.program is not None]
        return any(s * US <= at_us < (s + LOCKOUT_S) * US for s in starts)


class Day:
    """The day without a cut: its commands, the log of its flash, its futures. `acts`: of another day."""

    def __init__(self, folder: Path, acts: list[Act] = DAY, end_s: int = END_S):
        self._folder = folder
        self._acts = acts
        self._ends_s = [*(act.at_s for act in acts), end_s]  # of the first 0, 1, ... commands
        self._futures: dict[int, Future] = {}
        log = folder / "operations"
        with pump_at_day(folder / "day.flash", flash_log=str(log)) as pump:
            self.played: list[Played] = play(pump, acts, end_s)
        self.operations = read_log(log)
        self.flash = (folder / "day.flash").read_bytes()

    def future(self, count: int) -> Future:
        """The day with its first `count` commands only, as far as a cut before the next can look."""
        if count not in self._futures:
            flash = self._folder / f"future-{count}.flash"
            trace = self._folder / f"future-{count}.trace"
            with pump_at_day(flash, trace) as pump:
                play(pump, self._acts[:count], self._ends_s[count] + ON_S + 60)
            self._futures[count] = Future(self._acts[:count], array.array("Q", trace.read_bytes()))
            flash.unlink()
            trace.unlink()
        return self._futures[count]

    def futures_at(self, operation: Operation) -> list[Future]:
        """With every command answered before this operation; and with the one under way, if there is one."""
        return [self.future(count) for count in self._counts_at(operation)]

    def programs_at(self, operation: Operation) -> list[object]:
        """The programs that may be on the flash right after this operation."""
        return [program_of(self._acts[:count]) for count in self._counts_at(operation)]

    def _counts_at(self, operation: Operation) -> list[int]:
        """How many commands count: those answered before, and perhaps the one under way."""
        answered = sum(played.last_op < operation.number for played in self.played)
        if answered < len(self.played) and self.played[answered].first_op < operation.number:
            return [answered, answered + 1]
        return [answered]

    def under_way(self, operation: Operation) -> str:
        """What the pump was doing."""
        for played in self.played:
            if played.first_op < operation.number <= played.last_op:
                return played.act.name
        return "boot" if operation.number < self.played[0].first_op else "therapy"


class Judge:
    """Boots a pump on one image after another and collects what is wrong."""

    def __init__(self, pump: MultiBoot, flash: Path, day: Day):
        self._pump = pump
        self._flash = flash
        self._day = day
        self.most_over = 0  # accounted and not made, the highest seen
        self.most_behind_us = 0  # how far the pump's clock fell back, the most seen
        self.boots = 0
        self.programs: set[bytes] = set()  # that were found
        self._resets = 1

    def operations_of_boot(self, image: bytes) -> list[Operation]:
        """What the pump does to this flash while it boots."""
        log = self._flash.with_suffix(".log")
        self._boot(image, log)
        return read_log(log)

    def _boot(self, image: bytes, log: Path | None = None) -> None:
        if self._pump.port:
            self._pump.kill()
        self._flash.write_bytes(image)
        self._pump.begin(self._flash, {"seed": 8, "flash_log": "" if log is None else str(log)})

    def judge(self, operation: Operation, image: bytes, resets: int = 1) -> list[str]:
        """Everything that does not hold after a cut there that left this image. `resets`: the cuts so far,
        this one included; those before came while the pump booted."""
        self._boot(image)
        self._resets = resets
        self.boots += 1
        wrong: list[str] = []
        futures = self._day.futures_at(operation)
        with Client.connect(self._pump.port) as client:
            self._check_state(client, operation, futures, wrong)
            self._check_therapy(client, operation, futures, wrong)
        return wrong

    def _check_state(
        self, client: Client, operation: Operation, futures: list[Future], wrong: list[str]
    ) -> None:
        status = client.status()
        accounts = client.accounts()
        self.programs.add(status.program_digest)
        if status.program_digest not in [digest(future.program) for future in futures]:
            wrong.append("the program is neither the old nor the new one")
        elif status.program_digest and digest(client.running_program()) != status.program_digest:
            wrong.append("the program reads back otherwise")
        elif status.program_digest:
            self._check_refills(client, status.program_digest, futures, wrong)
        over = accounts.steps - operation.steps
        self.most_over = max(self.most_over, over)
        if over < 0:
            wrong.append(f"{-over} steps more were made than are accounted for")
        if over > RESERVE_STEPS * self._resets:
            wrong.append(f"{over} steps are accounted for and were not made")
        behind_us = operation.at_us - status.now.total_us
        self.most_behind_us = max(self.most_behind_us, behind_us)
        if behind_us < 0:
            wrong.append(f"the clock is {-behind_us} us ahead")
        booted = operation.number > self._day.played[0].first_op
        if booted and not 1 <= accounts.resets <= self._resets:
            wrong.append(f"{accounts.resets} resets counted")

    def _check_refills(self, client: Client, program: bytes, futures: list[Future], wrong: list[str]) -> None:
        """A refill is on record whole: volume, lot, what was counted; with the program that came with it."""
        reservoir = client.reservoir()
        held = (program, reservoir.filled_pl, reservoir.lot, len(reservoir.checks))
        allowed: list[tuple[bytes, int, str, int]] = []
        for future in futures:
            refills = future.refills
            lot = f"L{refills[0] // 1_000_000_000}" if refills else ""
            filled_pl = refills[0] if refills else FILL_PL
            allowed.append((digest(future.program), filled_pl, lot, len(refills)))
        if held not in allowed:
            wrong.append(f"program and refill are {held}, and {allowed} were allowed")

    def _check_therapy(
        self, client: Client, operation: Operation, futures: list[Future], wrong: list[str]
    ) -> None:
        bench = self._pump.bench
        from_us = client.status().now.total_us
        steps = client.accounts().steps
        locked_out = all(future.locked_out_at(from_us) for future in futures)
        if locked_out:
            try:
                client.patient_bolus()
                wrong.append("a patient bolus was given inside the lockout")
            except Refused as refused:
                if refused.name not in ("lockout", "stopped", "bridge"):
                    wrong.append(f"patient bolus refused as {refused.name}")
        bench.advance_by(ON_S * US)
        status = client.status()
        made = bench.truth().steps
        to_us = status.now.total_us
        if client.accounts().steps - steps != made:
            wrong.append("the count is not what the motor made")
        troubles = [
            _trouble(future, from_us, to_us, operation.at_us, made, status.state) for future in futures
        ]
        if all(troubles):
            wrong.append(" or ".join(troubles))


def _trouble(future: Future, from_us: int, to_us: int, cut_us: int, made: int, state: str) -> str:
    """What does not agree with this future; empty when all does."""
    wanted = "unprogrammed" if future.program is None else "infusing" if future.flows_at(to_us) else "stopped"
    if state != wanted:
        return f"{state} instead of {wanted}"
    allowed = future.steps_by(to_us) - future.steps_by(from_us)
    if made > allowed + 1:
        return f"{made} steps made where {allowed} are allowed"
    least = allowed - future.interrupted_steps(from_us, cut_us) - 1
    if made < least:
        return f"{made} steps made instead of at least {least}"
    return ""
