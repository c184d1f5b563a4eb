"""`thecal simulate` from the outside, and `make run`."""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from matplotlib.image import imread

from support.ready_command import run_command

ROOT = Path(__file__).resolve().parents[3]
THECAL = Path(sys.executable).parent / "thecal"
MORPHINE = ROOT / "examples" / "morphine-constant.toml"


def thecal(*arguments: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return run_command(*arguments, cwd=cwd, timeout=60)


def test_the_document(tmp_path: Path):
    (tmp_path / "events.toml").write_text(
        '[[event]]\nat = "2.5h"\ndo = "patient_bolus"\n[[event]]\nat = "9000.5s"\ndo = "patient_bolus"\n'
    )
    arguments = ["--for", "1d", "--events", "events.toml", "--start", "2026-03-01T08:00", "--seed", "3"]
    done = thecal("simulate", MORPHINE, *arguments, "--trace", "trace.u64", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert 0 < document.pop("wall_s") < 60
    assert document.pop("events") >= 4
    assert document == {
        "schema": 1,
        "therapy": "Constant morphine",
        "start": "2026-03-01T08:00:00",
        "simulated_s": 86400,
        "state": "infusing",
        "steps": 50000,
        "accounted_steps": 50000,
        "ledger_bound_steps": 1088,
        "volume_nl": "125000",
        "delivered_ng": {"morphine": "2500000"},
        "missed_nl": "0",
        "missed_ng": {"morphine": "0"},
        "tip_ng": {"morphine": "0"},
        "by_source_nl": {"basal": "120000", "patient_bolus": "5000"},
        "boluses": [
            {"kind": "patient", "at_s": 9000, "outcome": "delivered", "reason": None, "given_nl": "5000"},
            {"kind": "patient", "at_s": 9000.5, "outcome": "refused", "reason": "running", "given_nl": "0"},
        ],
        "refusals": [{"what": "patient_bolus", "at_s": 9000.5, "reason": "running", "detail": ""}],
        "left_out": [],
        "refills": [],
        "alarms": [],
        "reservoir_nl": "39875000",
        "resets": 0,
        "trace_sha256": sha256((tmp_path / "trace.u64").read_bytes()).hexdigest(),
    }


def test_for_people(tmp_path: Path):
    (tmp_path / "events.toml").write_text(
        '[[event]]\nat = "90min"\ndo = "patient_bolus"\n[[event]]\nat = "2d"\ndo = "stop"\n'
    )
    done = thecal("simulate", MORPHINE, "--for", "24h", "--events", "events.toml", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == "1 of 2 events lie after the end and did not happen\n"
    assert "  motor steps   48 000 made, 48 000 accounted for by the pump\n" in done.stdout
    assert "  morphine      2.4 mg\n" in done.stdout
    assert "  bolus         0 d 01:30:00  patient refused (lockout), 0 mL\n" in done.stdout


def test_bad_events(tmp_path: Path):
    (tmp_path / "events.toml").write_text('[[event]]\nat = "2"\ndo = "patient_bolus"\n')
    done = thecal("simulate", MORPHINE, "--for", "1d", "--events", "events.toml", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith('event[1].at: "2" has no unit')
    assert done.stderr.count("\n") == 1


def everything_from(terminal: int) -> bytes:
    """What a terminal shows until the last program on it has ended."""
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # how Linux says that the other side is closed
            return shown
        if not piece:
            return shown
        shown += piece


def test_progress_is_for_terminals(tmp_path: Path):
    """A bar on a terminal, on stderr; the document stays clean."""
    ours, theirs = os.openpty()
    command = [str(THECAL), "simulate", str(MORPHINE), "--for", "60d", "--json"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs, env=environment, text=True
    ) as process:
        os.close(theirs)
        shown = everything_from(ours)  # a terminal that nobody reads would stop the simulation
        out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    assert json.loads(out)["steps"] == 60 * 48_000
    assert b"simulating" in shown


@pytest.mark.req("DEL-01", part="make run: every step of a day with boluses at its microsecond")
def test_make_run(tmp_path: Path):
    home = tmp_path / "home"
    home.mkdir()
    for name in ("firmware", "protocol", "boards", "examples"):
        (home / name).symlink_to(ROOT / name)
    environment = {**os.environ, "THECAL_HOME": str(home), "COLUMNS": "100"}
    command = [sys.executable, "-m", "thecal.simulation.demo"]
    done = subprocess.run(
        command, cwd=home, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "DIFFERENT" not in done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["steps", "at", "their", "exact", "microsecond", "56000", "56000", "equal"] in rows
    assert ["morphine", "in", "all", "2.8", "mg", "2.8", "mg", "equal"] in rows
    for name in ("run.png", "run-bolus.png"):
        assert (home / "build" / name).read_bytes().startswith(b"\x89PNG")
    committed = imread(ROOT / "docs" / "images" / "run.png")
    made = imread(home / "build" / "run.png")
    assert made.shape == committed.shape
    assert abs(made - committed).mean() < 0.002, "the README's picture is another: make pictures"
