"""The PIO programs of boards/rp2040/pio_programs.py, cycle by cycle, on rp2040-pio-emulator: no image."""

import importlib.util
import sys
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pioemu import State, emulate

ROOT = Path(__file__).resolve().parents[3]
STEP_PIN = 2
STALL_PIN = 5
ALL_ONES = 0xFFFFFFFF


def _programs(pulse_us: int = 5) -> ModuleType:
    """The module as the chip has it, with a driver of this pulse; `micropython.const` is the identity."""
    sys.modules["driver"] = SimpleNamespace(PULSE_US=pulse_us)  # type: ignore[assignment]
    sys.modules["pins"] = SimpleNamespace(STEP=STEP_PIN)  # type: ignore[assignment]
    sys.modules.setdefault("micropython", SimpleNamespace(const=lambda value: value))  # type: ignore[arg-type]
    spec = importlib.util.spec_from_file_location("pio_programs", ROOT / "boards/rp2040/pio_programs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PROGRAMS = _programs()


def run(words: list[int], programs: ModuleType = PROGRAMS) -> Iterator[State]:
    """State after each cycle of the pulse program, fed these words."""
    state = State(y_register=ALL_ONES)
    state.transmit_fifo.extend(words)
    steps = emulate(
        list(programs.PULSE),
        stop_when=lambda _, state: False,
        initial_state=state,
        shift_osr_right=True,
        set_base=STEP_PIN,
        set_count=1,
    )
    for _, after in steps:
        yield after


def edges(
    words: list[int], cycles: int, programs: ModuleType = PROGRAMS
) -> tuple[list[int], list[int], list[int]]:
    """Clock of every rise and fall of STEP, and the counts pushed."""
    rises: list[int] = []
    falls: list[int] = []
    high = False
    state = None
    for state in run(words, programs):
        level = bool(state.pin_values >> STEP_PIN & 1)
        if level and not high:
            rises.append(state.clock)
        elif high and not level:
            falls.append(state.clock)
        high = level
        if state.clock >= cycles:
            break
    assert state is not None
    return rises, falls, list(state.receive_fifo)


@pytest.mark.req("DEL-01", part="pulse width, and the time from edge to edge")
@given(st.lists(st.integers(0, 400), min_size=1, max_size=4))
def test_each_word_is_one_pulse_after_its_delay(words):
    cycles = sum(words) + (PROGRAMS.PERIOD_US + 2) * len(words) + 20
    rises, falls, counts = edges(words, cycles)
    assert len(rises) == len(words)
    gaps = [later - sooner for sooner, later in pairwise(rises)]
    assert gaps == [word + PROGRAMS.PERIOD_US for word in words[1:]]
    assert [fall - rise for rise, fall in zip(rises, falls, strict=True)] == [5] * len(words)
    assert counts == list(range(1, len(words) + 1))


@pytest.mark.parametrize("pulse_us", [4, 5, 20, 35])
def test_a_pulse_is_as_long_as_the_driver_wants(pulse_us: int):
    programs = _programs(pulse_us)
    words = [0, 3, 50]
    rises, falls, counts = edges(words, 60 + 50 * len(words), programs)
    assert [fall - rise for rise, fall in zip(rises, falls, strict=True)] == [pulse_us] * len(words)
    assert [later - sooner for sooner, later in pairwise(rises)] == [w + pulse_us + 4 for w in words[1:]]
    assert pulse_us + 4 == programs.PERIOD_US
    assert counts == [1, 2, 3]


def test_every_program_ends_where_it_says():
    begin = 0
    for program, end in ((PROGRAMS.PULSE, 7), (PROGRAMS.FOLLOW, 14), (PROGRAMS.FEED, 22)):
        assert begin + len(program) - 1 == end
        begin = end + 1
    assert (PROGRAMS.PULSE_END, PROGRAMS.FOLLOW_END, PROGRAMS.FEED_END) == (7, 14, 22)
    assert (PROGRAMS.FOLLOW_AT, PROGRAMS.FEED_AT) == (8, 15)


def test_the_first_edge_comes_as_long_after_the_word_as_the_board_reckons():
    waiting = edges([0], 40)[0][0]
    for word in (1, 2, 50):
        assert edges([word], 100)[0][0] == waiting + word
    assert waiting in (PROGRAMS.START_US - 1, PROGRAMS.START_US)


def test_an_empty_queue_is_a_motor_that_stands_still():
    rises, _, counts = edges([], 500)
    assert rises == []
    assert counts == []


@pytest.mark.req("DEL-01", part="no drift over a million steps")
def test_no_drift_in_a_million_steps():
    """Delays from due times, as `hand_over` works them out: edge k stands k gaps after the first one."""
    numerator, denominator = 4_320_000_001, 999_983  # a gap of 4320.07... us
    due = [-(-k * numerator // denominator) for k in range(1_000_001)]
    words = [
        later - sooner - PROGRAMS.PERIOD_US for sooner, later in zip(due, islice(due, 1, None), strict=False)
    ]
    edge = 0
    for word in words:
        edge += word + PROGRAMS.PERIOD_US  # what the test above shows of the program
    assert edge == due[-1]
    assert edge * denominator - 1_000_000 * numerator < denominator
    sampled, _, _ = edges([0, *words[:3]], 20_000)
    assert [at - sampled[0] for at in sampled] == due[:4]


@pytest.mark.req("DEL-10", part="a stop falls on a step boundary: before RISES_AT no pulse has begun")
def test_the_pulse_begins_where_the_board_thinks_it_does():
    for state in run([7]):
        at = state.program_counter
        if state.pin_values >> STEP_PIN & 1:
            assert at > PROGRAMS.RISES_AT
        if state.receive_fifo and at == 0:
            break
        assert state.clock < 60


@pytest.mark.parametrize("stalled", [False, True])
def test_steps_that_the_motor_does_not_follow_are_counted(stalled):
    """Program 1 watches STEP and STALL."""
    program = [word | (STEP_PIN if word & 0xFF1F == 0x2000 else 0) for word in PROGRAMS.FOLLOW]
    base = PROGRAMS.FOLLOW_AT
    moved = [word - base if word >> 13 == 0 else word for word in program]  # jumps, to begin at 0

    def level(clock: int) -> int:
        return (1 << STEP_PIN if 20 <= clock % 60 < 25 else 0) | (stalled << STALL_PIN)

    state = State(y_register=ALL_ONES)
    counts: list[int] = []
    for _, after in emulate(
        moved,
        stop_when=lambda _, state: state.clock > 260,
        initial_state=state,
        input_source=level,
        jmp_pin=STALL_PIN,
    ):
        counts = list(after.receive_fifo)
    assert counts == ([1, 2, 3, 4] if stalled else [])


@pytest.mark.req("INT-03", part="the watchdog is fed through a wait, so often and no more")
@given(more=st.integers(0, 5), word=st.integers(0, 50))
def test_the_watchdog_is_fed_so_often_and_no_more(more, word):
    base = PROGRAMS.FEED_AT
    program = [code - base if code >> 13 == 0 else code for code in PROGRAMS.FEED]
    state = State()
    state.transmit_fifo.extend([more, word])
    after = state
    feeds: list[int] = []
    for before, after in emulate(
        program, stop_when=lambda _, state: state.clock > 8 * (word + 5) + 50, initial_state=state
    ):
        if len(after.receive_fifo) > len(before.receive_fifo):
            assert after.receive_fifo[-1] == word
            feeds.append(after.clock)
            after.receive_fifo.clear()  # by DMA, which is always in time
    assert len(feeds) == more + 1
    assert all(later - sooner == word + 5 for sooner, later in pairwise(feeds))
    assert after.program_counter == 0  # it waits for the next words
