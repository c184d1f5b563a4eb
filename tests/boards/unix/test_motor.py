"""The simulated motor against exact fractions: every step at its microsecond, whoever asks when."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boards.unix.remote import RefusedByBoard, Remote, Run

MAX_STEPS = 64


@st.composite
def runs(draw, most_steps=MAX_STEPS):
    """Runs with numbers of one limb up to 600 bits, and gaps from a microsecond to hours."""
    bits = draw(st.sampled_from([1, 4, 14, 15, 16, 29, 30, 31, 60, 61, 120, 300, 599, 600]))
    modulus = draw(st.integers(1, (1 << bits) - 1))
    below = st.one_of(st.integers(0, modulus - 1), st.sampled_from([0, modulus - 1, modulus // 2]))
    return Run(
        steps=draw(st.integers(1, most_steps)),
        first_us=draw(st.integers(1, 10_000_000_000)),
        gap_us=draw(st.one_of(st.integers(1, 1_000), st.integers(1, 10_000_000_000))),
        lead=draw(below),
        carry=draw(below),
        modulus=modulus,
    )


def shifted(run: Run, by_us: int) -> Run:
    return Run(run.steps, run.first_us + by_us, run.gap_us, run.lead, run.carry, run.modulus)


def fresh(remote: Remote) -> tuple[int, int]:
    """Nothing in the motor, whatever a failed example left there; the present instant and count."""
    remote.cancel()
    return remote.bench.now(), remote.executed()


def read_trace(path) -> list[int]:
    return [word for (word,) in struct.iter_unpack("<Q", path.read_bytes())]


@pytest.mark.req("DEL-01", part="the motor makes every step of a run in its microsecond")
@settings(max_examples=150)
@given(st.lists(runs(), min_size=1, max_size=4))
def test_traced_steps_are_exact(remote: Remote, tmp_path_factory, batch):
    path = tmp_path_factory.mktemp("trace") / "steps"
    fresh(remote)
    start = remote.bench.mark()
    remote.bench.trace(path)
    expected = []
    now = start
    for run in batch:
        placed = shifted(run, now)
        remote.append(placed)
        expected += [due - start for due in placed.times()]
        now = remote.bench.advance_to(placed.due_us(placed.steps - 1))
        assert remote.in_flight() == 0
    assert remote.bench.truth().steps_since_mark == len(expected)
    remote.bench.trace(None)
    assert read_trace(path) == expected


@pytest.mark.req("DEL-01", part="partial counts of a run")
@settings(max_examples=150)
@given(runs(), st.data())
def test_counts_at_any_instant(remote: Remote, run, data):
    """Untraced: at a due time, one microsecond before it, anywhere; then the rest in closed form."""
    due = st.sampled_from(run.times())
    anywhere = st.integers(0, run.due_us(run.steps - 1))
    instants = data.draw(st.lists(st.one_of(due, due.map(lambda t: t - 1), anywhere), max_size=4))
    start, before = fresh(remote)
    placed = shifted(run, start)
    remote.append(placed)
    for instant in sorted(start + instant for instant in instants):
        remote.bench.advance_to(instant)
        made = placed.made_by(instant)
        assert remote.executed() - before == made
        assert remote.in_flight() == placed.steps - made
    remote.bench.advance_to(placed.due_us(placed.steps - 1))
    assert remote.executed() - before == placed.steps


@settings(max_examples=100)
@given(runs(), st.data())
def test_a_trace_that_begins_amid_a_run_is_exact(remote: Remote, tmp_path_factory, run, data):
    """What was only counted until then is made up for, and is not in the trace."""
    anywhere = st.integers(0, run.due_us(run.steps - 1))
    instants = data.draw(st.lists(anywhere, min_size=1, max_size=3))
    path = tmp_path_factory.mktemp("trace") / "steps"
    start, _ = fresh(remote)
    placed = shifted(run, start)
    remote.append(placed)
    last = placed.due_us(placed.steps - 1)
    for instant in sorted(instants):
        remote.bench.advance_to(start + instant)
        remote.executed()
    mark = remote.bench.mark()
    remote.bench.trace(path)
    remote.bench.advance_to(last)
    remote.bench.trace(None)
    assert read_trace(path) == [due - mark for due in placed.times() if due > mark]


@settings(max_examples=100)
@given(runs(), st.data())
def test_cancel_keeps_what_is_due(remote: Remote, run, data):
    k = data.draw(st.integers(0, run.steps - 1))
    early = data.draw(st.integers(0, 1))
    start, before = fresh(remote)
    placed = shifted(run, start)
    remote.append(placed)
    instant = placed.due_us(k) - early
    made = placed.made_by(instant)
    remote.bench.advance_to(instant)
    remote.cancel()
    assert remote.executed() - before == made
    assert remote.in_flight() == 0
    remote.bench.advance_to(placed.due_us(placed.steps - 1) + 1)
    assert remote.executed() - before == made


def test_traced_and_counted_agree(remote: Remote, tmp_path):
    """The closed form and the expansion give the same count, through runs that overlap their successors."""
    counts = []
    for path in (None, tmp_path / "steps"):
        remote.bench.trace(path)
        before = remote.executed()
        first = remote.bench.now() + 1
        counted = []
        for _ in range(40):
            run = Run(56, first, 1_234, lead=5, carry=7, modulus=9)
            remote.append(run)
            remote.bench.advance_to(run.due_us(47) + 3)
            counted.append(remote.executed() - before)
            first = Run(57, first, 1_234, lead=5, carry=7, modulus=9).due_us(56)
        remote.bench.advance_to(first)
        counted.append(remote.executed() - before)
        counts.append(counted)
    remote.bench.trace(None)
    assert counts[0] == counts[1]
    assert counts[0][-1] == 40 * 56
    assert len(read_trace(tmp_path / "steps")) == 40 * 56


def test_a_late_run_is_made_at_once_and_counted_as_late(remote: Remote, tmp_path):
    now = remote.bench.advance_by(1_000_000)
    late_before = remote.bench.truth().late_runs
    before = remote.executed()
    remote.bench.mark()
    remote.bench.trace(tmp_path / "steps")
    remote.append(Run(4, now - 150, 100))
    assert remote.executed() - before == 2
    remote.bench.advance_to(now + 150)
    remote.bench.trace(None)
    assert read_trace(tmp_path / "steps") == [0, 0, 50, 150]
    assert remote.bench.truth().late_runs == late_before + 1


def test_more_than_64_steps_are_refused(remote: Remote):
    now = remote.bench.now()
    remote.append(Run(60, now + 1_000, 10))
    with pytest.raises(RefusedByBoard, match="motor queue"):
        remote.append(Run(5, now + 5_000, 10))
    assert remote.in_flight() == 60
    remote.cancel()


def test_a_stalled_motor_loses_steps_that_the_driver_counts(remote: Remote, tmp_path):
    remote.bench.advance_by(1)
    start = remote.bench.mark()
    truth = remote.bench.truth()
    before = remote.executed()
    remote.bench.trace(tmp_path / "steps")
    remote.append(Run(10, start + 100, 100))
    remote.bench.advance_to(start + 300)
    remote.bench.motor_stall(400)  # steps due in (300, 700]
    remote.bench.advance_to(start + 500)
    assert remote.executed() - before == 5
    assert remote.bench.truth().steps_since_mark == 3
    remote.bench.advance_to(start + 1_000)
    remote.bench.trace(None)
    after = remote.bench.truth()
    assert remote.executed() - before == 10
    assert after.steps - truth.steps == 6
    assert after.lost_steps - truth.lost_steps == 4
    assert read_trace(tmp_path / "steps") == [100, 200, 300, 800, 900, 1000]


def test_the_reservoir_follows_the_physical_steps(remote: Remote):
    bench = remote.bench
    bench.set_step_volume(2_500)
    bench.fill(100_000)
    now = bench.now()
    remote.append(Run(10, now + 10, 10))
    bench.advance_to(now + 40)
    assert bench.truth().reservoir_pl == 100_000 - 4 * 2_500
    bench.over_delivery(6, 5)
    bench.advance_to(now + 60)
    assert bench.truth().reservoir_pl == 90_000 - 2 * 3_000
    bench.over_delivery(1, 1)
    bench.motor_stall(20)
    bench.advance_to(now + 90)  # two lost, one made
    assert bench.truth().reservoir_pl == 84_000 - 2_500
    bench.fill(2_000)
    bench.advance_to(now + 100)
    assert bench.truth().reservoir_pl == 0
