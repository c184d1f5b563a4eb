"""A store that somebody else has written to: words, no traceback, and nothing is added to it."""

import contextlib
import io
import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.history.samples import log, write
from host.outside.hostile import HostilePump, honest, plugged
from host.outside.test_shown import OBEYED
from support.bounded import bounded
from thecal import cli
from thecal.history.database import Store
from thecal.history.schema import metadata

SOAK = bool(os.environ.get("THECAL_SOAK"))
RUNS = 10_000 if SOAK else 40  # a tenth of a second each
COMMANDS = (
    "history",
    "history --json",
    "trend --pump F-1",
    "trend --pump F-1 --json",
    "store info",
    "store export --format csv {d}/csv",
    "store export --format fhir --pump F-1 {d}/fhir",
    "store import {d}/l.jsonl --pump F-1",
    "store import --port {port}",
)


def said(command: str, folder: Path, port: str = "") -> tuple[int, str]:
    err = io.StringIO()
    words = command.format(d=folder, port=port).split()
    with (
        bounded(command),
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(err),
    ):
        code = cli.run(words)
    assert code in (0, 1), (command, err.getvalue())
    assert code == 0 or err.getvalue().count("\n") == 1, (command, err.getvalue())
    assert not OBEYED.search((out.getvalue() + err.getvalue()).replace("\n", ""))
    return code, err.getvalue()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with something in each table."""
    honest()
    folder = tmp_path_factory.mktemp("store")
    write(folder / "l.jsonl", log(1, 60))
    with pytest.MonkeyPatch.context() as patch, plugged(HostilePump()) as url:
        patch.setenv("THECAL_STORE", str(folder / "s.sqlite"))
        for command in ("store import --port {port}", "store import {d}/l.jsonl --pump P-1"):
            assert said(command, folder, url)[0] == 0
        with Store.open(folder / "s.sqlite") as store:
            values = {"volume_pl": 10**10, "residual_pl": 10**9, "counted_pl": 10**9}
            store.add_residual("F-1", {"at_us": 5, "local_time": "2026-01-05T00:00:00", **values})
        for command in COMMANDS:
            assert said(command, folder, url)[0] == 0, command
    with sqlite3.connect(folder / "s.sqlite") as file:
        for table in metadata.tables:
            assert file.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > 0, table
        file.execute("PRAGMA journal_mode = DELETE")
    return folder


@pytest.fixture
def spoiled(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A copy to spoil, and the port of a good pump."""
    for name in ("s.sqlite", "l.jsonl"):
        shutil.copy(good / name, tmp_path / name)
    monkeypatch.setenv("THECAL_STORE", str(tmp_path / "s.sqlite"))
    with plugged(HostilePump()) as url:
        yield tmp_path / "s.sqlite", url


ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT"
ALIEN = {
    "a view for a table": "ALTER TABLE pumps RENAME TO p; CREATE VIEW pumps AS SELECT * FROM p",
    "a view without end": (
        f"ALTER TABLE sessions RENAME TO p; CREATE VIEW sessions AS {ENDLESS} x AS id, 1 AS pump_id FROM c"
    ),
    "a trigger that deletes": (
        "CREATE TRIGGER t AFTER INSERT ON sessions BEGIN DELETE FROM records; DELETE FROM programs; END"
    ),
    "a trigger that ignores": "CREATE TRIGGER t BEFORE UPDATE ON pumps BEGIN SELECT RAISE(IGNORE); END",
    "a column more": "ALTER TABLE records ADD COLUMN more TEXT",
    "a column of another name": "ALTER TABLE records RENAME COLUMN tag TO gat",
    "a table less": "DROP TABLE residuals",
    "a virtual table": "DROP TABLE residuals; CREATE VIRTUAL TABLE residuals USING fts5(at_us, local_time)",
    "a later version": "PRAGMA user_version = 3",
    "a version before the first": "PRAGMA user_version = 0",
    "a negative version": "PRAGMA user_version = -7",
}


@pytest.mark.req("HOST-24", part="a store with other tables, views and triggers")
@pytest.mark.parametrize("kind", ALIEN)
def test_what_is_no_store_is_left_as_it_is(kind: str, spoiled: tuple[Path, str]):
    store, port = spoiled
    with contextlib.closing(sqlite3.connect(store)) as file:
        file.executescript(ALIEN[kind])
    before = store.read_bytes()
    for command in COMMANDS:
        code, err = said(command, store.parent, port)
        assert code == 1, command
        assert "is of version 3" in err if kind == "a later version" else "thecal never wrote" in err, err
    assert store.read_bytes() == before


@pytest.mark.req("HOST-24", part="a database of another program is not taken for a store")
def test_another_programs_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place = tmp_path / "places.sqlite"
    with contextlib.closing(sqlite3.connect(place)) as file:
        file.executescript("CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES ('x')")
    before = place.read_bytes()
    monkeypatch.setenv("THECAL_STORE", str(place))
    write(tmp_path / "l.jsonl", log(1, 9))
    code, err = said("store import {d}/l.jsonl --pump P-1", tmp_path)
    assert code == 1
    assert "thecal never wrote" in err
    assert place.read_bytes() == before


VALUES = (
    "x",
    "",
    None,
    b"x",
    1.5,
    -1,
    2**63 - 1,
    -(2**63),
    10**12,
    "9" * 5000,
    "x" * 1_000_001,
    "[" * 50_000,
    "NaN",
    '{"drugs": 5}',
    '{"drugs": [{"name": 5}]}',
    '{"a": "1e999"}',
    "\x1b[31m",
    "9999-12-31T23:59:59",
    "2026-01-05T00:00:00+02:00",
    b"\xff" * 2_000_000,
)


def _spoil(place: Path, rng: random.Random) -> tuple[str, ...]:
    """One to three values of it are others, of any type."""
    done: list[str] = []
    with contextlib.closing(sqlite3.connect(place)) as file:
        file.execute("PRAGMA ignore_check_constraints = ON")
        for _ in range(rng.choice((1, 1, 2, 3))):
            table = rng.choice(sorted(metadata.tables))
            column = rng.choice([column.name for column in metadata.tables[table].c])
            value = rng.choice(VALUES)
            which = (
                rng.choice(("1", "rowid IN (SELECT rowid FROM {t} LIMIT 1)")) if table != "records" else "1"
            )
            with contextlib.suppress(sqlite3.Error):
                file.execute(
                    f"UPDATE OR REPLACE {table} SET {column} = ? WHERE {which.format(t=table)}", (value,)
                )
                done.append(f"{table}.{column} = {value!r:.30}")
        file.commit()
    return tuple(done)


@pytest.mark.req("HOST-24", part="a store with other values")
@pytest.mark.timeout(7200)
def test_values_that_thecal_never_wrote(spoiled: tuple[Path, str], good: Path):
    store, port = spoiled
    for seed in range(RUNS):
        shutil.copy(good / "s.sqlite", store)
        for beside in store.parent.glob("s.sqlite-*"):
            beside.unlink()
        rng = random.Random(seed)
        what = _spoil(store, rng)
        command = rng.choice(COMMANDS)
        try:
            said(command, store.parent, port)
        except Exception as error:
            error.add_note(f"{seed}: {command}: {what}")
            raise
