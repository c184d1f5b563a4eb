"""One case each of the dosing core against plain Python integers. Runs on CPython and on both MicroPythons.

Every `check_*` takes whole numbers and raises AssertionError when the core differs from the arithmetic of
Python. CPython calls them from hypothesis; interpreters without it get numbers of our own
(`random_checks` draws the same numbers everywhere).
"""

from pump.dosing import bigint
from pump.dosing.accumulator import Accumulator
from pump.dosing.local_time import LocalTime
from pump.dosing.planner import RUN_STEPS, Planner
from pump.timebase import MAX_SLEEP_US, Timebase
from pump.units import Instant

MILLION = 1_000_000
_ACCUMULATOR = Accumulator()  # made once: on WebAssembly nothing is collected
_PLANNER = Planner()


def held(value, spare=0):
    """A number as limbs, with leading zero limbs: (array, how many)."""
    n = bigint.limbs_of(value) + spare
    a = bigint.new(n + 1)
    bigint.load(a, n, value)
    return a, n


def check_two(x, y, spare_x=0, spare_y=0):
    """Everything limbs can do with two numbers."""
    n = max(bigint.limbs_of(x) + spare_x, bigint.limbs_of(y) + spare_y)
    a = bigint.new(n)
    b = bigint.new(n)
    bigint.load(a, n, x)
    bigint.load(b, n, y)
    assert bigint.less(a, b, n) == (x < y)
    assert bigint.is_zero(a, n) == (x == 0)
    assert bigint.used(a, n) == bigint.limbs_of(x)
    assert bigint.is_zero_above(a, bigint.limbs_of(x), n)
    carry = bigint.add(a, b, n)
    assert bigint.to_int(a, n) + (carry << (bigint.BITS * n)) == x + y
    borrow = bigint.subtract(a, b, n)
    assert (bigint.to_int(a, n), borrow) == (x, carry)
    borrow = bigint.subtract(a, b, n)
    assert bigint.to_int(a, n) - (borrow << (bigint.BITS * n)) == x - y
    assert bigint.to_int(b, n) == y
    check_product(x, y, spare_x, spare_y)
    if y:
        check_quotient(x, y, spare_x, spare_y)


def check_product(x, y, spare_x, spare_y):
    a, na = held(x, spare_x)
    b, nb = held(y, spare_y)
    out = bigint.new(na + nb)
    bigint.multiply(out, a, na, b, nb)
    assert bigint.to_int(out, na + nb) == x * y, (x, y)


def check_quotient(x, y, spare_x, spare_y):
    a, na = held(x, spare_x)
    b, nb = held(y, spare_y)
    quotient = bigint.new(na)
    bigint.divide(quotient, a, na, b, nb)
    assert bigint.to_int(quotient, na) == x // y, (x, y)
    assert bigint.to_int(a, na) == x % y, (x, y)
    assert bigint.to_int(b, nb) == y, (x, y)


def check_time(s, us):
    """(s, us) to limbs and back."""
    a = bigint.new(6)
    bigint.load_time(a, s, us)
    assert bigint.to_int(a, 5) == s * MILLION + us, (s, us)
    if s < 1 << 30:
        assert bigint.seconds_of(a, 5, bigint.new(6)) == s, (s, us)
        assert bigint.small(a) == us, (s, us)


def opened(unit, rate, remainder, start_us):
    """An accumulator at the start of a segment."""
    accumulator = _ACCUMULATOR
    accumulator.load(unit, remainder)
    bigint.load(accumulator.rate, accumulator.size, rate)
    accumulator.open(start_us // MILLION, start_us % MILLION)
    return accumulator


def check_accumulator(unit, rate, remainder, start_us, span_us):
    """Steps and phase at one instant, and that no other count of steps is taken for right."""
    accumulator = opened(unit, rate, remainder, start_us)
    parts = remainder + rate * span_us
    due = parts // unit
    s = (start_us + span_us) // MILLION
    us = (start_us + span_us) % MILLION
    assert accumulator.steps_at(s, us) == due
    for wrong in (due + 1, due - 1, due + 1000):
        if wrong >= 0:
            assert not accumulator.close(s, us, wrong)
            assert accumulator.fraction() == (remainder, unit)
    assert accumulator.close(s, us, due)
    assert accumulator.fraction() == (parts % unit, unit)
    assert (accumulator.start_s, accumulator.start_us) == (s, us)


FAR_US = (1 << 23) * MILLION


def check_planner(unit, rate, remainder, start_us, steps, shift_us):
    """Runs up to a horizon `shift_us` after the due time of step number `steps`: first, last, next, count."""
    if unit // rate >= FAR_US:
        return  # no two steps in one segment: test_slow_flow.py
    accumulator = opened(unit, rate, remainder, start_us)
    planner = _PLANNER
    planner.begin(accumulator)

    def due(k):
        return start_us - ((remainder - k * unit) // rate)

    horizon = max(start_us, due(steps) + shift_us)
    s = horizon // MILLION
    us = horizon % MILLION
    given = 0
    while planner.plan(s, us):
        run = planner.run
        assert 1 <= run.steps <= RUN_STEPS
        assert run.first_s * MILLION + run.first_us == due(given + 1)
        given += run.steps
        assert run.last_s * MILLION + run.last_us == due(given)
        assert run.last_us < MILLION
        assert planner.next_s * MILLION + planner.next_us == due(given + 1)
        check_run(run, unit, rate, due, given)
    assert planner.planned == given
    assert given == (remainder + rate * (horizon - start_us)) // unit
    assert due(given + 1) > horizon
    assert planner.run.steps == 0
    assert accumulator.close(s, us, given)


def check_run(run, unit, rate, due, given):
    """What the motor is told of the steps in between."""
    size = run.size
    lead = bigint.to_int(run.lead, size)
    carry = bigint.to_int(run.carry, size)
    modulus = bigint.to_int(run.modulus, size)
    assert modulus == rate
    assert 0 <= lead < modulus
    assert carry == unit % rate
    assert run.gap_s * MILLION + run.gap_us == unit // rate
    at = run.first_s * MILLION + run.first_us
    for k in range(given - run.steps + 1, given + 1):
        assert at == due(k)
        at += run.gap_s * MILLION + run.gap_us
        if lead >= carry:
            lead -= carry
        else:
            at += 1
            lead += modulus - carry


def check_timebase(start_ticks, passed_us):
    """Ticks that wrap at 2^30, over spans below half a wrap each."""
    timebase = Timebase(start_ticks)
    total = 0
    for span_us in passed_us:
        total += span_us
        timebase.update((start_ticks + total) & 0x3FFFFFFF)
        assert (timebase.s, timebase.us) == (total // MILLION, total % MILLION)


def check_until(now_us, ahead_us):
    """How long to sleep until an instant that far ahead (or behind)."""
    timebase = Timebase(0)
    timebase.s = now_us // MILLION
    timebase.us = now_us % MILLION
    then = now_us + ahead_us
    expected = min(max(0, ahead_us), MAX_SLEEP_US)
    slept = timebase.until(Instant(then // MILLION, then % MILLION))
    if slept != expected:  # farther than 534 s is cut early, at the longest sleep
        assert slept == MAX_SLEEP_US, (now_us, ahead_us, slept)
        assert ahead_us >= 534 * MILLION


def check_local_time(s, us, day, second, local_us, later_us, shift_us):
    """Set at one instant, read at a later one, moved, read again: against one big count of microseconds."""
    local = LocalTime()
    local.set_at(s, us, day, second, local_us)
    offset = (day * 86_400 + second) * MILLION + local_us - (s * MILLION + us)
    for moved in (0, shift_us):
        if moved:
            local.shift(moved)
            offset += moved
        now = s * MILLION + us + later_us
        local.at(now // MILLION, now % MILLION)
        expected = now + offset
        assert local.us == expected % MILLION
        assert local.second == expected // MILLION % 86_400
        assert local.day == expected // (86_400 * MILLION)
        assert local.weekday() == (local.day + 5) % 7


class Numbers:
    """The same pseudo-random whole numbers on every interpreter (xorshift of 30 bits: small on all)."""

    def __init__(self, seed):
        self._state = (seed * 69_069 + 362_437) & 0x3FFFFFFF or 1

    def below(self, limit):
        x = self._state
        value = 0
        bits = 0
        while limit >> bits:
            x ^= (x << 13) & 0x3FFFFFFF
            x ^= x >> 17
            x ^= (x << 5) & 0x3FFFFFFF
            value = value << 15 | (x >> 7 & 0x7FFF)
            bits += 15
        self._state = x
        return value % limit

    def between(self, low, high):
        return low + self.below(high - low + 1)

    def bits(self, most):
        """Any number of up to so many bits; now and then one next to a power of two."""
        n = self.between(1, most)
        if self.below(4) == 0:
            return max(0, (1 << n) - self.below(3))
        return self.below(1 << n)


def random_checks(seed, rounds, most_steps=200):
    """A round of each check over random numbers; how many rounds."""
    numbers = Numbers(seed)
    for _ in range(rounds):
        check_two(numbers.bits(600), numbers.bits(500), numbers.below(3), numbers.below(3))
        check_two(numbers.bits(45), numbers.bits(20), numbers.below(3), numbers.below(3))
        check_time(numbers.below(1 << 30), numbers.below(MILLION))
        unit = 1 + numbers.bits(numbers.between(5, 585))
        remainder = numbers.below(unit)
        rate = 1 + numbers.below(max(1, unit >> numbers.below(30)))
        start_us = numbers.below(10**15)
        most = 1 + (unit >> 8)  # fewer than 2^45 steps in 2^52 us
        check_accumulator(unit, numbers.below(most), remainder, start_us, numbers.bits(52))
        rate = max(rate, unit >> 40)  # a step within 12 days
        check_planner(unit, rate, remainder, start_us, numbers.between(1, most_steps), numbers.between(-2, 2))
        check_timebase(numbers.below(1 << 30), [numbers.below(1 << 29) for _ in range(4)])
        check_until(numbers.below(10**15), numbers.between(-(10**9), 10**9))
        check_local_time(
            numbers.below(1 << 30),
            numbers.below(MILLION),
            numbers.below(1 << 16),
            numbers.below(86_400),
            numbers.below(MILLION),
            numbers.below(10**14),
            numbers.between(-2 * 86_400 * MILLION, 2 * 86_400 * MILLION),
        )
    return rounds
