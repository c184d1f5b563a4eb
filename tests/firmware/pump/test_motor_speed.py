"""A board whose motor keeps a gap says so, and takes no program that it could not make up for (MOT-06)."""

import os
import subprocess
from pathlib import Path

import pytest

from firmware.dosing import rig
from support.emulated_keys import keys_for
from support.ready_command import run_command
from thecal.commands.status import sensors_text
from thecal.emulator.emulator import Emulator
from thecal.errors import Refused
from thecal.link.client import Client

ROOT = Path(__file__).resolve().parents[3]
GAP_US = 2000
HIGHEST_PL = 100 * 86_400_000_000 // (2 * GAP_US)  # with steps of 0.1 nL: 2.16 mL/day


def thecal(port: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "THECAL_PORT": port, **keys_for(port, *arguments)}
    return run_command(*arguments, timeout=60, env=environment)


@pytest.mark.req("MOT-06", part="in a real process, by pump and by host")
def test_a_rate_that_the_motor_could_not_make_up_for_is_refused_by_name(tmp_path: Path):
    therapy = tmp_path / "therapy.toml"
    text = (ROOT / "examples" / "morphine-constant.toml").read_text()
    therapy.write_text(text.replace('"2.5 nL"', '"0.1 nL"'))
    fine = tmp_path / "fine.toml"
    fine.write_text(therapy.read_text().replace('"24 mL/day"', '"2.16 mL/day"'))
    with Emulator(clock="real", seed=1, settings={"least_gap_us": GAP_US}) as pump:
        assert thecal(pump.port, "check", str(therapy)).returncode == 0  # of no board in particular
        done = thecal(pump.port, "program", str(therapy), "--yes")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            "limits.max_rate: 24 mL/day is over half of what this board's motor follows, a step of 100 pL "
            "each 2 ms: at most 2.16 mL/day\n"
        )
        values = rig.therapy(step_volume_pl=100, max_rate_pl_per_day=HIGHEST_PL + 1)
        with Client.connect(pump.port) as client:
            assert [x.low for x in client.limits() if x.name == "least_gap_us"] == [GAP_US]
            with pytest.raises(Refused, match=r"motor_speed.*\(at most 2\.16 mL/day\)"):
                client.propose_program(values)
            assert client.running_program() is None
        done = thecal(pump.port, "program", str(fine), "--yes")
        assert done.returncode == 0, done.stderr


@pytest.mark.req("MOT-08", part="in a real process: fitted, lost, not fitted")
@pytest.mark.parametrize(
    ("setting", "said"),
    [(-1, "motor supply not fitted"), (1, "motor supply"), (0, "motor supply (MISSING)")],
)
def test_the_motors_supply_is_told(setting: int, said: str):
    with Emulator(seed=1, settings={"motor_supply": setting}) as pump, Client.connect(pump.port) as client:
        client.commit(client.propose_program(rig.therapy()).digest)
        pump.bench.advance_by(3_600_000_000)
        assert sensors_text(client.sensors()).rpartition(", ")[2] == said
        standing = {alarm.name for alarm in client.alarms().standing}
        lost = {"motor_stall", "sensor_fault"}
        assert standing & lost == (lost if setting == 0 else set())
        assert ((client.status().missed_pl or 0) > 0) == (setting == 0)
