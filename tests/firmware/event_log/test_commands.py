"""`thecal log` from the outside, and the keys it keeps."""

import csv
import io
import json
import stat
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from firmware.event_log.helpers import flood_events, flood_faults, program, pump, therapy
from firmware.event_log.image import EVENTS, Image
from support.ready_command import run_command
from thecal.emulator.emulator import Emulator
from thecal.eventlog import log_keys
from thecal.history import command
from thecal.history.database import Store
from thecal.history.timeline import history
from thecal.link import keyring
from thecal.link.client import Client
from thecal.report.blocks import Table
from thecal.report.record import of_pump
from thecal.report.summary import build
from thecal_protocol.roles import CLINICIAN


@pytest.fixture
def emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    monkeypatch.setenv("THECAL_KEYS", str(tmp_path / "keys"))
    with pump(tmp_path / "flash") as emulator:
        Client.connect(emulator.port).close()  # pairs
        keyring.store("UNIX-89626EAE", "clinician", emulator.key(CLINICIAN) or b"")  # for the commands
        yield emulator


def thecal(emulator: Emulator, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return run_command("log", "--port", emulator.port, *arguments, timeout=60)


def fill(emulator: Emulator) -> None:
    with Client.connect(emulator.port) as client:
        log_keys.obtain(client, "UNIX-89626EAE")
        program(client, max_pause_s=1)
        flood_faults(emulator, client, 4)
        flood_events(client, 20)


def test_every_form_shows_every_record(emulator: Emulator):
    fill(emulator)
    document = json.loads(thecal(emulator, "--json").stdout)
    lines = [json.loads(line) for line in thecal(emulator, "--jsonl").stdout.splitlines()]
    table = list(csv.DictReader(io.StringIO(thecal(emulator, "--csv").stdout)))
    text = thecal(emulator).stdout.splitlines()
    count = len(document["events"])
    assert count > 30
    assert len(lines) == count + 1  # each look opens a session, which is a record
    assert lines[:count] == document["events"]
    assert [row["sequence"] for row in table[:count]] == [str(line["sequence"]) for line in lines[:count]]
    assert [row["tag"] for row in table[:count]] == [line["tag"] for line in lines[:count]]
    assert len(text) == count + 3
    assert "reference_time" in text[1]
    assert "local time 2000-01-01 00:00:00" in text[1]


def test_parts_of_the_log(emulator: Emulator):
    fill(emulator)

    def numbers(*arguments: str) -> list[int]:
        done = thecal(emulator, "--jsonl", *arguments)
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["sequence"] for line in done.stdout.splitlines()]

    last = numbers()[-1]
    assert numbers("--from", "20", "--count", "4") == [20, 21, 22, 23]
    assert numbers("--range", "5..9") == [5, 6, 7, 8, 9]
    assert numbers("--range", "..3") == [1, 2, 3]
    assert numbers("--count", "2") == [last + 3, last + 4]
    assert len(numbers("--faults")) == 4
    assert numbers("--faults", "--count", "2") == numbers("--faults")[-2:]
    wrong = thecal(emulator, "--range", "5-9")
    assert wrong.returncode == 1
    assert "write it like 100..200" in wrong.stderr


@pytest.mark.req("REC-04", part="thecal log --verify")
def test_verify_says_that_all_is_well_and_where_it_is_not(emulator: Emulator, tmp_path: Path):
    fill(emulator)
    good = thecal(emulator, "--verify")
    assert (good.returncode, good.stderr) == (0, "")
    assert "records checked" in good.stdout
    assert json.loads(thecal(emulator, "--verify", "--json").stdout)["ok"] is True
    log_keys.store("UNIX-89626EAE", bytes(16))
    bad = thecal(emulator, "--verify")
    assert bad.returncode == 1
    assert "first at record 1" in bad.stderr
    assert len(bad.stderr.splitlines()) == 1
    log_keys.path_of("UNIX-89626EAE").unlink()
    assert thecal(emulator, "--verify").returncode == 0  # the pump tells a clinician again


@pytest.mark.req("REC-15", part="thecal log --verify: both ends, and what this computer has read before")
def test_verify_says_how_far_it_went_and_misses_what_was_cut_off(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fill(emulator)
    monkeypatch.setenv("THECAL_STORE", str(tmp_path / "store.sqlite"))
    before = thecal(emulator, "--verify")
    assert "records checked: records 1 to " in before.stdout
    assert "was the newest that the pump had" in before.stdout
    assert "not checkable: whether newer ones were taken off its flash" in before.stdout
    document = json.loads(thecal(emulator, "--verify", "--json").stdout)  # it was remembered meanwhile
    assert (document["checked"]["whole"], document["checked"]["unchecked"]) == (True, [])
    assert document["checked"]["last"] >= document["seen_to"] > 30
    emulator.close()

    image = Image(tmp_path / "flash")
    count = len(image.records(EVENTS))
    image.change(EVENTS, dict.fromkeys(range(count - 4, count)))
    image.save()
    with pump(tmp_path / "flash") as again:
        assert thecal(again, "--verify", "--no-store").returncode == 0  # the pump itself cannot tell
        done = thecal(again, "--verify")
        assert done.returncode == 1
        assert "this computer has read" in done.stderr


def test_a_key_is_nobody_elses_to_read(emulator: Emulator, tmp_path: Path):
    with Client.connect(emulator.port) as client:
        key = log_keys.obtain(client, "a/../b")
        path = log_keys.path_of("a/../b")
        assert path.parent == tmp_path / "keys"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert log_keys.stored("a/../b") == key == client.log_key()
        program(client)
        log_keys.store("a/../b", bytes(16))
        assert log_keys.obtain(client, "a/../b") == bytes(16)  # what was kept first counts
        path.write_text("rubbish")
        with pytest.raises(log_keys.NoLogKey, match="holds no log key"):
            log_keys.obtain(client, "a/../b")
        path.unlink()
    with (
        Client.connect(emulator.port, role="observer") as observer,
        pytest.raises(log_keys.NoLogKey, match="only to a clinician"),
    ):
        log_keys.obtain(observer, "a/../b")


@pytest.mark.req("REC-09", part="thecal log, history and report show it")
def test_a_change_is_shown_as_old_and_new(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("THECAL_STORE", str(tmp_path / "store.db"))
    row = ("clinician", "basal dose", "2.4 mg/day", "3.6 mg/day")
    shown = "basal dose: 2.4 mg/day -> 3.6 mg/day"
    with Client.connect(emulator.port) as client:
        program(client, basal_dose_ng_per_day=2_400_000)
        emulator.bench.advance_by(60_000_000)
        changed = therapy(basal_dose_ng_per_day=3_600_000)
        at_us = client.commit(client.propose_program(changed).digest).at.total_us
        digest = client.status().program_digest
    line = next(line for line in thecal(emulator).stdout.splitlines() if shown in line)
    assert "clinician" in line
    with Store.open() as store:
        serial = command.known_pumps(store)[0]["serial"]
        store.add_program(serial, digest, changed | {"library": []}, at_us)
        told = [one["changes"] for one in history(store, "", 0) if one.get("at_us") == at_us]
    assert row in [(c["actor"], c["words"], c["old"], c["new"]) for c in told[-1]]
    done = run_command("history", timeout=60, check=True)
    assert f"clinician: {shown}" in done.stdout
    with Client.connect(emulator.port) as client:
        report = build(of_pump(client, "here"), client.log_key(), datetime(2026, 1, 1))
    blocks = next(blocks for title, blocks in report.sections if title == "Changes of the program")
    assert isinstance(blocks[1], Table)
    assert row in [cells[1:] for cells in blocks[1].rows]
