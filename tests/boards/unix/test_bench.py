"""The bench port: what it refuses, and what is left when the pump ends."""

import json
import os

import pytest

from boards.unix.remote import SCRIPTS, Remote
from thecal.emulator.emulator import Emulator
from thecal.emulator.testbench import CUT_EXIT, PowerCut
from thecal.errors import SimulationError


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("", "not a JSON document"),
        ("{", "not a JSON document"),
        ("[1]", "not a JSON object"),
        ("17", "not a JSON object"),
        ('{"do": "fly"}', "unknown_request"),
        ('{"do": ["now"]}', "unknown_request"),
        ("{}", "unknown_request"),
        ('{"do": "advance"}', "to_us must be a whole number"),
        ('{"do": "advance", "to_us": "1"}', "to_us must be a whole number"),
        ('{"do": "advance", "to_us": 1.5}', "to_us must be a whole number"),
        ('{"do": "advance", "to_us": true}', "to_us must be a whole number"),
        ('{"do": "advance", "to_us": -1}', "to_us must be a whole number"),
        ('{"do": "advance", "to_us": 99}', "in the past, now is 100"),
        ('{"do": "set", "fill_pl": -1}', "fill_pl must be a whole number"),
        ('{"do": "trace", "path": 3}', "path must be a text"),
        ('{"do": "trace", "path": "/nowhere/at/all"}', "OSError"),
        ('{"do": "inject"}', "unknown_injection"),
        ('{"do": "inject", "what": "flood"}', "unknown_injection: what is one of"),
        ('{"do": "inject", "what": "motor_stall"}', "for_us must be a whole number"),
        ('{"do": "inject", "what": "over_delivery", "num": 1, "den": 0}', "den must be a whole number"),
        ('{"do": "inject", "what": "link_noise", "one_in": -2}', "one_in must be a whole number"),
    ],
)
def test_bad_requests_are_refused_by_name(remote: Remote, line, error):
    if remote.bench.now() < 100:
        remote.bench.advance_to(100)
    answer = remote.bench.request(line.encode())
    assert answer["ok"] is False
    assert error in str(answer["error"])
    assert remote.bench.now() == 100
    assert remote.ask("about")


def test_a_refusal_is_an_error_of_the_simulation(remote: Remote):
    with pytest.raises(SimulationError, match="unknown_injection"):
        remote.bench.inject_raw("earthquake")


def test_random_lines_never_end_the_pump(remote: Remote):
    for seed in range(200):
        line = bytes(32 + (seed * 7919 + i * i * 31) % 95 for i in range(seed % 60))
        assert remote.bench.request(line)["ok"] is False


def script(tmp_path, text):
    path = tmp_path / "script.py"
    path.write_text("from board import Board\nboard = Board()\n" + text)
    return Emulator(script=path)


def test_a_pump_that_dies_says_why(tmp_path):
    dying = "board.ticks_us()\nboard.wait_us(50)\nraise KeyError('odd')\n"
    with script(tmp_path, dying) as pump, pytest.raises(SimulationError, match="KeyError: odd") as caught:
        pump.bench.advance_to(100)
    assert "exit code 1" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pump_that_does_not_start_says_why(tmp_path):
    with (
        pytest.raises(SimulationError, match="ImportError: no module named 'nothing'"),
        script(tmp_path, "import nothing"),
    ):
        pass


def test_a_pump_that_hangs_is_given_up(tmp_path):
    with script(tmp_path, "board.wait_us(50)\nwhile True:\n    pass\n") as pump:
        with pytest.raises(SimulationError, match=r"not answered its bench for 0\.2 s"):
            pump.bench.advance_to(100, timeout_s=0.2)
        pump.kill()


def test_allocation_under_lock_ends_the_pump_by_name(monkeypatch):
    monkeypatch.setenv("THECAL_TEST_LEAK", "1")
    with Emulator(script=SCRIPTS / "steady.py") as pump:
        pump.bench.advance_to(10_000_000)
        with pytest.raises(SimulationError, match=r"MemoryError.*steady\.py"):
            pump.bench.advance_to(3_600_000_000, locked=True)


def test_the_trace_of_a_pump_that_dies_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("THECAL_TEST_LEAK", "1")
    with Emulator(script=SCRIPTS / "steady.py") as pump:
        pump.bench.trace(tmp_path / "steps")
        pump.bench.advance_to(60_000_000)
        with pytest.raises(SimulationError):
            pump.bench.advance_to(120_000_000, locked=True)
    assert (tmp_path / "steps").stat().st_size >= 8 * 60_000_000 // 216_000


def test_a_power_cut_has_its_own_exit_code():
    with Emulator(script=SCRIPTS / "remote.py") as pump:
        pump.bench.power_cut()
        assert pump.process.returncode == CUT_EXIT
        with pytest.raises(PowerCut):
            pump.bench.now()


def test_quit_ends_well():
    with Emulator(script=SCRIPTS / "remote.py") as pump:
        pump.bench.quit()
        assert pump.process.wait(10) == 0


@pytest.mark.parametrize("clock", ["virtual", "free", "real"])
def test_a_pump_whose_bench_vanishes_ends(clock):
    with Emulator(script=SCRIPTS / "remote.py", clock=clock) as pump:
        assert pump.process.stdin is not None
        pump.process.stdin.close()
        assert pump.process.wait(10) == 0


def test_a_pump_ends_while_it_advances_when_its_bench_vanishes():
    with Emulator(script=SCRIPTS / "steady.py") as pump:
        assert pump.process.stdin is not None
        century = json.dumps({"do": "advance", "to_us": 3_153_600_000_000_000})
        os.write(pump.process.stdin.fileno(), century.encode() + b"\n")
        pump.process.stdin.close()
        assert pump.process.wait(10) == 0


@pytest.mark.parametrize("argument", ["colour=blue", "speed=fast", "clock=sand", "speed=0"])
def test_wrong_settings_are_usage_errors(run_micropython, argument):
    done = run_micropython("from board import Board\nBoard()", argument, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("board: ")
    assert done.stderr.count("\n") == 1
