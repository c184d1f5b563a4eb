"""A flash without a free block: the log cannot go on and says so, therapy does; and `thecal status` names
what a start found on any flash."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from littlefs.errors import LittleFSError

from firmware.records.cut_checks import RESERVE_STEPS, digest
from firmware.records.flash_images import BLOCKS, SIZE
from firmware.records.reader import Records
from firmware.records.script import DAY as ACTS
from firmware.records.script import FLEX, HOUR_S, US, play, pump_at_day
from support.emulated_keys import keys_for
from support.ready_command import run_command
from thecal.commands import record_errors
from thecal.link.client import Client

HOURS = 3 if os.environ.get("THECAL_SOAK") else 1  # a second each: it looks for a free block again and again
ROOT = Path(__file__).resolve().parents[3]


def filled(image: bytes, leave: int) -> bytes:
    """The same records beside somebody else's files, which leave so many blocks free."""
    records = Records(image)
    files = 0
    for blocks in (*[1] * leave, 64, 8, 1):  # what is taken away again, then large ones: the same, sooner
        for _ in range(1 if files < leave else BLOCKS):
            try:
                records.save(f"another-{files}", bytes(4096 * blocks))
            except LittleFSError:
                break
            files += 1
    for index in range(leave):
        records.remove(f"another-{index}")
    return records.image


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    flash = tmp_path_factory.mktemp("good") / "flash"
    with pump_at_day(flash) as pump:
        play(pump, ACTS[:2], 600)
    return flash.read_bytes()


@pytest.mark.req("INT-04", "REC-05", part="no free block at all")
def test_a_full_flash(good: bytes, tmp_path: Path):
    flash = tmp_path / "flash"
    flash.write_bytes(filled(good, 0))
    with pump_at_day(flash) as pump:
        with Client.connect(pump.port) as client:
            assert [one.name for one in client.alarms().standing] == ["log_failing"]
            pump.bench.advance_by(2 * HOURS * HOUR_S * US)
            assert client.status().state == "infusing"
            made = pump.bench.truth().steps
            assert made > 2 * HOURS * 1000
            client.commit(client.propose_program(FLEX).digest)
        pump.kill()
        pump.restart()
        with Client.connect(pump.port) as client:
            status = client.status()
            assert (status.state, status.program_digest) == ("infusing", digest(FLEX))
            assert made <= client.accounts().steps - Records(good).ledger().steps + RESERVE_STEPS
            assert made <= client.accounts().steps


@pytest.mark.req("INT-04", "REC-05", part="few free blocks")
@pytest.mark.parametrize("leave", [1, 2, 3, 12])
def test_a_flash_that_is_nearly_full(leave: int, good: bytes, tmp_path: Path):
    """Whatever still fits, nothing that was answered is lost."""
    flash = tmp_path / "flash"
    flash.write_bytes(filled(good, leave))
    with pump_at_day(flash) as pump:
        with Client.connect(pump.port) as client:
            pump.bench.advance_by(HOURS * HOUR_S * US)
            client.commit(client.propose_program(FLEX).digest)
            pump.bench.advance_by(HOURS * HOUR_S * US)
            made = pump.bench.truth().steps
            assert client.status().state == "infusing"
        pump.restart()
        with Client.connect(pump.port) as client:
            assert client.status().program_digest == digest(FLEX)
            assert client.accounts().steps >= made


def cut_ledger(image: bytes) -> bytes:
    records = Records(image)
    records.save("ledger", (records.load("ledger") or b"")[:100])
    return records.image


def without_program(image: bytes) -> bytes:
    records = Records(image)
    records.remove(f"program-{records.ledger().program & 1}")
    return records.image


FOUND: dict[str, tuple[Callable[[bytes], bytes], str, int]] = {
    "zeros": (lambda _: bytes(SIZE), "", 6),
    "half a ledger": (cut_ledger, "", 2),
    "no program": (without_program, "", 4),
    "another pump's": (lambda image: image, "UNIX-0002", 8),
}


@pytest.mark.req("INT-04", part="the state has a name where people look")
@pytest.mark.parametrize("name", FOUND)
def test_status_names_what_was_found(name: str, good: bytes, tmp_path: Path):
    make, serial, number = FOUND[name]
    flash = tmp_path / "flash"
    flash.write_bytes(make(good))
    with pump_at_day(flash, serial_number=serial) as pump:
        env = {**os.environ, **keys_for(pump.port), "THECAL_PORT": pump.port}
        told = run_command("status", env=env, check=True)
        document = run_command("status", "--json", env=env, check=True)
    assert f"records       {record_errors.text(number)}\n" in told.stdout
    assert json.loads(document.stdout)["distrusted"] == [number]


def test_every_number_of_the_firmware_has_words():
    persistence = (ROOT / "firmware/pump/records/persistence.py").read_text()
    ledger = (ROOT / "firmware/pump/records/ledger.py").read_text()
    keys = (ROOT / "firmware/pump/link/keys.py").read_text()
    listed = persistence.split("# What could not be trusted")[1].split("\n\n")[0]
    numbers = {int(n) for n in re.findall(r"^[A-Z_]+ = (\d+)", listed, re.M)}
    numbers |= {int(n) for n in re.findall(r"^UNREADABLE = (\d+)", keys, re.M)}
    numbers |= {int(n) for n in re.findall(r"^(?:CORRUPT|OTHER_VERSION) = (\d+)", ledger, re.M)}
    assert numbers == set(record_errors.WORDS)
