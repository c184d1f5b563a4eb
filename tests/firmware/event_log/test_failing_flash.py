"""When the log cannot be written: therapy goes on, the alarm stands, the gap is explained (REC-05)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.event_log.helpers import (
    DAY,
    HOUR,
    OFTEN,
    S,
    flood_events,
    program,
    pump,
    stop_and_resume,
    whole_log,
)
from firmware.event_log.image import BLOCK_BYTES, Image
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client

QUEUE = 48  # events that wait in memory


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with pump(tmp_path / "flash") as emulator:
        yield emulator


@pytest.mark.req("REC-05")
@pytest.mark.req("REC-01", part="a gap is explained by a record")
@pytest.mark.parametrize("count", [3, QUEUE + 30])
def test_a_failing_flash_is_an_alarm_and_the_gap_is_explained(emulator: Emulator, count: int):
    bench = emulator.bench
    with Client.connect(emulator.port) as client:
        key = client.log_key()
        program(client, periodic_boluses=[])
        bench.advance_by(HOUR)
        flood_events(client, 3)
        before = client.events()
        steps = bench.truth().steps
        bench.flash_fails()
        stop_and_resume(client, count)
        bench.advance_by(10 * S)
        status = client.status()
        assert status.alarms == 2  # of the log, and of the ledger, which each stop would save
        assert client.log_state().failing
        assert client.events() == before  # what is not on flash is not answered
        assert status.next_event == before[-1].sequence + 1
        bench.flash_fails(False)
        bench.advance_by(61 * S)
        bench.advance_by(600 * S)
        assert bench.truth().steps > steps
        events = whole_log(client, key)
        assert events[: len(before)] == before
        assert client.status().alarms == 0
        kinds = [event.kind for event in events[len(before) :]]
        assert kinds.count("alarm_raised") == kinds.count("alarm_cleared") == 2
        told = kinds.count("stopped") + kinds.count("resumed")
        lost = [event for event in events if event.kind == "records_lost"]
        if count < QUEUE:
            assert (told, lost) == (count, [])
            return
        assert told + lost[0].ref == count
        missing = set(range(1, events[-1].sequence)) - {event.sequence for event in events}
        assert missing == set(range(lost[0].a, lost[0].b + 1))
        assert len(missing) == lost[0].ref


@pytest.mark.req("REC-05", part="from the boot on")
def test_a_flash_that_fails_at_boot(tmp_path: Path):
    """Full to the last block but for what is there: the log cannot open its files anew."""
    flash = tmp_path / "flash"
    with pump(flash) as emulator, Client.connect(emulator.port) as client:
        key = client.log_key()
        program(client)
        flood_events(client, 5)
        before = whole_log(client, key)
    image = Image(flash)
    free = (352 - image.fs.used_block_count) * (BLOCK_BYTES - 8)
    with image.fs.open("/ballast", "wb") as file:
        file.write(bytes(free - 3 * BLOCK_BYTES))
    image.save()
    with pump(flash) as emulator, Client.connect(emulator.port) as client:
        stop_and_resume(client, 100)
        steps = emulator.bench.truth().steps
        emulator.bench.advance_by(DAY)
        assert emulator.bench.truth().steps > steps
        assert client.status().state == "infusing"
        assert client.events()[: len(before)] == before
    image = Image(flash)
    image.fs.remove("/ballast")
    image.save()
    with pump(flash) as emulator, Client.connect(emulator.port) as client:
        assert whole_log(client, key)[: len(before)] == before


@pytest.mark.req("DEL-01", part="the log is written without allocating")
def test_days_of_records_with_the_heap_locked(emulator: Emulator):
    """Some 600 records: over the end of a segment, whose successor was opened in advance."""
    with Client.connect(emulator.port) as client:
        key = client.log_key()
        program(client, periodic_boluses=[OFTEN])
        count = len(client.events())
        emulator.bench.advance_by(6 * DAY, locked=True)
        assert len(whole_log(client, key)) > count + 570
