"""What the firmware writes, read by a second implementation; and what that one writes, taken up by the
firmware."""

import os
from pathlib import Path

import pytest

from firmware.records.cut_checks import Day, digest
from firmware.records.flash_images import When, images
from firmware.records.reader import Ledger, Records, fillings_bytes, sealed
from firmware.records.script import CONSTANT, FLEX, HOUR_S, LOCKOUT_S, US, pump_at_day
from thecal.errors import Refused
from thecal.link.client import Client
from thecal_protocol.codec import encoded
from thecal_protocol.messages import PROPOSAL_PROGRAM, proposal_fields

SOAK = bool(os.environ.get("THECAL_SOAK"))
SERIAL = b"UNIX-07E575CC"
FILLINGS = {
    "reservoir_pl": 40_000_000_000,
    "reservoir_mark_pl": 2**30 * 2500,
    "refilled": 0,
    "refill_step": 0,
    "refill_pl": 0,
    "base_step": 0,
    "base_pl": 0,
    "fillings": [
        {"drugs": [("morphine", 20_000_000)], "step_volume_pl": 2500, "first_step": 0, "first_pl": 0}
    ],
}


def canonical(program: object) -> bytes:
    assert isinstance(program, dict)
    return bytes(encoded(proposal_fields(PROPOSAL_PROGRAM), program))


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return Day(tmp_path_factory.mktemp("day"))


@pytest.mark.req("INT-06", part="every state of the flash is read by another implementation")
def test_every_image_is_read(day: Day):
    """After every third operation (THECAL_SOAK=1: every one): the ledger is whole, its documents are there,
    and what was answered is in it."""
    first = day.played[1].last_op
    wanted: dict[int, list[tuple[When, int]]] = {
        o.number: [("after", 0)] for o in day.operations if o.number > first and (SOAK or o.number % 3 == 0)
    }
    sequence = 0
    for operation, _, _, image in images(day.operations, wanted):
        records = Records(image)
        ledger = records.ledger()
        assert Ledger.of(ledger.record()) == ledger
        assert ledger.sequence >= sequence
        sequence = ledger.sequence
        assert operation.steps <= ledger.steps <= operation.steps + 1024
        assert records.program() in [canonical(program) for program in day.programs_at(operation)]
        assert records.fillings()["fillings"]
        assert records.document("pump") == (1, SERIAL)
        answered = [p for p in day.played if p.last_op <= operation.number]
        given = [p.act.at_s * US for p in answered if p.act.name == "patient bolus"]
        assert records.boluses()[: len(given)] == given


def written(ledger: Ledger, program: dict[str, object]) -> bytes:
    """An image that no firmware has seen."""
    records = Records()
    records.save_document("pump", 1, SERIAL)
    records.save_document(f"program-{ledger.program & 1}", ledger.program, canonical(program))
    records.save_document(f"fillings-{ledger.fillings & 1}", ledger.fillings, fillings_bytes(FILLINGS))
    records.save("ledger", ledger.record())
    return records.image


LEDGER = Ledger(
    sequence=77,
    now_us=5 * HOUR_S * US + 123_456,
    steps=2**30 + 12_345,
    prime_steps=300,
    offset_day=9500,
    offset_us=6 * HOUR_S * US,
    flowing=True,
    programmed=True,
    next_ref=9,
    program=6,
    fillings=3,
    resets=4,
    lockout_us=4 * HOUR_S * US,
)


def test_the_firmware_takes_up_what_another_implementation_wrote(tmp_path: Path):
    flash = tmp_path / "flash"
    flash.write_bytes(written(LEDGER, CONSTANT))
    with pump_at_day(flash) as pump, Client.connect(pump.port) as client:
        status = client.status()
        assert status.state == "infusing"
        assert status.now.total_us == LEDGER.now_us
        assert status.program_digest == digest(CONSTANT)
        assert (status.local_day, status.local_s) == (9500, 11 * HOUR_S)
        accounts = client.accounts()
        assert (accounts.steps, accounts.resets) == (LEDGER.steps, 5)
        assert accounts.fillings[0].steps == LEDGER.steps - LEDGER.prime_steps
        with pytest.raises(Refused, match="lockout"):
            client.patient_bolus()
        pump.bench.advance_by(HOUR_S * US)
        assert pump.bench.truth().steps == 48_000 // 24
        client.patient_bolus()
    ledger = Records(flash.read_bytes()).ledger()
    assert ledger.sequence > 77
    assert ledger.next_ref == 10


@pytest.mark.req("INT-06", part="the exact count across a watchdog reset, where memory survives it")
@pytest.mark.parametrize(
    ("reserved", "survived", "made"),
    [
        (1_000_000_000, 999_999_001, 999_999_001),
        (1024, 0, 0),
        (1024, 1, 1),
        (1024, 1024, 1024),
        (1024, 1025, 1024),  # of another life: all that was reserved counts
        (1024, -1, 1024),  # no such memory
        (0, 5, 0),  # how many were reserved is not known: all the same
    ],
)
def test_what_was_reserved_and_not_made_does_not_count(
    reserved: int, survived: int, made: int, tmp_path: Path
):
    ledger = LEDGER.but(reserved=reserved, offset_us=86_399 * US + 999_999, now_us=5 * HOUR_S * US + 999_999)
    flash = tmp_path / "flash"
    flash.write_bytes(written(ledger, CONSTANT))
    with pump_at_day(flash, survived=survived, reset_cause=3) as pump, Client.connect(pump.port) as client:
        assert client.accounts().steps == LEDGER.steps - reserved + made
        status = client.status()
        assert status.now.total_us == ledger.now_us
        local_us = (status.local_day * 86_400 + status.local_s) * US + status.local_us
        assert local_us == 9500 * 86_400 * US + ledger.offset_us + ledger.now_us
        assert [e.code for e in client.events(0) if e.kind == "restored"] == [int(0 <= survived <= reserved)]


def test_the_version_before_is_taken_up(tmp_path: Path):
    """Its reservation is not known, so all of it counts, whatever survived."""
    flash = tmp_path / "flash"
    records = Records(written(LEDGER, CONSTANT))
    records.save("ledger", LEDGER.record(version=1))
    flash.write_bytes(records.image)
    with pump_at_day(flash, survived=3) as pump, Client.connect(pump.port) as client:
        assert client.status().state == "infusing"
        assert client.accounts().steps == LEDGER.steps
    assert Records(flash.read_bytes()).ledger().resets == LEDGER.resets + 1


@pytest.mark.req("DEL-07", part="the file of the program that counts is never the one written next")
def test_the_last_number_of_programs_and_fillings(tmp_path: Path):
    """After it comes 1, in the other file: a cut amid that commit leaves the old program whole."""
    flash = tmp_path / "flash"
    flash.write_bytes(written(LEDGER.but(program=0x7FFE, fillings=0x7FFE), CONSTANT))
    with pump_at_day(flash) as pump, Client.connect(pump.port) as client:
        client.commit(client.propose_program(FLEX).digest)
    records = Records(flash.read_bytes())
    assert (records.ledger().program, records.ledger().fillings) == (1, 1)
    assert records.program() == canonical(FLEX)
    assert records.document("program-0") == (0x7FFE, canonical(CONSTANT))


def test_a_stop_that_ends_by_itself_is_taken_up(tmp_path: Path):
    flash = tmp_path / "flash"
    resume_us = LEDGER.now_us + 600 * US
    flash.write_bytes(written(LEDGER.but(flowing=False, resume_us=resume_us), FLEX))
    with pump_at_day(flash) as pump, Client.connect(pump.port) as client:
        assert client.status().state == "stopped"
        pump.bench.advance_to(600 * US - 1)
        assert client.status().state == "stopped"
        pump.bench.advance_to(600 * US)
        assert client.status().state == "infusing"


@pytest.mark.req("BOL-08", part="the lockout counts from the newest of the records")
def test_the_lockout_counts_from_the_newest_record(tmp_path: Path):
    """A bolus that was on record when the power failed counts, also if it had not begun."""
    flash = tmp_path / "flash"
    records = Records(written(LEDGER.but(lockout_us=0), CONSTANT))
    data = bytearray(772)
    data[0] = 1
    data[4:8] = (LEDGER.now_us // US).to_bytes(4, "little")
    records.save("boluses", sealed(bytes(data)))
    flash.write_bytes(records.image)
    with pump_at_day(flash) as pump, Client.connect(pump.port) as client:
        with pytest.raises(Refused, match="lockout"):
            client.patient_bolus()
        pump.bench.advance_by((LOCKOUT_S - 1) * US)
        with pytest.raises(Refused, match="lockout"):
            client.patient_bolus()
        pump.bench.advance_by(US)
        client.patient_bolus()
