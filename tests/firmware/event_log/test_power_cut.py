"""The power is cut at flash operations of a script: what was answered as logged is still there.

Each kind of cut takes every sixteenth operation, from another one on; with THECAL_SOAK=1 all (`make soak`).

Bound: only what waited in memory at the cut is lost, that is what happened in the turn of the main loop that
was under way; nothing of it was ever answered. Numbers never repeat, the chain holds.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from firmware.event_log.helpers import (
    DAY,
    HOUR,
    OFTEN,
    S,
    flood_events,
    flood_faults,
    program,
    pump,
    refused_requests,
    whole_log,
)
from thecal.campaigns.multi_boot import MultiBoot
from thecal.emulator.emulator import Emulator
from thecal.emulator.testbench import CutWhen, PowerCut
from thecal.errors import LinkError, PortError, SimulationError
from thecal.link.client import Client
from thecal.link.responses.pump import Event

SOAK = bool(os.environ.get("THECAL_SOAK"))
WHEN: tuple[CutWhen, ...] = ("before", "torn", "after")


@pytest.fixture(scope="module")
def lives() -> Iterator[MultiBoot]:
    with contextlib.closing(MultiBoot()) as lives:
        yield lives


def life(lives: MultiBoot, flash: Path, **settings: int | str) -> MultiBoot:
    """The pump of this flash, booted."""
    lives.begin(flash, {"seed": 3, **settings})
    return lives


@dataclass
class Seen:
    """What the host was told before the cut."""

    events: list[Event]


def script(emulator: Emulator, client: Client, seen: Seen) -> None:
    """Commands and time, the log read in between: over the end of a segment in every ring."""
    steps: list[Callable[[], object]] = [
        lambda: refused_requests(client, 3),
        client.patient_bolus,
        lambda: emulator.bench.advance_by(HOUR),
        client.stop,
        lambda: emulator.bench.advance_by(2 * S),
        client.resume,
        lambda: refused_requests(client, 3, 3),
    ]
    for step in steps:
        step()
        seen.events += client.events(seen.events[-1].sequence + 1)


@dataclass
class Prepared:
    """A pump that is about to fill a segment of each ring."""

    flash: Path
    image: bytes
    key: bytes
    events: list[Event]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    flash = tmp_path_factory.mktemp("flash") / "flash"
    with pump(flash) as emulator, Client.connect(emulator.port) as client:
        key = client.log_key()
        program(client, max_pause_s=1, periodic_boluses=[OFTEN])
        emulator.bench.advance_by(2 * DAY)
        flood_faults(emulator, client, 510)
        while client.log_state().doses.records < 510 - 6:
            emulator.bench.advance_by(HOUR // 2)
        flood_events(client, 1024 - 8 - client.log_state().events.records)
        events = whole_log(client, key)
    return Prepared(flash, flash.read_bytes(), key, events)


def played(pumped: Prepared, lives: MultiBoot, operation: int, when: CutWhen) -> Seen | None:
    """The script with a cut there; None when it had fewer flash operations."""
    seen = Seen(list(pumped.events))
    emulator = life(lives, pumped.flash)
    with Client.connect(emulator.port, timeout_s=0.1, tries=1) as client:
        seen.events += client.events(seen.events[-1].sequence + 1)
        emulator.bench.power_cut_at_flash_operation(operation, when, seed=operation)
        with contextlib.suppress(PowerCut, LinkError, PortError, SimulationError):
            script(emulator, client, seen)
            return None
    return seen


@pytest.mark.req("REC-01", part="after a power cut no number is seen twice, no answered record is gone")
@pytest.mark.req("INT-06", part="the log")
@pytest.mark.parametrize("when", WHEN)
def test_a_cut_at_any_operation_takes_back_nothing_that_was_answered(
    prepared: Prepared, lives: MultiBoot, when: CutWhen
):
    flash = prepared.flash
    cuts = 0
    operation = 1 if SOAK else 1 + 5 * WHEN.index(when)
    while True:
        flash.write_bytes(prepared.image)
        seen = played(prepared, lives, operation, when)
        if seen is None:
            break
        cuts += 1
        with Client.connect(life(lives, flash).port) as client:
            after = whole_log(client, prepared.key)
            assert after[: len(seen.events)] == seen.events, operation
            boots = [event for event in after if event.kind == "boot"]
            assert [event.boot for event in boots] == [1, 2, 3]
            assert len({event.sequence for event in after}) == len(after)
            refused_requests(client, 3)  # and it goes on
            assert len(client.events(after[-1].sequence + 1)) == 3
        operation += 1 if SOAK else 16
    assert cuts > 3
    print(f"{cuts} cuts {when}")


def booted_until(lives: MultiBoot, flash: Path, operation: int) -> bool:
    """Boot with the power cut in that flash operation; False when the boot had fewer. A new pump has its keys
    from pairing."""
    try:
        life(lives, flash, power_cut=f"{operation}:torn:{operation}", provisioned=0)
        return False
    except PowerCut:
        return True


@pytest.mark.req("REC-01", part="after a power cut in the boot itself")
def test_a_cut_in_a_later_boot(prepared: Prepared, lives: MultiBoot):
    flash = prepared.flash
    operation = 1
    flash.write_bytes(prepared.image)
    while booted_until(lives, flash, operation):
        with Client.connect(life(lives, flash, provisioned=0).port) as client:
            assert whole_log(client, prepared.key)[: len(prepared.events)] == prepared.events
        operation += 1 if SOAK else 5
        flash.write_bytes(prepared.image)
    assert operation > 5


@pytest.mark.req("REC-01", part="after a power cut in the very first boot")
def test_a_cut_in_the_first_boot(lives: MultiBoot, tmp_path: Path):
    flash = tmp_path / "flash"
    operation = 1
    while booted_until(lives, flash, operation):
        with Client.connect(life(lives, flash, provisioned=0).port) as client:
            events = whole_log(client, client.log_key())
            assert events[0].sequence == 1
        flash.unlink()
        operation += 2
    assert operation > 10
