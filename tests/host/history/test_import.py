"""Logs into the store: exactly, once, whole or not at all, whatever happens meanwhile."""

import contextlib
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.history.samples import digest, held, log, without_text, write
from thecal.errors import ThecalError
from thecal.history import command as store_command
from thecal.history import log_files
from thecal.history.database import Store, StoreError
from thecal.history.schema import signed, unsigned

THECAL = Path(sys.executable).parent / "thecal"
DEADLINE_S = 60


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "store.sqlite"
    monkeypatch.setenv("THECAL_STORE", str(path))
    return path


def bring_in(
    path: Path, *entries: list[dict[str, object]], serial: str = "P-1", suffix: str = "jsonl"
) -> None:
    for index, some in enumerate(entries):
        store_command.import_files([write(path.with_name(f"{index}.{suffix}"), some)], serial, "")


@given(st.integers(0, (1 << 64) - 1))
def test_unsigned_64_bits_there_and_back(value: int):
    assert -(1 << 63) <= signed(value) < 1 << 63
    assert unsigned(signed(value)) == value


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "json"])
def test_every_form_comes_in_exactly(place: Path, suffix: str):
    entries = log(1, 300)
    bring_in(place, entries, serial="" if suffix == "json" else "P-1", suffix=suffix)
    with Store.open(place) as store:
        assert held(store) == without_text(entries, serial="P-1", log=1)


@given(parts=st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=6))
def test_any_order_any_overlap(tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[int, int]]):
    """Parts of one log in any order, as often as you like: each record once."""
    path = tmp_path_factory.mktemp("store") / "s.sqlite"
    with Store.open(path) as store:
        for first, last in parts:
            entries = write(path.with_name("part.jsonl"), log(min(first, last), max(first, last)))
            store.add_log("P-1", log_files.read(entries))
        numbers = {n for first, last in parts for n in range(min(first, last), max(first, last) + 1)}
        assert held(store) == without_text(
            [one for one in log(1, 60) if one["sequence"] in numbers], serial="P-1", log=1
        )


def test_again_changes_nothing(place: Path):
    bring_in(place, log(1, 500), log(400, 600))
    before = digest(place)
    bring_in(place, log(1, 600), log(1, 500), log(550, 560))
    assert digest(place) == before
    with Store.open(place) as store:
        again = store.add_log("P-1", log_files.read(write(place.with_name("x.jsonl"), log(1, 600))))
    assert (again.records, again.new, again.log, again.another) == (600, 0, 1, False)


def test_another_log_of_the_same_pump_stands_beside_the_first(place: Path):
    """New flash, same serial: nothing is mixed, nothing lost, it is said once, and both may come again."""
    done = [store_command.import_files([write(place.with_name("a.jsonl"), log(1, 50))], "P-1", "")]
    forked = log(1, 20) + log(21, 60, seed=2)
    done.append(store_command.import_files([write(place.with_name("b.jsonl"), forked)], "P-1", ""))
    before = digest(place)
    done += [
        store_command.import_files([place.with_name(name)], "P-1", "") for name in ("a.jsonl", "b.jsonl")
    ]
    assert digest(place) == before
    notes = [one["imported"][0].get("note", "") for one in done]
    assert [bool(note) for note in notes] == [False, True, False, False]
    assert "is kept as its log 2; unless the pump's memory was replaced, find out" in notes[1]
    with Store.open(place) as store:
        expected = without_text(log(1, 50), serial="P-1", log=1) + without_text(forked, serial="P-1", log=2)
        assert held(store) == expected


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"sequence": -1}, "sequence is -1"),
        ({"a": 1 << 64}, "a is 18446744073709551616"),
        ({"tag": "00"}, "its tag is not 16 bytes"),
        ({"kind": 7}, "7 is no kind"),
        ({"kind": "x" * 41}, "is no kind"),
        ({"boot": "one"}, "is no whole number"),
    ],
)
def test_a_bad_record_is_named_and_nothing_comes_in(place: Path, change: dict[str, object], why: str):
    entries = log(1, 9)
    entries[6] = {**entries[6], **change}
    with pytest.raises(
        ThecalError, match=r"0\.jsonl, line 7: no record of a log .*nothing was imported"
    ) as caught:
        bring_in(place, entries)
    assert why in str(caught.value)
    with Store.open(place) as store:
        assert held(store) == []


@pytest.mark.parametrize("text", ["", "hello\n", "[1, 2]\n", '{"sequence": 1}\n', '{"events": [3]}', "{]\n"])
def test_what_is_no_log(place: Path, text: str):
    file = place.with_name("x.txt")
    file.write_text(text)
    with pytest.raises(ThecalError, match=r"x\.txt"):
        store_command.import_files([file], "P-1", "")


def test_a_file_that_is_not_there_or_says_not_whose_it_is(place: Path):
    with pytest.raises(ThecalError, match="cannot be read: no such file"):
        store_command.import_files([place.with_name("none")], "P-1", "")
    with pytest.raises(
        ThecalError, match="does not say of which pump it is; name its serial number with --pump"
    ):
        bring_in(place, log(1, 2), serial="")


def test_the_same_number_twice(place: Path):
    with pytest.raises(StoreError, match="the same number stands twice"):
        bring_in(place, log(1, 5) + log(5, 6, seed=2))


def start_import(place: Path, file: Path) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "THECAL_STORE": str(place)}
    command = [str(THECAL), "store", "import", str(file), "--pump", "P-1"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ended(process: "subprocess.Popen[bytes]") -> bool:
    """Has it? Looked at for a millisecond, in which the other may use the processor."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(0.001)
    return process.returncode is not None


def size_of(file: Path) -> int:
    """0: it is not there, or not any more."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def test_killed_at_any_time_then_imported_again(place: Path):
    """kill -9 as soon as so many bytes are written: the store holds all or nothing, and ends up the same."""
    file = write(place.with_name("log.jsonl"), log(1, 5_000))
    with Store.open(place.with_name("whole.sqlite")) as store:
        store.add_log("P-1", log_files.read(file))
    whole = digest(place.with_name("whole.sqlite"))
    with Store.open(place) as store:
        store.add_log("P-1", log_files.read(write(place.with_name("head.jsonl"), log(1, 10))))
    head = digest(place)
    wal = place.with_name("store.sqlite-wal")
    killed = 0
    for written in (0, 1, 60_000, 240_000):
        process = start_import(place, file)
        while not ended(process):
            if size_of(wal) >= written:
                process.send_signal(signal.SIGKILL)
                break
        killed += process.wait(DEADLINE_S) == -signal.SIGKILL
        assert digest(place) in (head, whole)
    assert killed
    assert start_import(place, file).wait(DEADLINE_S) == 0
    assert digest(place) == whole
    checked = sqlite3.connect(place).execute("PRAGMA integrity_check").fetchone()
    assert checked == ("ok",)


def test_killed_while_it_writes(place: Path):
    """Surely in the midst of the transaction: once the WAL has grown, before it is whole."""
    file = write(place.with_name("log.jsonl"), log(1, 25_000))
    Store.open(place).close()
    wal = place.with_name("store.sqlite-wal")
    caught = False
    for _ in range(8):
        process = start_import(place, file)
        while not ended(process):
            if size_of(wal) > 100_000:
                process.send_signal(signal.SIGKILL)
                process.wait(DEADLINE_S)
                break
        caught = process.returncode == -signal.SIGKILL
        with Store.open(place) as store:
            count = len(held(store))
        assert count in (0, 25_000)
        if caught and count == 0:
            break
    assert caught
    assert start_import(place, file).wait(DEADLINE_S) == 0
    with Store.open(place) as store:
        assert held(store) == without_text(log(1, 25_000), serial="P-1", log=1)


def test_two_at_once_wait_for_each_other(place: Path):
    files = [write(place.with_name(f"{n}.jsonl"), log(1, 3000 * n)) for n in (1, 2)]
    processes = [start_import(place, file) for file in files]
    assert [process.wait(DEADLINE_S) for process in processes] == [0, 0]
    with Store.open(place) as store:
        assert held(store) == without_text(log(1, 6000), serial="P-1", log=1)


def test_locked(place: Path):
    Store.open(place).close()
    other = sqlite3.connect(place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with Store.open(place, busy_s=0.05) as store, pytest.raises(StoreError) as caught:
            store.add_pump("P-1")
        assert "another program is writing to the store" in str(caught.value)
        assert "the store was not changed" in str(caught.value)
    finally:
        other.close()
    with Store.open(place) as store:
        assert store.add_pump("P-1") == 1


def test_a_disk_that_is_full(place: Path):
    """Files may not grow past 200 kB: clear words, exit code 1, and what was there is there."""
    bring_in(place, log(1, 50))
    before = digest(place)
    file = write(place.with_name("log.jsonl"), log(1, 10_000))

    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    done = subprocess.run(
        [THECAL, "store", "import", file, "--pump", "P-1"],
        env={**os.environ, "THECAL_STORE": str(place), "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=small,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert f"there is no room for the store {place}" in done.stderr
    assert "the store was not changed: make room, then try again" in done.stderr
    assert done.stderr.count("\n") == 1
    assert digest(place) == before
    bring_in(place, log(1, 10_000))
    with Store.open(place) as store:
        assert len(held(store)) == 10_000


def test_what_is_no_store(place: Path):
    place.write_bytes(b"certainly not a database" * 100)
    with pytest.raises(StoreError, match="is no store, or damaged"):
        Store.open(place)
    assert place.read_bytes().startswith(b"certainly")


def test_a_newer_store_is_left_alone(place: Path):
    Store.open(place).close()
    with sqlite3.connect(place) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="is of version 99, this thecal knows 2; use the newer thecal"):
        Store.open(place)


def test_no_store(place: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(StoreError, match=r"there is no store .* yet"):
        Store.open(create=False)
    with pytest.raises(StoreError, match="cannot be opened"):
        Store.open(Path("/proc/none/store.sqlite"))
    monkeypatch.setenv("THECAL_STORE", "off")
    with pytest.raises(StoreError, match="switched off"):
        Store.open()


def test_it_is_a_wal(place: Path):
    Store.open(place).close()
    assert sqlite3.connect(place).execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_json_of_import(place: Path):
    file = write(place.with_name("log.jsonl"), log(1, 7))
    environment = {**os.environ, "THECAL_STORE": str(place)}
    command = [THECAL, "store", "import", file, "--pump", "P-1", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)["imported"] == [
        {"file": str(file), "serial": "P-1", "records": 7, "new": 7}
    ]
