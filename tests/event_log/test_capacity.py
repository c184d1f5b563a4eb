"""Two rings: each keeps what it promises, whatever floods the other; and a full log comes down fast."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from event_log.helpers import flood_events, flood_faults, program, pump, whole_log
from event_log.image import EVENTS, FAULTS, Image
from thecal import event_chain
from thecal.answers import Event
from thecal.client import Client
from thecal.emulator import Emulator

PAYLOAD_BYTES = 6 + 4 * 52  # of a page of four records


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with pump(tmp_path / "flash") as emulator:
        yield emulator


def parted(events: list[Event]) -> tuple[list[Event], list[Event]]:
    faults = [event for event in events if event_chain.is_fault(event)]
    return [event for event in events if not event_chain.is_fault(event)], faults


@pytest.mark.req("REC-02", "REC-03")
def test_a_flood_of_events_evicts_no_fault(emulator: Emulator, tmp_path: Path):
    with Client.connect(emulator.port) as client:
        key = client.log_key()
        program(client, max_pause_s=1)
        flood_faults(emulator, client, 10)
        faults = client.events(faults=True)
        assert len(faults) == 10
        flood_events(client, 5700)
        everything = whole_log(client, key)
        events, still = parted(everything)
        assert still == faults
        assert 4096 <= len(events) < 5700
        assert events[-1].sequence - events[0].sequence + 1 == len(events)  # the newest, without a gap
        assert len(client.events(events[0].sequence + 2000, count=9)) == 9
        emulator.restart()
        client.hello()
        after = whole_log(client, key)
        assert after[: len(everything)] == everything
        assert [event.sequence for event in client.events()] == [event.sequence for event in after]
    emulator.kill()
    image = Image(tmp_path / "flash")
    assert [record.sequence for record in image.records(FAULTS)] == [event.sequence for event in faults]
    assert all(record.whole for record in image.records(EVENTS))


@pytest.mark.req("REC-02", "REC-03", part="the other way round")
def test_a_flood_of_faults_evicts_no_event(emulator: Emulator):
    with Client.connect(emulator.port) as client:
        key = client.log_key()
        program(client, max_pause_s=1)
        first = client.events(0, count=1)
        flood_faults(emulator, client, 1800)
        events, faults = parted(whole_log(client, key))
        assert events[0] == first[0]
        assert 1024 <= len(faults) < 1800
        assert faults[-1].kind == "alarm_cleared"
        emulator.restart()
        client.hello()
        assert whole_log(client, key)[: len(events) + len(faults)] == sorted(
            events + faults, key=lambda event: event.sequence
        )
