"""Every command of the command line, as a user would type it: --json gives one document and nothing else,
--help has examples, and the exit codes are the documented ones."""

import json
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from support.pressing import presses
from thecal.cli.app import app
from thecal.cli.declare import EXAMPLES
from thecal.emulator.emulator import Emulator
from thecal.link import keyring

from .conftest import MORPHINE, Thecal, changed
from .test_comfort import leaves

GROUPS = ("bench", "clock", "fault", "library", "mri", "store")  # only commands below them
COMMANDS = {path: found for path, found in leaves(typer.main.get_command(app)) if path not in GROUPS}
# `emulate`, `web` and `pair` run until somebody acts: test_emulate.py, tests/host/web and test_keys.py hold
# their documents.
# `fault clear` needs a fault: test_alarms.py. What reaches a bench needs `emulate`: test_bench.py.
BENCH = tuple(path for path in COMMANDS if path.startswith("bench "))
ELSEWHERE = ("bringup", "emulate", "web", "pair", "fault clear", *BENCH)
WAIT, OURS = "wait 3 h", "library trust {signer} --name us"
_WAIT_US = 3 * 3600 * 1_000_000

# In this order, on one pump. {m}: the morphine example; {w}: at half the concentration; {d}: a folder.
LINES = (
    "check {m}",
    "simulate {m} --for 1h",
    "examples",
    "examples {d}/examples",
    "ports",
    "calibrate --run '40000:99.8 mg' --density '0.9982 g/mL' --mass-uncertainty '0.02 mg'",
    "convert '90 mg/day' --drug morphine --from oral",
    "library show",
    "library show morphine",
    "library make-key {d}/k.pem",
    "library make {d}/l.toml --name Ours --issuer Us",
    "library sign {d}/l.toml --key {d}/k.pem",
    f"library trust {'0f' * 32} --name pharmacy",
    OURS,
    "library verify {d}/l.toml",
    "library use {d}/l.toml",
    "campaign power-cuts --runs 1 --scheduler sync --out {d}/cuts",
    "campaign power-cuts --replay 5",
    "flash --image {d}/thecal.uf2",
    "status",
    "limits",
    "clock show",
    "clock set --to 2026-01-05T08:00 --yes",
    "program {m} --yes",
    "monitor --once",
    WAIT,
    "bolus --patient",
    WAIT,
    "bolus --dose '0.1 mg' --duration '10 min' --yes",
    "mri before",
    "mri after --then bolus --yes",
    "stop",
    "resume",
    "alarms",
    "alarms silence",
    "alarms test",
    "alarms confirm all",
    "fault show",
    "refill --show",
    "refill --volume '40 mL' --residual '39 mL' --yes",
    "prime --dry --implant --yes",
    WAIT,
    "session --change '+10 %' --yes --report {d}/s.html",
    "session --dose '2.64 mg/day' --yes",
    "replace {w} --volume '40 mL' --residual '39 mL' --bridge --yes",
    "skip-bridge --yes",
    WAIT,
    "program {p} --yes",
    "cancel-plan --yes",
    "implant --therapy {w} --primed --yes --confirm-large-change",
    "log --count 5",
    "log --verify",
    "report --out {d}/r.html --pdf {d}/r.pdf --save {d}/r.json",
    "history",
    "trend",
    "store info",
    "store export {d}/csv",
    "store import --port {port}",
    "keys",
    "keys forget P-1",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("every")


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(seed=1) as emulator:
        yield emulator


@pytest.fixture
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Store, keys and libraries of somebody of their own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    monkeypatch.setenv("THECAL_STORE", str(folder / "store.sqlite"))


def words_of(line: str, folder: Path, emulator: Emulator) -> list[str]:
    weaker, plan = folder / "w", folder / "p"
    for path in (weaker, plan):
        path.mkdir(exist_ok=True)
    half = changed(weaker, '"20 mg/mL"', '"10 mg/mL"')
    steps = '[[plan]]\nafter = "1 d"\ndose = "2.5 mg/day"\n[limits]'
    text = half.read_text().replace("[limits]", steps)
    (plan / "p.toml").write_text(text)
    names = {"m": MORPHINE, "w": half, "p": plan / "p.toml", "d": folder, "port": emulator.port}
    if line == OURS:
        names["signer"] = tomllib.loads((folder / "l.toml").read_text())["signature"]["key"]
    return shlex.split(line.format(**names))


@pytest.mark.usefixtures("home")
def test_json_is_one_document_of_every_command(
    quick_thecal: Thecal, folder: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
):
    """One user's way through all of it, in the order in which it makes sense."""
    presses(monkeypatch, emulator)
    keyring.store("P-1", "patient", bytes(16))
    for line in LINES:
        if line == WAIT:
            emulator.bench.advance_by(_WAIT_US)
            continue
        words = words_of(line, folder, emulator)
        done = quick_thecal(*words, "--json", port=emulator.port)
        if line == "skip-bridge --yes":
            assert json.loads(done.out)["text"].startswith("The bridge has ended"), done
        assert done.code == 0, (line, done)
        assert "Traceback" not in done.err
        document = json.loads(done.out)  # one, or this fails
        assert isinstance(document, dict), line
        assert document.get("schema") == 1 or line == "check {m}", (line, sorted(document))
    kinds = {
        row["command"]
        for row in json.loads(quick_thecal("history", "--json").out)["history"]
        if row["what"] == "session"
    }
    assert kinds >= {"program", "bolus", "stop", "resume", "refill", "prime", "session", "replace",
                     "skip-bridge", "cancel-plan", "implant", "clock set", "log"}  # fmt: skip


def test_no_command_is_left_out():
    tried = {path for line in LINES for path in COMMANDS if (line + " ").startswith(path + " ")}
    assert set(COMMANDS) - tried == set(ELSEWHERE)


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_help_has_examples(quick_thecal: Thecal, path: str):
    assert path in EXAMPLES
    done = quick_thecal(*path.split(), "--help")
    assert done.code == 0
    text = " ".join(done.out.split())
    assert "Examples:" in text
    assert EXAMPLES[path][0].split()[0] in text
    assert any("--json" in option.opts for option in COMMANDS[path].params)


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_wrong_usage_is_2_and_one_line(quick_thecal: Thecal, path: str):
    done = quick_thecal(*path.split(), "--no-such-option")
    assert done.code == 2, done
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert f"See `thecal {path} --help`" in done.err


NO_PORT = {
    "emulate",
    "web",
    "campaign",
    "history",
    "trend",
    "ports",
    "check",
    "examples",
    "convert",
    "simulate",
    "calibrate",
    "report",
}


def needs_port(path: str) -> bool:
    return path not in (*NO_PORT, *BENCH) and path.split()[0] not in ("library", "store", "keys")


WITH_PORT = [path for path in sorted(COMMANDS) if needs_port(path)]
ARGUMENTS: dict[str, list[Any]] = {
    "program": [MORPHINE, "--yes"],
    "bolus": ["--patient"],
    "clock set": ["--to", "now", "--yes"],
    "alarms confirm": ["all"],
    "replace": [MORPHINE, "--yes", "--volume", "40 mL", "--residual", "1 mL"],
    "refill": ["--yes", "--volume", "40 mL", "--residual", "1 mL"],
    "monitor": ["--once"],
    "mri after": ["--then", "stop", "--yes"],
}


@pytest.mark.parametrize("path", WITH_PORT)
def test_no_port_is_2_and_a_missing_one_is_1(quick_thecal: Thecal, path: str):
    more = ARGUMENTS.get(path, ["--yes"] if any("--yes" in x.opts for x in COMMANDS[path].params) else [])
    done = quick_thecal(*path.split(), *more)
    assert (done.code, done.out) == (2, ""), done
    assert (
        f"thecal {path}: which {'board' if path in ('bringup', 'flash') else 'pump'}? Give its --port"
        in done.err
    )
    assert done.err.endswith(f"See `thecal {path} --help`.\n")
    done = quick_thecal(*path.split(), *more, port="/dev/ttyNONE")
    assert "there is no port /dev/ttyNONE" in done.error
    assert done.out == ""
