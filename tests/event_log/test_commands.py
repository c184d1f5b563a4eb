"""`thecal log` from the outside, and the keys it keeps."""

import csv
import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from event_log.helpers import flood_events, flood_faults, program, pump
from thecal import keyring, log_keys
from thecal.client import Client
from thecal.emulator import Emulator
from wire.roles import CLINICIAN

RUN = "import sys; from thecal.cli import main; sys.exit(main())"


@pytest.fixture
def emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    monkeypatch.setenv("THECAL_KEYS", str(tmp_path / "keys"))
    with pump(tmp_path / "flash") as emulator:
        Client.connect(emulator.port).close()  # pairs
        keyring.store("UNIX-89626EAE", "clinician", emulator.key(CLINICIAN) or b"")  # for the commands
        yield emulator


def thecal(emulator: Emulator, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", RUN, "log", "--port", emulator.port, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=os.environ)


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
