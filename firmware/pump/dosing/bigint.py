"""Natural numbers as little-endian limbs of 15 bits in preallocated ``array('H')``: nothing here allocates.

Why 15 bits: the largest intermediate of schoolbook arithmetic, (2^15-1)^2 + 2*(2^15-1), is 2^30-1, the
largest small integer of a 32-bit MicroPython. So every step below stays a small integer on the RP2040
too, and the steady dosing path never touches the heap.

A size `n` counts limbs, low ones first; arrays may be longer. Only `load` and `to_int` (used while a command
is handled, never in the steady path) may allocate, because they convert from and to Python integers of any
size.
"""

from array import array

BITS = 15
BASE = 1 << BITS
MASK = BASE - 1


class _Index:
    def __getitem__(self, index):
        return index


WHOLE = _Index()[:]  # a[WHOLE] = b, of one length, copies in C; a slice made there and then would allocate


def new(limbs: int):
    """A zeroed number of `limbs` limbs (allocates: setup only)."""
    return array("H", bytes(2 * limbs))


def limbs_of(value: int) -> int:
    """How many limbs `value` takes (at least 1)."""
    count = 1
    value >>= BITS
    while value:
        count += 1
        value >>= BITS
    return count


def load(a, n: int, value: int) -> None:
    """a[0:n] = value. OverflowError when it does not fit: nothing is ever truncated."""
    for i in range(n):
        a[i] = value & MASK
        value >>= BITS
    if value:
        raise OverflowError("number does not fit its limbs")


def to_int(a, n: int) -> int:
    """The value as a Python integer."""
    value = 0
    for i in range(n - 1, -1, -1):
        value = (value << BITS) | a[i]
    return value


def clear(a, n: int) -> None:
    """a = 0."""
    for i in range(n):
        a[i] = 0


def copy(a, b, n: int) -> None:
    """a = b."""
    for i in range(n):
        a[i] = b[i]


def used(a, n: int) -> int:
    """n without the leading zero limbs, at least 1."""
    while n > 1 and a[n - 1] == 0:
        n -= 1
    return n


def less(a, b, n: int) -> bool:
    """a < b."""
    i = n - 1
    while i > 0 and a[i] == b[i]:
        i -= 1
    return a[i] < b[i]


def is_zero(a, n: int) -> bool:
    """a == 0."""
    for i in range(n):
        if a[i]:
            return False
    return True


def add(a, b, n: int) -> int:
    """a += b; the carry out of limb n - 1 (0 or 1)."""
    carry = 0
    for i in range(n):
        x = a[i] + b[i] + carry
        if x > MASK:
            a[i] = x - BASE
            carry = 1
        else:
            a[i] = x
            carry = 0
    return carry


def subtract(a, b, n: int) -> int:
    """a -= b; the borrow out of limb n - 1 (0, or 1 when b was the larger)."""
    borrow = 0
    for i in range(n):
        x = a[i] - b[i] - borrow
        if x < 0:
            a[i] = x + BASE
            borrow = 1
        else:
            a[i] = x
            borrow = 0
    return borrow


def multiply(out, a, na: int, b, nb: int) -> None:
    """out[0:na+nb] = a * b; `out` must be neither of them."""
    clear(out, na + nb)
    for i in range(na):
        x = a[i]
        if x:
            carry = 0
            for j in range(nb):
                p = x * b[j] + out[i + j] + carry
                out[i + j] = p & MASK
                carry = p >> BITS
            out[i + nb] = carry


def _shift_left(a, n: int, bits: int) -> None:
    carry = 0
    for i in range(n):
        x = (a[i] << bits) | carry
        a[i] = x & MASK
        carry = x >> BITS


def _shift_right(a, n: int, bits: int) -> None:
    carry = 0
    for i in range(n - 1, -1, -1):
        x = (carry << BITS) | a[i]
        a[i] = x >> bits
        carry = x & ((1 << bits) - 1)


def _divide_by_limb(quotient, a, na: int, divisor: int) -> None:
    rest = 0
    for i in range(na - 1, -1, -1):
        x = (rest << BITS) | a[i]
        q = x // divisor
        quotient[i] = q
        rest = x - q * divisor
        a[i] = 0
    a[0] = rest


def _estimate(a, top: int, b, nb: int) -> int:
    """Knuth's guess of one quotient limb (algorithm D, step D3): right, or one too large."""
    head = (a[top] << BITS) | a[top - 1]
    guess = head // b[nb - 1]
    if guess > MASK:
        guess = MASK
    rest = head - guess * b[nb - 1]
    while rest <= MASK and guess * b[nb - 2] > ((rest << BITS) | a[top - 2]):
        guess -= 1
        rest += b[nb - 1]
    return guess


def _subtract_product(a, at: int, b, nb: int, factor: int) -> int:
    """a[at:at+nb+1] -= factor * b; the borrow out (0 or 1)."""
    carry = 0
    borrow = 0
    for i in range(nb):
        p = factor * b[i] + carry
        carry = p >> BITS
        x = a[at + i] - (p & MASK) - borrow
        borrow = 1 if x < 0 else 0
        a[at + i] = x + BASE if x < 0 else x
    x = a[at + nb] - carry - borrow
    a[at + nb] = x & MASK
    return 1 if x < 0 else 0


def _add_back(a, at: int, b, nb: int) -> None:
    carry = 0
    for i in range(nb):
        x = a[at + i] + b[i] + carry
        a[at + i] = x & MASK
        carry = x >> BITS
    a[at + nb] = (a[at + nb] + carry) & MASK


def divide(quotient, a, na: int, b, nb: int) -> None:
    """quotient[0:na], a = a // b, a % b. Knuth, The Art of Computer Programming 2, 4.3.1, algorithm D.

    `a` needs room for na + 1 limbs. `b` is shifted and shifted back: unchanged on return. b > 0 is the
    caller's to ensure (ZeroDivisionError otherwise).
    """
    nb = used(b, nb)
    clear(quotient, na)
    if nb == 1:
        _divide_by_limb(quotient, a, na, b[0])
        return
    shift = 0
    while (b[nb - 1] << shift) < BASE >> 1:
        shift += 1
    a[na] = 0
    _shift_left(a, na + 1, shift)
    _shift_left(b, nb, shift)
    for j in range(na - nb, -1, -1):
        guess = _estimate(a, j + nb, b, nb)
        if _subtract_product(a, j, b, nb, guess):
            guess -= 1
            _add_back(a, j, b, nb)
        quotient[j] = guess
    _shift_right(a, na + 1, shift)
    _shift_right(b, nb, shift)


_MILLION = new(2)
load(_MILLION, 2, 1_000_000)
_SECONDS = new(3)


def load_time(a, s: int, us: int) -> None:
    """a[0:5] = s * 10^6 + us for small integers s < 2^45 (3 limbs), us < 10^6."""
    _SECONDS[0] = s & MASK
    _SECONDS[1] = (s >> BITS) & MASK
    _SECONDS[2] = s >> (2 * BITS)
    multiply(a, _SECONDS, 3, _MILLION, 2)
    x = a[0] + (us & MASK)
    a[0] = x & MASK
    x = a[1] + (us >> BITS) + (x >> BITS)
    a[1] = x & MASK
    i = 2
    while x > MASK:
        x = a[i] + 1
        a[i] = x & MASK
        i += 1


def seconds_of(a, n: int, scratch) -> int:
    """Whole seconds in `a` microseconds; `a` keeps the microseconds left over (< 10^6).

    `scratch` takes the quotient: n limbs. OverflowError past 2^30 s (34 years)."""
    scratch[1] = 0  # divide clears n limbs, which may be one
    divide(scratch, a, n, _MILLION, 2)
    if not is_zero_above(scratch, 2, n):
        raise OverflowError("time beyond 2^30 s")
    return (scratch[1] << BITS) | scratch[0]


def is_zero_above(a, low: int, n: int) -> bool:
    """Are limbs low..n-1 all zero?"""
    for i in range(low, n):
        if a[i]:
            return False
    return True


def small(a) -> int:
    """The two low limbs as a small integer (< 2^30)."""
    return (a[1] << BITS) | a[0]
