"""Standard streams that are closed or at their end: the right words and exit code, no traceback."""

import os
import subprocess

import pytest

from host.cli.conftest import DEADLINE_S, MORPHINE, THECAL, Thecal, blank, pump, quick_thecal  # noqa: F401
from support.emulated_keys import keys_for
from thecal.emulator.emulator import Emulator

CLOSED = "the output cannot be written: it is closed"


def shell(command: str, port: str = "") -> "subprocess.CompletedProcess[str]":
    """The installed command, by a shell that closes what the command says."""
    environment = {**os.environ, "THECAL_PORT": port, **keys_for(port)}
    environment.pop("THECAL_NO_INPUT", None)
    return subprocess.run(
        ["sh", "-c", f"'{THECAL}' {command}"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        env=environment,
    )


@pytest.mark.req("HOST-22", part="a closed output")
@pytest.mark.parametrize("command", ["status", "status --json", "log", "monitor --once", "--help"])
def test_output_closed(pump: Emulator, command: str):  # noqa: F811
    done = shell(f"{command} >&-", pump.port)
    assert (done.returncode, done.stderr) == (1, f"{CLOSED}\n")


@pytest.mark.req("HOST-22", part="a closed output, after a change")
def test_output_closed_after_a_change(pump: Emulator):  # noqa: F811
    done = shell("bolus --dose '0.01 mg' --duration '10 min' --yes >&-", pump.port)
    assert (done.returncode, done.stderr) == (0, f"{CLOSED}: the bolus was carried out\n")


@pytest.mark.req("HOST-22", part="a closed input is no yes")
def test_input_closed(pump: Emulator):  # noqa: F811
    pump.bench.advance_by(3_600_000_000)
    done = shell("bolus --dose '0.01 mg' --duration '10 min' <&-", pump.port)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("not confirmed: nothing was changed")
    done = shell("stop <&- >&- 2>&-", pump.port)
    assert (done.returncode, done.stderr) == (0, "")
    done = shell("status <&- 2>&-", pump.port)
    assert done.returncode == 0
    assert "stopped" in done.stdout


def test_errors_with_all_closed():
    assert shell("check none.toml <&- >&- 2>&-").returncode == 1
    assert shell("status --port /dev/none <&- >&- 2>&-").returncode == 1


@pytest.mark.req("HOST-22", part="nobody may be asked")
def test_pairing_without_input_asks_nobody(quick_thecal: Thecal):  # noqa: F811
    done = quick_thecal("pair", "--no-input", "--port", "/dev/none")
    assert done.error.startswith("pairing takes a press of the pump's button, and nobody may be asked for it")
