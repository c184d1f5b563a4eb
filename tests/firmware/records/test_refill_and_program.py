"""A refill and its program in one commit: as the one after the other at the same microsecond, and at every
power cut both or neither."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from firmware.records.cut_checks import Day, Judge, digest
from firmware.records.flash_images import When, images
from firmware.records.script import BRIDGED, CONSTANT, DAY, FLEX, HOUR_S, LAST, US, Act, pump_at_day
from support.pressing import presser
from thecal.campaigns.multi_boot import MultiBoot
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.link.client import Client
from thecal.link.proposals import refill_values

SOAK = bool(os.environ.get("THECAL_SOAK"))
ML = 1_000_000_000
SHORT = [act for act in DAY if act.name in ("clock", "program constant", "refill and program")]


@pytest.mark.req("DEL-13", "INT-06", part="every flash operation of the commit is cut")
def test_every_cut_of_the_commit_leaves_both_or_neither(tmp_path: Path):
    """Within each of them, in the long test after each too (after one is before the next)."""
    acts = [Act(**{**vars(act), "at_s": min(act.at_s, HOUR_S)}) for act in SHORT]
    day = Day(tmp_path, acts, 2 * HOUR_S)
    commit = day.played[-1]
    assert commit.act.name == "refill and program"
    within = [o for o in day.operations if commit.first_op < o.number <= commit.last_op]
    assert len(within) > 8
    wanted: dict[int, list[tuple[When, int]]] = {
        o.number: [("torn", o.number + 1000 * k) for k in range(3 if SOAK else 1)] for o in within
    }
    for operation in within if SOAK else within[-2:]:
        wanted[operation.number].append(("after", 0))
    failures: list[str] = []
    flash = tmp_path / "cut.flash"
    with contextlib.closing(MultiBoot()) as pump:
        judge = Judge(pump, flash, day)
        for operation, when, _, image in images(day.operations, wanted):
            failures += [f"{operation.number} {when}: {text}" for text in judge.judge(operation, image)]
        assert judge.programs == {digest(CONSTANT), digest(BRIDGED)}  # some cuts left the old, others the new
    assert not failures, "\n".join(failures)


@dataclass(frozen=True)
class Case:
    """A pump, what is filled in, and the program of it."""

    name: str
    program: dict[str, Any]
    refill: dict[str, object]
    before: Callable[[Emulator, Client], object] = lambda pump, client: None


def _stopped(_: Emulator, client: Client) -> None:
    client.stop()


def _with_bolus(_: Emulator, client: Client) -> None:
    client.commit(client.propose_bolus(200_000, 3600 * US).digest)
    client.patient_bolus()


def _in_a_pocket(pump: Emulator, client: Client) -> None:
    values = refill_values(40 * ML, 39 * ML, lot="beside", measured_pl=30 * ML)
    client.commit(client.propose(4, values).digest)
    pump.bench.advance_by(US)
    assert client.status().state == "halted"


def _flex_and_clock(_: Emulator, client: Client) -> None:
    client.commit(client.propose_program(FLEX).digest)
    client.commit(client.propose_clock_offset(-HOUR_S * US).digest)


REFILL = refill_values(38 * ML, 39 * ML, lot="A1", expiry_day=9600, measured_pl=38 * ML)
CASES = [
    Case("another concentration, bridged", BRIDGED, REFILL),
    Case("the same drug", FLEX, REFILL, _with_bolus),
    Case("a stopped pump", LAST, REFILL, _stopped),
    Case("a flex schedule and a clock that moved", CONSTANT, REFILL, _flex_and_clock),
    Case("more came out than was counted", BRIDGED, refill_values(30 * ML, 30 * ML), _with_bolus),
    Case("the filling before lay beside the pump", FLEX, REFILL, _in_a_pocket),
]


def played(folder: Path, case: Case, *, together: bool) -> list[object]:
    """What there is to see of a pump that was refilled and programmed, then and hours on."""
    folder.mkdir()
    seen: list[object] = []
    with pump_at_day(folder / "flash", folder / "trace") as pump, Client.connect(pump.port) as client:
        client.button = presser(pump)
        client.commit(client.propose_clock(9500, 6 * HOUR_S, 0).digest)
        client.commit(client.propose_program(CONSTANT).digest)
        pump.bench.advance_to(3 * HOUR_S * US + 17)
        case.before(pump, client)
        pump.bench.advance_to(3 * HOUR_S * US + 1800 * US + 1)
        if together:
            committed = client.commit(client.propose_refill_and_program(case.refill, case.program).digest)
        else:
            client.commit(client.propose(4, case.refill).digest)
            committed = client.commit(client.propose_program(case.program).digest)
        seen.append(committed.at)
        for _ in range(9 if SOAK else 3):
            seen += [client.alarms().standing, client.reservoir(), client.accounts(), _status(client)]
            try:
                client.patient_bolus()
                seen.append("given")
            except Refused as refused:
                seen.append((refused.name, refused.detail))
            pump.bench.advance_by(HOUR_S * US)
        assert client.running_program() == case.program
        events = [(e.at.total_us, e.kind, e.code, e.a, e.b) for e in client.events(0)]
        seen += sorted(event for event in events if event[1] not in ("self_tested", "boot"))
    seen.append((folder / "trace").read_bytes())
    return seen


def _status(client: Client) -> dict[str, object]:
    """But for the log's numbers."""
    values = client.status()._asdict()
    return {name: value for name, value in values.items() if name != "next_event"}


@pytest.mark.req("DEL-13", part="the same as refill, then program at the same microsecond")
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_it_is_a_refill_and_a_program_at_one_microsecond(tmp_path: Path, case: Case):
    apart = played(tmp_path / "apart", case, together=False)
    together = played(tmp_path / "together", case, together=True)
    assert len(apart) == len(together)
    for one, other in zip(apart, together, strict=True):
        assert other == one
