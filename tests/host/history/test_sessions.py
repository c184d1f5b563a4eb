"""What `program`, `log` and `refill` leave in the store; what `history`, `trend`, `store` make of it."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import pytest

from support.emulated_keys import keys_for
from support.ready_command import run_command
from thecal.emulator.emulator import Emulator
from thecal.eventlog import log_keys
from thecal.history.database import Store
from thecal.history.queries import rows
from thecal.history.schema import programs, records, residuals, sessions
from thecal.link import key_files

THECAL = Path(sys.executable).parent / "thecal"
MORPHINE = Path(__file__).resolve().parents[3] / "examples" / "morphine-constant.toml"
DAY_US = 86_400_000_000
DEADLINE_S = 60

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "data" / "store.sqlite"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(seed=1) as emulator:
        yield emulator


@pytest.fixture
def thecal(place: Path, tmp_path: Path, emulator: Emulator) -> Run:
    """The command, with a store and keys of its own, at the emulated pump."""
    base = {**os.environ, "THECAL_STORE": str(place), "THECAL_KEYS": str(tmp_path / "keys")}

    def run(*arguments: object, code: int = 0, **more: str) -> Done:
        done = run_command(
            *arguments,
            env={
                **base,
                "THECAL_PORT": emulator.port,
                **keys_for(more.get("THECAL_PORT", emulator.port)),
                **more,
            },
            timeout=DEADLINE_S,
        )
        assert done.returncode == code, done.stderr
        return done

    return run


def test_the_trend_of_four_refills(thecal: Run, place: Path, emulator: Emulator):
    """A pump that truly gives 10 % more than it counts: the trend of three refills shows it."""
    thecal("program", MORPHINE, "--yes")
    filled_ml, true = 40, Fraction(11, 10)
    for _ in range(3):
        emulator.bench.advance_by(5 * DAY_US)
        given_ml = 5 * Fraction(120, 1000)
        left = filled_ml - given_ml * true
        thecal("refill", "--volume", "40 mL", "--residual", f"{float(left)} mL", "--yes")
    found = json.loads(thecal("trend", "--json").stdout)
    assert found["serial"] == "UNIX-C4494050"
    assert found["ratio"] == "1.1"
    assert [refill["ratio"] for refill in found["refills"]] == [1.1, 1.1, 1.1]
    assert [refill["counted_nl"] for refill in found["refills"]] == ["39400000"] * 3
    assert "ATTENTION" not in thecal("trend").stdout
    assert "gave 110.00 % of what it counted" in thecal("trend").stdout
    emulator.bench.advance_by(DAY_US)
    thecal("refill", "--volume", "40 mL", "--residual", "36 mL", "--yes")
    assert "ATTENTION: more than 2 mL apart" in thecal("trend").stdout
    told = json.loads(thecal("history", "--json").stdout)["history"]
    assert [line["what"] for line in told].count("refill") == 4
    assert [line["command"] for line in told if line["what"] == "session"] == ["program", *["refill"] * 4]
    (program,) = [line for line in told if line["what"] == "program"]
    assert program["name"] == "Constant morphine"
    assert program["therapy"]["basal_dose_ng_per_day"] == 2_400_000
    assert len(json.loads(thecal("history", "--json", "--last", 2).stdout)["history"]) == 2
    assert "Constant morphine" in thecal("history").stdout
    with Store.open(place) as store:
        kinds = [row["kind"] for row in rows(store, records)]
    assert kinds.count("refilled") == 4


def test_a_program_is_stored_once(thecal: Run, place: Path):
    thecal("program", MORPHINE, "--yes")
    for _ in range(2):
        thecal("log")
        thecal("store", "import")
    with Store.open(place) as store:
        assert len(list(rows(store, programs))) == 1
        assert [row["command"] for row in rows(store, sessions)].count("import") == 2
        assert list(rows(store, residuals)) == []
        (program,) = rows(store, programs)
        numbers = [row["sequence"] for row in rows(store, records)]
        committed = next(row for row in rows(store, records) if row["kind"] == "program_committed")
    assert program["at_us"] == committed["at_us"]
    assert numbers == list(range(1, len(numbers) + 1))
    info = json.loads(thecal("store", "info", "--json").stdout)
    assert info["path"] == str(place)
    assert info["pumps"][0]["records"] == len(numbers)


def test_opting_out(thecal: Run, place: Path):
    thecal("program", MORPHINE, "--yes", "--no-store")
    thecal("log", "--no-store")
    thecal("log", THECAL_STORE="off")
    assert not place.exists()
    done = thecal("history", code=1)
    assert f"there is no store {place} yet; it begins with" in done.stderr


@pytest.mark.req("REC-04", part="no key of a pump gets into the store")
def test_the_store_holds_no_keys(thecal: Run, place: Path, tmp_path: Path, emulator: Emulator):
    """Neither the log key that the computer keeps, nor one that stands in an imported file."""
    thecal("log", "--verify")
    kept = Path(keys_for(emulator.port)["THECAL_KEYS"]) / log_keys.path_of("UNIX-C4494050").name
    key = bytes.fromhex(kept.read_text())
    assert len(key) == key_files.KEY_SIZE
    thecal("program", MORPHINE, "--yes")
    exported = json.loads(thecal("log", "--json").stdout)
    for event in exported["events"]:
        event["key"] = key.hex()
    file = tmp_path / "log.json"
    file.write_text(json.dumps(exported | {"log_key": key.hex()}))
    thecal("store", "import", file)
    with closing(sqlite3.connect(place)) as connection:
        columns = [
            row[1]
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
            ).fetchall()
            for row in connection.execute(f"PRAGMA table_info({name})")
        ]
    assert [name for name in columns if "key" in name or "secret" in name] == []
    for part in place.parent.iterdir():
        held = part.read_bytes()
        assert key not in held
        assert key.hex().encode() not in held.lower()


def test_trouble_with_the_store_is_no_trouble_with_the_pump(thecal: Run, place: Path):
    """The pump is programmed, and what is missing from the store is said, with what to do."""
    place.parent.mkdir()
    place.write_text("no database " * 1000)
    done = thecal("program", MORPHINE, "--yes", "--json")
    assert json.loads(done.stdout)["committed"] is True
    assert "this computer's store lacks it: " in done.stderr
    assert "what the pump did stands, so do not say it again" in done.stderr
    assert "nothing was changed" not in done.stderr
    assert "thecal store import --port" in done.stderr
    assert thecal("store", "info", code=1).stderr.count("\n") == 1


def test_another_memory_in_the_same_pump(thecal: Run, tmp_path: Path):
    thecal("log")
    with Emulator(seed=2, serial_number="UNIX-C4494050") as other:
        done = thecal("log", THECAL_PORT=other.port)
    assert "this is not the log that UNIX-C4494050 had before: it is kept as its log 2" in done.stderr


def test_which_pump(thecal: Run):
    thecal("log")
    with Emulator(seed=3, serial_number="UNIX-0007") as other:
        thecal("log", THECAL_PORT=other.port)
    assert "name one of these with --pump: UNIX-0007, UNIX-C4494050" in thecal("trend", code=1).stderr
    assert "the store knows no pump X" in thecal("history", "--pump", "X", code=1).stderr
    assert json.loads(thecal("trend", "--pump", "UNIX-0007", "--json").stdout)["refills"] == []
