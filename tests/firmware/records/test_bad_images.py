"""Flash that holds something else, or something broken: every start ends in a named state
(docs/explanation/storage.md), and nothing that was not programmed ever flows.
"""

import os
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware.records.cut_checks import digest
from firmware.records.flash_images import BLOCK_BYTES, SIZE
from firmware.records.reader import Records, sealed
from firmware.records.script import CONSTANT, DAY, HIGHEST, HOUR_S, US, play, pump_at_day
from thecal.emulator.emulator import Emulator
from thecal.emulator.flash_file import flip_flash_bit
from thecal.errors import Refused, SimulationError
from thecal.link.client import Client

SOAK = bool(os.environ.get("THECAL_SOAK"))
EACH = 1 if SOAK else 41  # one byte in so many is flipped

LEDGER, VERSION, PROGRAM, FILLINGS, UNFORMATTED, FLASH_FAILS, ANOTHER_PUMP, BOLUSES = 2, 3, 4, 5, 6, 7, 8, 9
MADE_BY_THEN_S = 2 * HOUR_S + 600


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A pump that has run for two hours and given a patient bolus."""
    flash = tmp_path_factory.mktemp("good") / "flash"
    with pump_at_day(flash) as pump:
        play(pump, DAY[:4], MADE_BY_THEN_S)
    return flash.read_bytes()


def distrusted(client: Client) -> list[int]:
    """The numbers of what could not be trusted at the last start."""
    events = client.events(0)
    boot = max(i for i, event in enumerate(events) if event.kind == "boot")
    return [event.code for event in events[boot:] if event.kind == "records_distrusted"]


def found(image: bytes, folder: Path, **settings: int | str) -> tuple[str, list[int], int, bytes]:
    """What a pump makes of an image: state, what it distrusts, steps made in two hours, the flash then."""
    flash = folder / "flash"
    flash.write_bytes(image)
    with pump_at_day(flash, **settings) as pump, Client.connect(pump.port) as client:
        state, numbers = client.status().state, distrusted(client)
        pump.bench.advance_by(2 * HOUR_S * US)
        return state, numbers, pump.bench.truth().steps, flash.read_bytes()


def can_be_programmed(image: bytes, folder: Path, **settings: int | str) -> None:
    """The way out: a new program runs, with the lockout active, and is there after a restart."""
    flash = folder / "flash"
    flash.write_bytes(image)
    with pump_at_day(flash, **settings) as pump:
        with Client.connect(pump.port) as client:
            client.commit(client.propose_program(CONSTANT).digest)
            with pytest.raises(Refused, match="lockout"):
                client.patient_bolus()
            pump.bench.advance_by(600 * US)
            made = pump.bench.truth().steps
            assert made > 300
        pump.kill()
        pump.restart()
        with Client.connect(pump.port) as client:
            assert client.status().state == "infusing"
            assert distrusted(client) == []
            assert client.accounts().steps >= made


def changed(image: bytes, change: Callable[[Records], None]) -> bytes:
    records = Records(image)
    change(records)
    return records.image


def other_version(records: Records) -> None:
    records.save("ledger", records.ledger().record(version=99))


def shorter_ledger(records: Records) -> None:
    record = records.load("ledger")
    assert record is not None
    records.save("ledger", sealed(record[:4] + struct.pack("<HH", 3, 50) + record[8:-20]))


def half_a_ledger(records: Records) -> None:
    record = records.load("ledger")
    assert record is not None
    records.save("ledger", record[:100])


def no_ledger(records: Records) -> None:
    records.remove("ledger")


def another_program(records: Records) -> None:
    """The one that counts is overwritten by a draft of the next but one."""
    number, data = records.document("program-1")
    records.save_document("program-1", number + 2, data)


def refused_program(records: Records) -> None:
    """Whole, but not what a pump may run: basal mode 200."""
    number, data = records.document("program-1")
    mode = data.index(struct.pack("<BQ", 1, 2_400_000))
    records.save_document("program-1", number, data[:mode] + b"\xc8" + data[mode + 1 :])


IMAGES: dict[str, tuple[Callable[[bytes], bytes], str, list[int]]] = {
    "erased": (lambda _: b"\xff" * SIZE, "unprogrammed", []),
    "zeros": (lambda _: bytes(SIZE), "unprogrammed", [UNFORMATTED]),
    "random": (lambda _: random.Random(1).randbytes(SIZE), "unprogrammed", [UNFORMATTED]),
    "no superblock": (
        lambda good: random.Random(2).randbytes(2 * BLOCK_BYTES) + good[2 * BLOCK_BYTES :],
        "unprogrammed",
        [UNFORMATTED],
    ),
    "another version": (lambda good: changed(good, other_version), "unprogrammed", [VERSION]),
    "fewer words": (lambda good: changed(good, shorter_ledger), "unprogrammed", [VERSION]),
    "half a ledger": (lambda good: changed(good, half_a_ledger), "unprogrammed", [LEDGER]),
    "no ledger": (lambda good: changed(good, no_ledger), "unprogrammed", []),
    "no program": (lambda good: changed(good, lambda r: r.remove("program-1")), "unprogrammed", [PROGRAM]),
    "another program": (lambda good: changed(good, another_program), "unprogrammed", [PROGRAM]),
    "a program out of bounds": (lambda good: changed(good, refused_program), "unprogrammed", [PROGRAM]),
    "no fillings": (lambda good: changed(good, lambda r: r.remove("fillings-1")), "unprogrammed", [FILLINGS]),
    "no serial number": (
        lambda good: changed(good, lambda r: r.remove("pump")),
        "unprogrammed",
        [ANOTHER_PUMP],
    ),
    "the end cut off": (
        lambda good: good[: 3 * BLOCK_BYTES] + b"\xff" * (SIZE - 3 * BLOCK_BYTES),
        "unprogrammed",
        [UNFORMATTED],
    ),
}


@pytest.mark.req("INT-04")
@pytest.mark.parametrize("name", IMAGES)
def test_an_image_that_is_not_ours_boots_to_a_named_state(name: str, good: bytes, tmp_path: Path):
    make, state, numbers = IMAGES[name]
    image = make(good)
    is_state, is_numbers, steps, _ = found(image, tmp_path)
    assert (is_state, is_numbers) == (state, numbers)
    assert (steps > 0) == (state == "infusing")
    can_be_programmed(image, tmp_path)


@pytest.mark.req("INT-04", part="the way out, at the highest rate")
def test_a_fast_program_on_records_that_are_not_trusted(good: bytes, tmp_path: Path):
    """None of its steps is on record before the old records are given up: they wait, and that is no fault."""
    (tmp_path / "flash").write_bytes(changed(good, other_version))
    with pump_at_day(tmp_path / "flash", flash_busy=1) as pump, Client.connect(pump.port) as client:
        client.commit(client.propose_program(HIGHEST).digest)
        assert client.status().state == "infusing"
        pump.bench.advance_by(600 * US)
        assert pump.bench.truth().steps >= 66_600


@pytest.mark.req("INT-04", part="another pump's records")
def test_another_pumps_flash(good: bytes, tmp_path: Path):
    state, numbers, steps, after = found(good, tmp_path, serial_number="UNIX-0002")
    assert (state, numbers, steps) == ("unprogrammed", [ANOTHER_PUMP], 0)
    assert Records(after).ledger() == Records(good).ledger()
    state, numbers, steps, _ = found(after, tmp_path)  # back in its own pump
    assert (state, numbers) == ("infusing", [])
    assert steps > 3000
    can_be_programmed(good, tmp_path, serial_number="UNIX-0002")


def test_another_versions_records_stay_as_they_are(good: bytes, tmp_path: Path):
    image = changed(good, other_version)
    _, _, _, after = found(image, tmp_path)
    for name in ("ledger", "program-1", "fillings-1", "boluses"):
        assert Records(after).load(name) == Records(image).load(name)


def test_a_file_of_the_wrong_size_is_refused(good: bytes, tmp_path: Path):
    flash = tmp_path / "flash"
    flash.write_bytes(good[:-1])
    with pytest.raises(SimulationError, match="1441791 bytes, not 1441792"), pump_at_day(flash):
        pass
    assert flash.read_bytes() == good[:-1]


def flips(good: bytes) -> list[tuple[str, int]]:
    """(document, byte): every byte of each, or a sample."""
    records = Records(good)
    places: list[tuple[str, int]] = []
    for name in ("ledger", "program-1", "fillings-1", "boluses", "pump"):
        record = records.load(name)
        assert record is not None
        places += [(name, at) for at in range(len(record))]
    return places[::EACH]


NUMBERS = {
    "ledger": LEDGER,
    "program-1": PROGRAM,
    "fillings-1": FILLINGS,
    "boluses": BOLUSES,
    "pump": ANOTHER_PUMP,
}


@pytest.mark.timeout(900)
@pytest.mark.req("INT-04", "BOL-08", part="any byte of any document")
def test_a_byte_of_a_document_is_wrong(good: bytes, tmp_path: Path):
    rng = random.Random(4)
    flash = tmp_path / "flash"
    flash.write_bytes(good)
    with Emulator(seed=7, flash=flash) as pump:
        for name, at in flips(good):
            records = Records(good)
            record = bytearray(records.load(name) or b"")
            record[at] ^= rng.randrange(1, 256)
            records.save(name, bytes(record))
            pump.kill()
            flash.write_bytes(records.image)
            pump.restart()
            with Client.connect(pump.port) as client:
                state = client.status().state
                assert distrusted(client) == [NUMBERS[name]], (name, at)
                assert state == ("infusing" if name == "boluses" else "unprogrammed"), (name, at)
                if name == "boluses":
                    with pytest.raises(Refused, match="lockout"):
                        client.patient_bolus()
                    continue
                pump.bench.advance_by(HOUR_S * US)
                assert pump.bench.truth().steps == 0, (name, at)


@pytest.mark.timeout(900)
@pytest.mark.req("INT-04", part="bits that rot anywhere on the flash")
def test_bit_rot_on_the_flash(good: bytes, tmp_path: Path):
    """Single bits in what littlefs and we have written: the program of before, or none; no other."""
    rng = random.Random(5)
    used = [at for at in range(SIZE) if good[at] != 0xFF]
    flash = tmp_path / "flash"
    flash.write_bytes(good)
    known = [b"", digest(CONSTANT)]
    with Emulator(seed=7, flash=flash) as pump:
        for at in rng.sample(used, 2000 if SOAK else 25):
            pump.kill()
            flash.write_bytes(good)
            flip_flash_bit(flash, at, rng.randrange(8))
            pump.restart()
            with Client.connect(pump.port) as client:
                status = client.status()
                pump.bench.advance_by(HOUR_S * US)
                steps = pump.bench.truth().steps
                assert status.program_digest in known, at
                assert status.state == ("infusing" if status.program_digest else "unprogrammed"), at
                assert steps <= 2400 if status.program_digest else steps == 0, at
