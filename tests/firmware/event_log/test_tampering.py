"""Whoever touches the log without its key is found out: each byte, each record, each order (REC-04)."""

import dataclasses
from pathlib import Path

import pytest

from firmware.event_log.helpers import (
    HOUR,
    flood_events,
    flood_faults,
    program,
    pump,
    refused_requests,
    whole_log,
)
from firmware.event_log.image import DOSES, EVENTS, FAULTS, SLOT, Image, mended
from thecal.emulator.emulator import Emulator
from thecal.eventlog import integrity
from thecal.link.client import Client
from thecal.link.responses.pump import Event, Instant, LogState

KINDS = ("sequence", "kind", "actor", "code", "ref", "a", "b", "boot", "ring", "tag", "at")


@dataclasses.dataclass
class Log:
    """A log as a host has it."""

    key: bytes
    state: LogState
    events: list[Event]

    def flaws(self, events: list[Event] | None = None) -> list[int]:
        verdict = integrity.verify(self.key, self.state, self.events if events is None else events)
        return [flaw.sequence for flaw in verdict.flaws]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """Of a pump with records of every ring and a restart."""
    with (
        pump(tmp_path_factory.mktemp("flash") / "flash") as emulator,
        Client.connect(emulator.port) as client,
    ):
        key = client.log_key()
        program(client, max_pause_s=1)
        emulator.bench.advance_by(11 * HOUR)
        flood_faults(emulator, client, 8)
        emulator.restart()
        client.hello()
        refused_requests(client, 6)
        log = Log(key, client.log_state(), client.events())
    assert log.flaws() == []
    return log


def changed(event: Event, field: str) -> Event:
    value = getattr(event, field)
    if field == "tag":
        value = bytes([value[0] ^ 1]) + value[1:]
    elif field == "at":
        value = Instant(value.s, value.us ^ 1)
    elif field == "kind":
        value = "alarm_raised" if event.kind == "alarm_cleared" else "stopped"
        value = "resumed" if event.kind == value else value
    elif field == "actor":
        value = "observer"
    elif field == "ring":
        value = "events" if value == "doses" else "doses"
    else:
        value ^= 1
    return event._replace(**{field: value})


@pytest.mark.req("REC-04", part="a change of any field of any record shows")
@pytest.mark.parametrize("field", KINDS)
def test_any_change_shows(log: Log, field: str):
    for index, event in enumerate(log.events):
        events = [*log.events[:index], changed(event, field), *log.events[index + 1 :]]
        assert event.sequence - 1 <= min(log.flaws(events)) <= event.sequence + 1, event


@pytest.mark.req("REC-04", part="a record taken out, two exchanged, a copy put in: it shows")
def test_any_removal_exchange_or_copy_shows(log: Log):
    for index, event in enumerate(log.events):
        removed = [*log.events[:index], *log.events[index + 1 :]]
        assert min(log.flaws(removed)) <= event.sequence
        copied = [*log.events[: index + 1], event, *log.events[index + 1 :]]
        assert event.sequence in log.flaws(copied)
        if index:
            exchanged = list(log.events)
            exchanged[index - 1 : index + 1] = [event, log.events[index - 1]]
            assert log.flaws(exchanged)
    for size in range(len(log.events)):
        assert log.flaws(log.events[:size]), size  # the end cut off
        assert log.flaws(log.events[size + 1 :]), size  # the beginning cut off


def places(events: list[Event]) -> list[int]:
    """Where something is changed: the first, second, middle and last record of all, and of each ring."""
    found: set[int] = set()
    for ring in ("", *sorted({event.ring for event in events})):
        mine = [index for index, event in enumerate(events) if ring in ("", event.ring)]
        found |= {mine[0], mine[1], mine[len(mine) // 2], mine[-1]}
    return sorted(found)


@pytest.mark.req("REC-15", part="a file of lines: whatever its beginning and end")
@pytest.mark.parametrize("begins", [0, 1, 7, 20])
def test_of_a_part_it_is_said_what_was_not_checked(log: Log, begins: int):
    part = log.events[begins:-4]
    verdict = integrity.verify_part(log.key, part)
    assert (verdict.flaws, verdict.whole) == ((), False)
    assert (verdict.first, verdict.last, verdict.ends) == (part[0].sequence, part[-1].sequence, "not known")
    assert verdict.begins == ("not known" if begins else "first record")
    assert f"whether any followed {verdict.last} is not known" in verdict.words
    firsts = {next(event.sequence for event in part if event.ring == ring) for ring in {e.ring for e in part}}
    assert set(verdict.untied) <= firsts
    for index in places(part):
        for field in ("a", "at", "kind", "boot", "tag"):
            events = [*part[:index], changed(part[index], field), *part[index + 1 :]]
            found = integrity.verify_part(log.key, events)
            told = bool(found.flaws) or part[index].sequence in found.untied
            assert told, (part[index], field)
            assert not found.whole


@pytest.mark.req("REC-15", part="a filtered log is a part, and said to be one")
@pytest.mark.parametrize("ring", ["faults", "doses"])
def test_a_filtered_log_is_no_broken_one(log: Log, ring: str):
    part = [event for event in log.events if event.ring == ring]
    verdict = integrity.verify_part(log.key, part)
    assert (verdict.flaws, verdict.whole, verdict.only) == ((), False, ring)
    assert f"the file is filtered, it holds the {ring} alone" in verdict.words
    spoilt = [*part[:-1], changed(part[-1], "a")]
    assert integrity.verify_part(log.key, spoilt).flaws or len(part) == 1


@pytest.mark.req("REC-15", part="records taken out, put elsewhere, doubled, of another pump")
def test_what_was_done_to_the_order_is_said_as_it_was(log: Log):
    events = log.events
    other = [
        event._replace(tag=tag)
        for event, tag in zip(
            events, integrity.tags_of(bytes(16), [event.tag for event in events], events), strict=True
        )
    ]
    half = len(events) // 2
    for made, sequence, words in (
        (events[::-1], 1, "the records stand in reverse order, the newest first"),
        ([*events[:half], *events[half - 1 :]], events[half - 1].sequence, "it stands twice"),
        ([*events[half:], *events[:half]], 1, f"it stands after record {events[-1].sequence}"),
        ([*events[:half], *other[half:]], events[half].sequence, "is another pump's"),
        (
            [*events[:half], other[half - 1], *events[half:]],
            events[half - 1].sequence,
            "two different records",
        ),
        ([*events[:half], *events[half + 1 :]], events[half].sequence, "is missing, and no record says why"),
    ):
        for verdict in (integrity.verify(log.key, log.state, made), integrity.verify_part(log.key, made)):
            assert not verdict.whole
            first = verdict.flaws[0]
            assert (first.sequence, words in first.what) == (sequence, True), (first, words)
    assert len(integrity.verify(log.key, log.state, events[::-1]).flaws) == 1  # and nothing else is wrong


@pytest.mark.req("REC-15", part="a date that was changed")
def test_a_changed_date_is_called_one(log: Log):
    for index in places(log.events):
        event = log.events[index]
        later = event._replace(at=Instant(event.at.s + 100 * 365 * 86_400, 0))
        flaws = integrity.verify_part(log.key, [*log.events[:index], later, *log.events[index + 1 :]]).flaws
        assert "its tag does not fit" in flaws[0].what
        assert "it is dated day 36500 of the pump's clock, the record " in flaws[0].what


@pytest.mark.req("REC-15", part="the pump's own word for its ends")
def test_a_whole_log_says_where_it_begins_and_ends(log: Log):
    verdict = integrity.verify(log.key, log.state, log.events)
    assert (verdict.whole, verdict.begins, verdict.ends, verdict.untied) == (
        True,
        "first record",
        "newest",
        (),
    )
    last = log.events[-1].sequence
    assert verdict.words == (
        f"records 1 to {last} ({len(log.events)}) were checked; the first is the pump's very first; "
        f"{last} was the newest that the pump had"
    )
    for missing in (1, 5, 30):
        at_the_end = integrity.verify(log.key, log.state, log.events[:-missing])
        assert "records are missing at the end" in at_the_end.flaws[0].what
        at_the_start = integrity.verify(log.key, log.state, log.events[missing:])
        assert {"records before it are missing, from 1 on"} & {flaw.what for flaw in at_the_start.flaws} or (
            at_the_start.flaws[0].sequence == 1
        )


@pytest.mark.req("REC-04", part="another key finds every record at fault")
def test_with_another_key_nothing_fits(log: Log):
    other = Log(bytes(16), log.state, log.events)
    assert other.flaws() == [event.sequence for event in log.events]


def checked_after(flash: Path, key: bytes, seed: int = 3) -> integrity.Verdict:
    with Emulator(flash=flash, seed=seed) as emulator, Client.connect(emulator.port) as client:
        state = client.log_state()
        return integrity.verify(key, state, client.events())


@pytest.fixture
def filled(tmp_path: Path) -> tuple[Path, bytes]:
    """A flash with 150 records in the ring of events and 10 in that of faults; its key."""
    flash = tmp_path / "flash"
    with pump(flash) as emulator, Client.connect(emulator.port) as client:
        key = client.log_key()
        program(client, max_pause_s=1)
        flood_faults(emulator, client, 10)
        flood_events(client, 150)
        whole_log(client, key)
    return flash, key


def flaws_of(flash: Path, key: bytes, flips: dict[int, int], *, mend: bool) -> set[int]:
    """Flaws after flipping a bit in a byte of each record: {index of the record: byte}."""
    image = Image(flash)
    records = image.records(EVENTS)
    change: dict[int, bytes | None] = {}
    for index, byte in flips.items():
        data = bytearray(records[index].data)
        data[byte] ^= 0x40
        change[index] = mended(bytes(data)) if mend and byte < 44 else bytes(data)
    image.change(EVENTS, change)
    image.save()
    return {flaw.sequence for flaw in checked_after(flash, key).flaws}


@pytest.mark.req("REC-04", part="any flipped byte of a record on flash shows, with the CRC mended or not")
@pytest.mark.parametrize("mend", [False, True], ids=["rotten", "mended"])
def test_a_flipped_byte_of_a_record_on_flash_shows(filled: tuple[Path, bytes], mend: bool):
    """In every second record another byte, so that each flaw stands by itself; its number (the first four
    bytes) in a log of its own each, as that disturbs the order of the others."""
    flash, key = filled
    whole = flash.read_bytes()
    sequences = [record.sequence for record in Image(flash).records(EVENTS)]
    for byte in range(4):
        flash.write_bytes(whole)
        flaws = flaws_of(flash, key, {40: byte}, mend=mend)
        assert sequences[40] in flaws, byte
    flash.write_bytes(whole)
    flips = {2 * byte + 20: byte for byte in range(4, SLOT)}
    flaws = flaws_of(flash, key, flips, mend=mend)
    for index, byte in flips.items():
        assert flaws & {sequences[index], sequences[index] + 1}, byte
    assert len(flaws) >= len(flips)


@pytest.mark.parametrize("ring", [EVENTS, FAULTS, DOSES])
@pytest.mark.req("REC-04", part="records taken out of the flash or exchanged there show")
def test_records_removed_or_exchanged_on_flash_show(filled: tuple[Path, bytes], ring: str):
    flash, key = filled
    whole = flash.read_bytes()
    records = Image(flash).records(ring)
    count = len(records)
    changes: list[dict[int, bytes | None]] = [
        {2: None},
        {0: None},
        {3: None, 4: None, 5: None},
        {4: records[5].data, 5: records[4].data},
        {6: records[7].data},
        {count - 1: None},
        dict.fromkeys(range(count - 3, count)),
    ]
    for change in changes:
        flash.write_bytes(whole)
        image = Image(flash)
        image.change(ring, change)
        image.save()
        flaws = [flaw.sequence for flaw in checked_after(flash, key).flaws]
        first = min(records[index].sequence for index in change)
        if ring == EVENTS and count - 1 in change:
            continue  # numbers and chain go on from the shorter end: only a host that saw more can tell
        assert flaws, change
        assert first - 1 <= flaws[0] <= first + 1, change


@pytest.mark.req("REC-04", part="a record of one ring put into the other shows")
def test_a_record_moved_to_the_other_ring_shows(filled: tuple[Path, bytes]):
    flash, key = filled
    image = Image(flash)
    fault = image.records(FAULTS)[4]
    image.change(FAULTS, {4: None})
    image.change(EVENTS, {20: fault.data})
    image.save()
    assert checked_after(flash, key).flaws


@pytest.mark.req("INT-05", part="a rotten last record of the log")
def test_a_rotten_end_is_explained_and_the_log_goes_on(filled: tuple[Path, bytes]):
    flash, key = filled
    image = Image(flash)
    records = image.records(EVENTS)
    change: dict[int, bytes | None] = {}
    for index in (len(records) - 2, len(records) - 1):
        data = bytearray(records[index].data)
        data[30] ^= 1
        change[index] = bytes(data)
    image.change(EVENTS, change)
    image.save()
    verdict = checked_after(flash, key)
    assert verdict.ok, verdict.flaws
    lost = [(event.code, event.ref, event.a, event.b) for event in verdict.lost]
    assert lost == [(2, 2, records[-2].sequence, records[-1].sequence)]
    assert checked_after(flash, key).ok  # told once


def test_a_lost_key_is_told_and_the_log_goes_on(filled: tuple[Path, bytes]):
    flash, key = filled
    image = Image(flash)
    with image.fs.open("/log-key", "rb") as file:
        data = bytearray(file.read())
    data[12] ^= 1
    with image.fs.open("/log-key", "wb") as file:
        file.write(bytes(data))
    before = max(
        record.sequence for record in image.records(EVENTS) + image.records(FAULTS) + image.records(DOSES)
    )
    image.save()
    assert not checked_after(flash, key, seed=4).ok
    image = Image(flash)
    with image.fs.open("/log-key", "rb") as file:
        new = file.read()[8:24]
    verdict = checked_after(flash, new)
    assert verdict.ok, verdict.flaws[:2]
    assert verdict.unchecked_to == before
