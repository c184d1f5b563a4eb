"""Who changed what, when and why: in the store, in `history`, `history --compare`, in the exports."""

import csv
import io
import json
import lzma
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer

from support.emulated_keys import keys_for
from support.ready_command import run_command
from thecal.cli.app import app
from thecal.emulator.emulator import Emulator
from thecal.history import command as store_command
from thecal.history.database import Store, StoreError
from thecal.history.queries import rows
from thecal.history.schema import SINCE_2, VERSION, sessions

ROOT = Path(__file__).resolve().parents[3]
MORPHINE = ROOT / "examples" / "morphine-constant.toml"
OLD_STORES = ROOT / "tests" / "data" / "store-1"
SERIAL_NUMBERS = {"0.1.0": "UNIX-0001", "protocol-3": "UNIX-C4494050"}
DEADLINE_S = 60
HOUR_US = 3_600_000_000

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(seed=1) as emulator:
        yield emulator


@pytest.fixture
def thecal(place: Path, emulator: Emulator) -> Run:
    base = {**os.environ, "THECAL_STORE": str(place), "THECAL_PORT": emulator.port, **keys_for(emulator.port)}

    def run(*arguments: object, code: int = 0, **more: str) -> Done:
        done = run_command(*arguments, env={**base, **more}, timeout=DEADLINE_S)
        assert done.returncode == code, done.stderr
        return done

    return run


def changed(folder: Path, old: str, new: str, name: str = "next.toml") -> Path:
    path = folder / name
    text = MORPHINE.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


@pytest.mark.req(
    "REC-20", part="the reason stays on this computer, beside the change, in history and exports"
)
@pytest.mark.req("REC-21", part="a session shows what was asked for, refused and confirmed before it")
def test_who_changed_what_when_and_why(thecal: Run, place: Path, tmp_path: Path, emulator: Emulator):
    thecal("program", MORPHINE, "--yes")
    emulator.bench.advance_by(2 * HOUR_US)
    more = changed(tmp_path, "2.4 mg/day", "3 mg/day")
    thecal("bolus", "--patient")
    thecal("bolus", "--patient", code=1)
    thecal("program", more, "--yes", "--reason", "pain 7 of 10\n at rest")
    thecal("stop", "--reason", "=cmd|' /C calc'!A0 \u202e")
    told = json.loads(thecal("history", "--json").stdout)["history"]
    first, second = [line for line in told if line["what"] == "program"]
    assert (first["number"], first["first"], first["reason"]) == (1, True, None)
    assert (second["number"], second["reason"], second["actor"]) == (2, "pain 7 of 10 at rest", "clinician")
    [change] = [one for one in second["changes"] if one["field"] == "basal_dose_ng_per_day"]
    assert (change["old"], change["new"]) == ("2.4 mg/day", "3 mg/day")
    lines = [line for line in told if line["what"] == "session"]
    assert [line["command"] for line in lines] == ["program", "bolus", "program", "stop"]
    refused = [one for line in lines for one in line["since"]["requests"] if one["outcome"] == "refused"]
    assert {(one["request"], one["refused_for"], one["times"]) for one in refused} >= {
        ("patient bolus", "running", 1)
    }
    assert lines[-1]["missed_nl"] == "0"
    text = thecal("history").stdout
    assert "clinician: basal dose: 2.4 mg/day -> 3 mg/day" in text
    assert "reason: pain 7 of 10 at rest" in text
    assert "\u202e" not in text
    thecal("store", "export", tmp_path / "csv")
    sheets = {
        path.stem: list(csv.DictReader(io.StringIO(path.read_text())))
        for path in (tmp_path / "csv").glob("*")
    }
    [row] = [one for one in sheets["changes"] if one["new"] == "3 mg/day"]
    assert (row["actor"], row["old"], row["reason"]) == ("clinician", "2.4 mg/day", "pain 7 of 10 at rest")
    assert row["local_time"]
    assert [one["reason"] for one in sheets["sessions"]][-1].startswith("'=cmd")
    asked = {(one["request"], one["outcome"]) for one in sheets["requests"]}
    assert {("patient bolus", "cut short"), ("patient bolus", "refused")} <= asked


@pytest.mark.req("REC-20", part="where a reason cannot be kept, nothing is done")
@pytest.mark.parametrize(
    ("more", "off", "said"),
    [
        (["--no-store"], "", "--reason and --no-store exclude each other"),
        ([], "off", "is kept in the store, which is off: unset THECAL_STORE"),
        (["--reason", "again"], "", "--reason is said twice"),
        ("long", "", "500 at most"),
        ("empty", "", "says nothing"),
    ],
)
def test_a_reason_that_cannot_be_kept(
    more: list[str] | str,
    off: str,
    said: str,
    place: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: Any,
):
    from thecal import cli

    monkeypatch.setenv("THECAL_STORE", off or str(place))
    reason = {"long": "x" * 501, "empty": "  "}.get(str(more), "why")
    extra = more if isinstance(more, list) else []
    code = cli.run(["stop", "--port", "/dev/nothing", "--reason", reason, *extra])
    error = capfd.readouterr().err
    assert code == 2, error
    assert said in " ".join(error.split())
    assert not place.exists()


@pytest.mark.req("REC-20", part="every command that changes a dose or a therapy takes a reason")
def test_every_command_that_changes_a_pump_takes_a_reason():
    """Whatever keeps its session in the store and may change what is given."""
    without: list[str] = []

    def look(command: Any, path: str) -> None:
        for name in getattr(command, "commands", {}) or ():
            part = (
                command.get_command(None, name) if hasattr(command, "get_command") else command.commands[name]
            )
            look(part, f"{path} {name}".strip())
        names = {name for option in getattr(command, "params", ()) for name in option.opts}
        if "--no-store" in names and "--reason" not in names:
            without.append(path)

    group = typer.main.get_command(app)
    for name in group.list_commands(None):  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]
        look(group.get_command(None, name), str(name))  # pyright: ignore
    assert sorted(without) == ["calibrate", "log"]  # neither changes a therapy


def old_store(name: str, place: Path) -> Path:
    place.write_bytes(lzma.decompress((OLD_STORES / f"{name}.sqlite.xz").read_bytes()))
    return place


def everything(path: Path) -> dict[str, list[dict[str, Any]]]:
    """What a store holds, by SQLite itself; without the columns that came later."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: [
                {name: value for name, value in dict(row).items() if name not in SINCE_2}
                for row in connection.execute(f"SELECT * FROM {table}")
            ]
            for table in tables
        }


@pytest.mark.req("REC-13", part="a store of version 1 becomes today's in place, all it holds with it")
@pytest.mark.parametrize("name", SERIAL_NUMBERS)
def test_an_older_store_becomes_todays_with_all_it_holds(
    name: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    before = everything(old_store(name, place))
    monkeypatch.setenv("THECAL_STORE", str(place))
    for _ in range(2):
        store_command.show_history(SERIAL_NUMBERS[name], 0, None)
    text = capsys.readouterr().out
    assert everything(place) == before
    with closing(sqlite3.connect(place)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert "2.4 mg/day -> 3 mg/day" in text  # of 0.1.0 by its two programs, today by the pump's own record
    assert "clinician: " in text
    assert "patient: patient bolus refused, running: once" in text or "patient bolus refused" in text
    with Store.open(place) as store:
        assert {row["reason"] for row in rows(store, sessions)} == {None}
        values = {**next(rows(store, sessions)), "reason": "as ever", "committed_us": 5, "missed_pl": 7}
        del values["serial"], values["id"], values["at"]
        store.add_session(SERIAL_NUMBERS[name], values)
        assert [row["reason"] for row in rows(store, sessions)].count("as ever") == 1


@pytest.mark.req("REC-13", part="a store that cannot be brought up stays as it was")
def test_an_older_store_that_somebody_writes_to(place: Path):
    before = everything(old_store("protocol-3", place))
    with closing(sqlite3.connect(place, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another program is writing to the store"):
            Store.open(place, busy_s=0.05)
    assert everything(place) == before
    with closing(sqlite3.connect(place)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        connection.execute("ALTER TABLE sessions RENAME COLUMN alarms TO missed_pl")  # no thecal made this
        connection.commit()
    odd = everything(place)
    with pytest.raises(StoreError, match="thecal never wrote"):
        Store.open(place)
    assert everything(place) == odd


@pytest.mark.req("REC-22")
def test_two_programs_side_by_side(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    old_store("protocol-3", place)
    monkeypatch.setenv("THECAL_STORE", str(place))
    said: list[dict[str, Any]] = []
    with Store.open(place) as store:
        from thecal.history.schema import programs

        digest = [row["digest"].hex() for row in rows(store, programs)][-1]
    third = changed(tmp_path, "2.4 mg/day", "5.4 mg/day")
    for one, other, wanted in (
        ("1", "2", ("2.4 mg/day", "3 mg/day", "1.25", False)),
        ("before", "last", ("2.4 mg/day", "3 mg/day", "1.25", False)),
        ("last", "1", ("3 mg/day", "2.4 mg/day", "0.8", False)),
        ("1", digest[:6], ("2.4 mg/day", "3 mg/day", "1.25", False)),
        ("2", str(third), ("3 mg/day", "5.4 mg/day", "1.8", False)),
        (str(MORPHINE), str(third), ("2.4 mg/day", "5.4 mg/day", "2.25", True)),
    ):
        store_command.compare("", one, other, said.append)
        [dose] = [x for x in said[-1]["settings"] if x["field"] == "basal.dose"]
        assert (dose["old"], dose["new"], dose["ratio"], dose["large"]) == wanted, (one, other)
    store_command.compare("", "1", "2", None)
    out = capsys.readouterr().out
    assert "basal.dose" in out
    assert "x 1.25" in out
    assert "1 of " in out
    store_command.compare("", "2", "2", None)
    assert "They do not differ." in capsys.readouterr().out
    for wrong in ("0", "3", "ffffff", "no.such"):
        with pytest.raises(Exception, match=r'has no program "'):
            store_command.compare("", "1", wrong, None)
    with pytest.raises(Exception, match="cannot be read"):
        store_command.compare("", "1", "none.toml", None)


def test_fhir_tells_who_changed_what_and_what_was_refused(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("THECAL_STORE", str(old_store("protocol-3", place)))
    store_command.export("fhir", tmp_path, "", 60, "Patient/17")
    document = json.loads((tmp_path / "UNIX-C4494050.fhir.json").read_text())
    found = [entry["resource"] for entry in document["entry"]]
    first, second = [one for one in found if one["resourceType"] == "AuditEvent"]
    assert first["entity"][0]["detail"][0] == {"type": "name", "valueString": "none -> Constant morphine"}
    [detail] = second["entity"][0]["detail"]
    assert detail == {"type": "basal dose", "valueString": "2.4 mg/day -> 3 mg/day"}
    assert second["agent"][0]["who"] == {"display": "clinician"}
    assert second["recorded"] == "2000-01-01T02:00:00+01:00"
    [refused] = [one for one in found if one.get("status") == "not-done"]
    assert refused["statusReason"] == [{"text": "running"}]
