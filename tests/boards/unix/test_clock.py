"""The four clocks, through the board interface: wrap, standing still, jumping, passing."""

import os
import signal
import time

import pytest

from boards.unix.remote import SCRIPTS, Remote, Run, remote_emulator
from thecal._io import paths
from thecal.emulator.emulator import Emulator
from thecal.link.client import Client
from thecal.therapy.encode import to_wire
from thecal.therapy.load import load_therapy

WRAP_US = 1 << 30


def test_time_stands_still_until_the_bench_lets_it_pass(remote: Remote):
    now = remote.bench.now()
    ticks = remote.ask("ticks")
    for _ in range(20):
        assert remote.ask("ticks") == ticks
    assert remote.bench.now() == now
    assert remote.bench.advance_to(now + 1) == now + 1
    assert remote.ask("ticks") == (ticks + 1) % WRAP_US
    assert remote.bench.advance_to(now + 1) == now + 1


@pytest.mark.parametrize("start", [0, 1, WRAP_US - 3, WRAP_US - 1])
def test_ticks_wrap_at_30_bits(start):
    with remote_emulator(settings={"ticks_start": start}) as emulator, Remote(emulator) as board:
        for instant in (0, 1, 2, 3, 4, WRAP_US - 1, WRAP_US, 5 * WRAP_US + 7, 3_456_000_000_000):
            board.bench.advance_to(instant)
            assert board.ask("ticks") == (start + instant) % WRAP_US


def test_motor_times_do_not_depend_on_where_the_ticks_start():
    made = []
    for start in (0, WRAP_US - 500):
        with remote_emulator(settings={"ticks_start": start}) as emulator, Remote(emulator) as board:
            board.append(Run(10, 100, 100, carry=1, modulus=3))
            counts = []
            for instant in range(50, 1_200, 50):
                board.bench.advance_to(instant)
                counts.append(board.executed())
            made.append(counts)
    assert made[0] == made[1]
    assert made[0][-1] == 10


def steady(**settings):
    return Emulator(script=SCRIPTS / "steady.py", settings=settings)


def trace_of(tmp_path, name, instants):
    with steady() as pump:
        pump.bench.trace(tmp_path / name)
        for instant in instants:
            pump.bench.advance_to(instant)
        truth = pump.bench.truth()
        pump.bench.trace(None)
    return (tmp_path / name).read_bytes(), truth.waits


def test_the_trace_does_not_depend_on_how_the_bench_lets_time_pass(tmp_path):
    at_once = trace_of(tmp_path, "one", [7_200_000_000])
    in_parts = trace_of(tmp_path, "parts", [1, 2, 216_001, 999_999_999, 1_000_000_000, 7_200_000_000])
    assert len(at_once[0]) == 8 * (1 + 7_199_999_999 // 216_000)
    assert at_once == in_parts


@pytest.mark.parametrize("trace", [False, True])
def test_the_steady_path_allocates_nothing(tmp_path, trace):
    with steady() as pump:
        if trace:
            pump.bench.trace(tmp_path / "steps")
        pump.bench.advance_to(10_000_000)
        before = pump.bench.truth()
        pump.bench.advance_to(3 * 3_600_000_000, locked=True)
        after = pump.bench.truth()
        assert after.steps > 49_000
        assert after.late_runs == 0
        assert before.now_us < after.now_us


def test_a_clock_that_is_free_jumps_ahead_and_answers_in_passing():
    with steady(clock="free", seed=1) as pump:
        then = pump.bench.now() + 86_400_000_000
        assert pump.bench.advance_to(then) >= then
        assert pump.bench.truth().late_runs == 0


def test_a_free_clock_hears_the_line():
    with remote_emulator(clock="free") as emulator, Remote(emulator) as board:
        assert board.ask("about")[0] == "thecal-unix"


def test_a_real_clock_passes_by_itself():
    with remote_emulator(clock="real") as emulator, Remote(emulator) as board:
        began_s = time.monotonic()
        first = board.bench.now()
        board.append(Run(5, first + 20_000, 2_000))
        then = board.bench.advance_to(first + 40_000)
        assert first + 40_000 <= then
        assert time.monotonic() - began_s >= 0.04
        assert board.executed() == 5


def test_a_scaled_clock_is_quicker():
    with remote_emulator(clock="scaled", speed=3_600) as emulator, Remote(emulator) as board:
        began_s = time.monotonic()
        first = board.bench.now()
        board.bench.advance_to(first + 360_000_000)
        assert time.monotonic() - began_s >= 0.1
        passed_us = board.bench.now() - first
        assert passed_us <= (time.monotonic() - began_s) * 3_600e6 + 1_000


def test_bytes_end_a_wait_before_time_passes(remote: Remote):
    """The script waits nine minutes at a time; it answers all the same, at the present instant."""
    ticks = remote.ask("ticks")
    os.sched_yield()
    assert remote.ask("ticks") == ticks


SCALED = """
import clock

class Wall:
    us = 1_000_000
    def ticks_us(self):
        return self.us
    def sleep_us(self, us):
        self.us += us

class Doors:
    late_us = []
    def look(self, timeout_ms):
        wall.us += timeout_ms * 1000 + (self.late_us.pop(0) if self.late_us else 0)
        return self.found

clock.time = wall = Wall()
doors = Doors()
doors.found = 0
scaled = clock.ScaledClock(doors, 0, 60)
scaled.wait_us(0)

def wait(us, late_us=0, computing_us=0):
    "How far the pump's time came in a wait, and the wall's with what came before"
    pump, real = scaled.now_us, wall.us
    wall.us += computing_us
    scaled.ticks_us()
    assert scaled.now_us == pump, "time passed while software computed"
    doors.late_us = [late_us]
    scaled.wait_us(us)
    print(scaled.now_us - pump, wall.us - real)

{}
"""
S_60 = 60_000_000  # of the pump: a second on the wall


@pytest.mark.parametrize(
    ("waits", "passed"),
    [
        ("wait(0)", [(0, 0)]),
        (f"wait({S_60})", [(S_60, 1_000_000)]),
        (f"wait({100 * S_60})", [(100 * S_60, 100_000_000)]),  # however long
        # The process got no time for 2 s: it wakes when it wanted to; a quarter of a second is made up for.
        (
            f"wait({S_60}, late_us=2_000_000); wait({S_60}); wait({S_60})",
            [(S_60, 3_000_000), (S_60, 750_000), (S_60, 1_000_000)],
        ),
        (f"wait({S_60}, computing_us=200_000)", [(S_60, 1_000_000)]),  # computing counts as waiting
        (
            f"wait({S_60}, computing_us=9_000_000); wait({S_60})",
            [(S_60, 9_000_000), (S_60, 750_000)],
        ),
        (f"scaled.pass_time({S_60}); wait({S_60})", [(S_60, 2_000_000)]),  # the flash took that long
        (f"doors.found = 1; wait({S_60}, late_us=-400_000)", [(36_000_000, 600_000)]),  # bytes come
    ],
)
def test_a_scaled_clock_never_outruns_its_process(run_micropython, waits: str, passed: list[tuple[int, int]]):
    """Whatever the wall clock does meanwhile, no wait ends later than it was to."""
    lines = run_micropython(SCALED.replace("{}", waits)).stdout.splitlines()
    assert [tuple(map(int, line.split())) for line in lines] == passed


def test_a_pump_that_is_starved_is_slower_and_not_late(tmp_path):
    """Its process is stopped again and again, for up to a minute and a half of its own time."""
    with Emulator(clock="scaled", speed=60, seed=1, flash=tmp_path / "flash") as emulator:
        with Client.connect(emulator.port) as client:
            therapy = load_therapy(paths.project_root() / "examples" / "morphine-constant.toml")
            client.commit(client.propose_program(to_wire(therapy)).digest)
            for pause_s in (1.5, *[0.02] * 20):
                os.kill(emulator.process.pid, signal.SIGSTOP)
                time.sleep(pause_s)  # what happens to it, not what is waited for
                os.kill(emulator.process.pid, signal.SIGCONT)
                client.commit(client.propose_bolus(100_000, 60_000_000).digest)
                client.stop()
                client.resume()
            status = client.status()
            assert status.state == "infusing"
            assert list(client.events(faults=True)) == []
        assert emulator.bench.truth().late_runs == 0
