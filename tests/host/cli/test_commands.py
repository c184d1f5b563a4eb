"""The other commands against a pump: what they print for people, what for scripts."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.emulated_keys import keys_for
from thecal.emulator.emulator import Emulator

from .conftest import DEADLINE_S, THECAL, Thecal, heed_ctrl_c

HOUR_US = 3_600_000_000


def test_status(thecal: Thecal, pump: Emulator):
    pump.bench.advance_by(HOUR_US)
    done = thecal("status", "--port", pump.port, "--json")
    assert done.err == ""
    status = json.loads(done.out)
    hours = status["now_s"] // 3600
    assert status["state"] == "infusing"
    assert status["therapy"] == "Constant morphine"
    assert status["steps"] == 2000 * hours
    assert status["delivered_ng"] == {"morphine": str(100_000 * hours)}
    assert status["rate_nl_per_day"] == "120000"
    assert status["basal_ng_per_day"] == "2400000"
    assert status["bolus"] is None
    words = dict(line.split(maxsplit=1) for line in thecal("status", port=pump.port).out.splitlines())
    assert words["state"] == "infusing"
    assert words["therapy"] == "Constant morphine"
    assert words["rate"] == "120 uL/day"


def test_status_of_a_blank_pump(thecal: Thecal, blank: Emulator):
    status = json.loads(thecal("status", "--json", port=blank.port).out)
    assert status["state"] == "unprogrammed"
    assert status["therapy"] is None
    assert status["delivered_ng"] == {}


def test_status_takes_the_long_way_round_too(thecal: Thecal, pump: Emulator):
    """`quick` and typer lead to the same."""
    assert thecal("status", f"--port={pump.port}").out == thecal("status", "--port", pump.port).out
    assert thecal("status", "--jso", port=pump.port).code == 2
    assert "Show the pump now" in thecal("status", "--help").out


def test_status_starts_light(pump: Emulator):
    """Within 0.3 s on a quiet machine: nothing that takes long to import."""
    code = (
        "import sys; from thecal.cli import run; code = run(sys.argv[1:]); heavy = {'pint', 'pydantic', "
        "'matplotlib', 'numpy', 'rich', 'typer', "
        "'dataclasses', 'inspect'} & set(sys.modules); sys.exit(str(heavy) if heavy else code)"
    )
    python = THECAL.parent / "python"
    command = [str(python), "-c", code, "status", "--port", pump.port]
    environment = {**os.environ, **keys_for(pump.port)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=DEADLINE_S, check=False, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_stop_and_resume(thecal: Thecal, pump: Emulator):
    assert thecal("stop", port=pump.port).out == "The pump is stopped.\n"
    refused = thecal("bolus", "--patient", port=pump.port)
    assert refused.error == (
        "the pump refused the patient's bolus: stopped, delivery is stopped; "
        "resume first with `thecal resume`"
    )
    resumed = json.loads(thecal("resume", "--json", port=pump.port).out)
    assert resumed == {"schema": 1, "state": "infusing", "outcome": "carried_out"}
    assert "not_stopped" in thecal("resume", port=pump.port).error


def test_boluses(quick_thecal: Thecal, pump: Emulator):
    asked = quick_thecal("bolus", "--dose", "0.2 mg", "--duration", "10 min", port=pump.port, stdin="n\n")
    assert asked.code == 1
    assert asked.out.startswith("The pump understood: a bolus of 200 mcg over 10 min.\n")
    assert "8.33 % of the basal dose of a day" in asked.out
    large = quick_thecal("bolus", "--dose", "2 mg", "--duration", "2 min", "--yes", port=pump.port)
    assert "max_rate" in large.error
    assert large.error.endswith("; give it over 362 s or more")
    given = quick_thecal("bolus", "--dose", "0.2mg", "--duration", "10min", "--yes", "--json", port=pump.port)
    assert json.loads(given.out)["kind"] == "clinician"
    bolus = json.loads(quick_thecal("status", "--json", port=pump.port).out)["bolus"]
    assert bolus == {"kind": "clinician", "given_nl": "0", "left_us": 600_000_000}
    pump.bench.advance_by(300_000_000)
    assert "100 mcg given, 5 min left" in quick_thecal("status", port=pump.port).out
    pump.bench.advance_by(4 * HOUR_US)
    patient = quick_thecal("bolus", "--patient", port=pump.port)
    assert (patient.out, patient.code) == ("The patient's bolus runs.\n", 0)
    pump.bench.advance_by(HOUR_US // 2 + 1)
    again = quick_thecal("bolus", "--patient", port=pump.port)
    assert again.error == (
        "the pump refused the bolus: lockout since the last bolus, commit or refill; ask again in 1 h 30 min"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--dose", "0.2", "--duration", "10 min"],
        ["--dose", "0.2 mg", "--duration", "600"],
        ["--dose", "0.2 mg"],
        ["--patient", "--dose", "0.2 mg"],
        [],
    ],
)
@pytest.mark.req("HOST-01", part="flags")
def test_wrong_bolus_flags(quick_thecal: Thecal, pump: Emulator, arguments: list[str]):
    done = quick_thecal("bolus", *arguments, "--yes", port=pump.port)
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith("thecal bolus: ")
    assert done.err.count("\n") == 1


def test_log(quick_thecal: Thecal, pump: Emulator):
    document = json.loads(quick_thecal("log", "--json", port=pump.port).out)
    sequences = [event["sequence"] for event in document["events"]]
    assert sequences == list(range(1, len(sequences) + 1))
    kinds = {event["kind"] for event in document["events"]}
    assert {"boot", "session_opened", "program_committed"} <= kinds
    lines = quick_thecal("log", "--from", "2", "--jsonl", port=pump.port).out.splitlines()
    assert json.loads(lines[0])["sequence"] == 2
    words = quick_thecal("log", port=pump.port).out.splitlines()
    assert words[0].split()[:4] == ["1", "0", "d", "00:00:00.000000"]
    assert quick_thecal("log", "--json", "--follow", port=pump.port).code == 2
    assert len(quick_thecal("log", "--count", "2", "--jsonl", port=pump.port).out.splitlines()) == 2
    assert quick_thecal("log", "--count", "0", port=pump.port).code == 2
    backwards = quick_thecal("log", "--range", "5..2", port=pump.port)
    assert (backwards.code, backwards.out) == (1, "")
    assert backwards.err == "no record lies from 5 to 2; write the lower number first\n"


def test_limits(quick_thecal: Thecal, pump: Emulator):
    limits = json.loads(quick_thecal("limits", "--json", port=pump.port).out)["limits"]
    assert limits["basal_rate_pl_per_day"] == {"low": 48_000_000, "high": 24_000_000_000}
    assert " 48 uL/day " in quick_thecal("limits", port=pump.port).out


def test_clock(quick_thecal: Thecal, pump: Emulator):
    set_to = quick_thecal("clock", "set", "--to", "2026-01-05T12:00", "--yes", port=pump.port)
    assert set_to.out == "Mon 2026-01-05 12:00:00\n"
    moved = quick_thecal("clock", "set", "--offset", "-30min", "--yes", "--json", port=pump.port)
    assert json.loads(moved.out)["local_time"] == "2026-01-05T11:30:00"
    not_asked = quick_thecal("clock", "set", "--offset", "+1h", port=pump.port)
    assert not_asked.code == 1
    shown = json.loads(quick_thecal("clock", "show", "--json", port=pump.port).out)
    assert shown["local_time"] == "2026-01-05T11:30:00"
    assert quick_thecal("clock", "set", port=pump.port).code == 2
    assert quick_thecal("clock", "set", "--to", "noon", port=pump.port).code == 2


def test_monitor_once(thecal: Thecal, pump: Emulator):
    shown = thecal("monitor", "--once", port=pump.port)
    assert shown.code == 0
    for word in ("infusing", "120 uL/day", "Constant morphine", "of 40 mL", "morphine"):
        assert word in shown.out
    document = json.loads(thecal("monitor", "--once", "--json", port=pump.port).out)
    assert document["state"] == "infusing"


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A pty: (our end, the program's end)."""
    ours, theirs = os.openpty()
    with closing(open(ours, "rb", buffering=0, closefd=True)), closing(open(theirs, "rb", buffering=0)):  # noqa: PTH123
        yield ours, theirs


def test_monitor_on_a_terminal_ends_with_ctrl_c(pump: Emulator, terminal: tuple[int, int]):
    ours, theirs = terminal
    command = [str(THECAL), "monitor", "--plain", "--port", pump.port, "--interval", "50ms"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24", **keys_for(pump.port)}
    with subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
    ) as process:
        shown = b""
        while shown.count(b"infusing") < 3:  # it draws again and again; the test's time-out bounds this
            shown += os.read(ours, 4096)
        process.send_signal(2)
        _, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, err) == (0, b"")


def test_monitor_elsewhere_prints_lines(pump: Emulator):
    command = [str(THECAL), "monitor", "--port", pump.port, "--interval", "20ms"]
    environment = {**os.environ, **keys_for(pump.port)}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=heed_ctrl_c,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(2)
        _, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, err) == (0, "")
    assert all("rate 120 uL/day" in line for line in lines)


def test_output_that_nobody_reads(thecal: Thecal, pump: Emulator, tmp_path: Path):
    """A reader that leaves early, a full disk: no traceback."""

    def shell(command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", "-c", command],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
            env={**os.environ, **keys_for(pump.port)},
        )

    done = shell(f"'{THECAL}' log --port {pump.port} | head -n 1")
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    done = shell(f"'{THECAL}' status --port {pump.port} >/dev/full")
    assert done.returncode == 1
    assert done.stderr == "the output cannot be written: No space left on device\n"
