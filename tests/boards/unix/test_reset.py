"""The watchdog, resets, and what outlives them."""

import pytest

from boards.unix.remote import Remote, Run, remote_emulator
from thecal.emulator.emulator import Emulator
from thecal.emulator.testbench import RESET_EXIT, PumpReset

S = 1_000_000


@pytest.fixture
def emulator():
    with remote_emulator(seed=1) as pump:
        yield pump


def bitten(pump: Emulator, to_us: int) -> PumpReset:
    with pytest.raises(PumpReset) as caught:
        pump.bench.advance_to(to_us)
    assert pump.process.returncode == RESET_EXIT
    return caught.value


def test_an_unfed_watchdog_bites_after_the_first_wait_and_its_time(emulator):
    """remote.py waits 2^29 us at a time and never feeds. The wait after `start` does not count; the one after
    it does."""
    with Remote(emulator) as board:
        began_us = emulator.bench.now()
        board.call("watchdog.start", 2000)
        reset = bitten(emulator, 3600 * S)
        assert (reset.cause, reset.now_us) == ("watchdog", began_us + 2**29 - 1 + 2 * S)


def test_a_watchdog_that_was_not_started_never_bites(emulator):
    emulator.bench.advance_to(7200 * S)
    assert emulator.bench.truth().watchdog == -1


def test_a_start_that_hangs_begins_anew(emulator):
    with Remote(emulator) as board:
        began_us = emulator.bench.now()
        board.call("watchdog.start_within", 300)
        reset = bitten(emulator, 3600 * S)
        assert (reset.cause, reset.now_us) == ("watchdog", began_us + 302 * S)


def test_a_start_in_time_ends_the_time_for_it(emulator):
    with Remote(emulator) as board:
        board.call("watchdog.start_within", 5)
        emulator.bench.advance_to(6 * S)
        board.call("watchdog.start", 8388)
        reset = bitten(emulator, 3600 * S)
        assert reset.now_us == 6 * S + 2**29 - 1 + 8_388_000


def test_hung_software_is_reset_within_the_time_out(emulator):
    with Remote(emulator) as board:
        board.call("watchdog.start", 8388)
        emulator.bench.advance_to(5 * S)
        emulator.bench.inject_raw("hang")
        assert bitten(emulator, 100 * S).now_us == 5 * S + 8_388_000


def test_hung_software_without_a_watchdog_hangs_on_but_time_passes(emulator):
    with Remote(emulator) as board:
        board.append(Run(steps=60, first_us=S, gap_us=S))
        emulator.bench.inject_raw("hang")
        board.send("executed")  # nobody listens any more
        emulator.bench.advance_to(86_400 * S)
        assert emulator.bench.truth().steps == 60


@pytest.mark.parametrize("memory_lost", [False, True])
def test_the_exact_count_and_the_latch_outlive_a_bite_where_there_is_memory(emulator, memory_lost):
    with Remote(emulator) as board:
        board.append(Run(steps=64, first_us=S, gap_us=S))
        board.call("latch.put", 0x2BADCAFE)
        board.call("watchdog.start", 1000)
        emulator.bench.advance_to(37 * S)
        emulator.bench.inject_raw("hang")
        reset = bitten(emulator, 100 * S)
    assert reset.executed == 38  # the queue ran on until the bite
    emulator.restart_after(reset, memory_lost=memory_lost)
    with Remote(emulator) as board:
        assert emulator.bench.now() == 38 * S + 100_000
        assert board.call("reset_cause") == 3
        assert board.call("motor.steps_before_reset") == (-1 if memory_lost else 38)
        assert board.call("latch.get") == (0 if memory_lost else 0x2BADCAFE)
        assert board.executed() == 0
        assert board.in_flight() == 0
        emulator.bench.advance_to(200 * S)
        assert emulator.bench.truth().steps == 0


def test_a_restart_without_a_reset_is_a_power_cut(emulator):
    with Remote(emulator) as board:
        board.call("latch.put", 7)
    emulator.bench.power_cut()
    emulator.restart()
    with Remote(emulator) as board:
        assert board.call("reset_cause") == 1
        assert board.call("motor.steps_before_reset") == -1
        assert board.call("latch.get") == 0


def test_a_power_cut_after_a_reset_is_one(emulator):
    with Remote(emulator) as board:
        board.send("call", path=["reset"], call=True, **{"with": []})
        with pytest.raises(PumpReset) as caught:
            board.read_line()
    assert caught.value.cause == "software"
    emulator.restart_after(caught.value)
    emulator.bench.power_cut()
    emulator.restart({"start_us": 9 * S})
    with Remote(emulator) as board:
        assert board.call("reset_cause") == 1
        assert board.call("motor.steps_before_reset") == -1
        assert emulator.bench.now() == 9 * S


def test_what_is_no_part_of_the_pump_goes_on_over_a_reset(emulator, tmp_path):
    bench = emulator.bench
    bench.set_step_volume(2500)
    bench.fill(10_000_000)
    bench.battery_level(50)
    bench.temperature(41_000)
    bench.buzzer_broken()
    bench.mark()
    bench.trace(tmp_path / "steps")
    with Remote(emulator) as board:
        board.append(Run(steps=10, first_us=S, gap_us=S))
        board.call("watchdog.start", 1000)
        bench.advance_to(20 * S)
        bench.inject_raw("hang")
        emulator.restart_after(bitten(emulator, 30 * S))
    with Remote(emulator) as board:
        truth = emulator.bench.truth()
        assert (truth.steps, truth.steps_since_mark) == (0, 10)
        assert (truth.reservoir_pl, truth.left_pl) == (10_000_000 - 25_000, 25_000)
        assert truth.charge_permille == 499
        board.call("sensors.sample")
        assert abs(board.read("sensors.temperature_mc") - 41_000) <= 100
        board.call("buzzer.play", 1)
        assert board.call("buzzer.works") is False
        board.append(Run(steps=2, first_us=5 * S, gap_us=S))
        emulator.bench.advance_to(60 * S)
        emulator.bench.trace(None)
    times = (tmp_path / "steps").read_bytes()
    assert [int.from_bytes(times[at : at + 8], "little") for at in range(0, len(times), 8)][9:] == [
        10 * S,
        21 * S + 100_000 + 5 * S,
        21 * S + 100_000 + 6 * S,
    ]


@pytest.mark.parametrize("clock", ["free", "real", "scaled"])
def test_the_watchdog_bites_on_every_clock(tmp_path, clock):
    script = tmp_path / "fed_once.py"
    script.write_text(
        "from board import Board\nboard = Board()\nboard.ticks_us()\nboard.watchdog.start(300)\n"
        "while True:\n    board.wait_us(100000)\n"
    )
    with pytest.raises(PumpReset) as caught:  # noqa: PT012, SIM117 - it may end before it has booted
        with Emulator(script=script, clock=clock, speed=100) as pump:
            pump.process.wait(10)
            pump.bench.now()
    assert caught.value.cause == "watchdog"
    assert 400_000 <= caught.value.now_us < 400_001 + (0 if clock == "free" else 100 * S)
