"""Runs into words for PIO, and the registers of PIO, DMA and the timer: what has to be quick and exact.

All of it is viper: 32-bit words that wrap. An instant is the timer's low word, microseconds mod 2^32, so two
of them are compared by their difference and nothing may lie further away than 2^31 us, 35 minutes. Nothing
allocates.
"""

import micropython
from micropython import const
from pio_programs import PERIOD_US

from driver import LEAST_GAP_US

_TIMER = const(0x40054028)  # low word of the microseconds
_COUNT = const(0x40058018)  # PIO's count of steps, kept there by DMA
_PIO_CTRL = const(0x50200000)
_PIO_CTRL_SET = const(0x50202000)
_PIO_CTRL_CLEAR = const(0x50203000)
_SM0_ADDR = const(0x502000D4)
_SM0_INSTR = const(0x502000D8)
_DMA = const(0x50000000)
_TRIGGER = const(0x50000430)
_ABORT = const(0x50000444)
_BUSY = const(1 << 24)

# the motor's state, an array('I')
EXPECTED = const(0)  # steps that PIO will have made when its queue is empty
PREVIOUS = const(1)  # when the last of them rises
EPOCH = const(2)  # the timer at the pump's instant zero
STATE_WORDS = const(3)

_START_US = const(4)
_HAND_OVER_US = const(40)  # from reading the timer until PIO has the first word, at most
_SOON_US = const(60)  # a queue that is about to run dry is waited for
_ENOUGH_LOOKS = const(1500)


@micropython.viper
def now() -> int:
    """The timer."""
    return ptr32(_TIMER)[0]  # noqa: F821 - viper's own types


@micropython.viper
def made() -> int:
    """Steps since boot by PIO's own count, 30 bits."""
    return ptr32(_COUNT)[0] & 0x3FFFFFFF  # noqa: F821


@micropython.viper
def set_epoch(state: ptr32, s: int, us: int):  # noqa: F821
    """The pump's clock stands at (s, us) now."""
    state[EPOCH] = ptr32(_TIMER)[0] - (s * 1000000 + us)  # noqa: F821


@micropython.viper
def _short_dues(words: ptr32, due: int, lead: int, run) -> int:  # noqa: F821
    """`dues` of numbers of one or two limbs: as whole numbers of 30 bits, in a fifth of the time. `lead`: the
    first limb of it. What is named first lies in registers."""
    gap = int(run.gap_s) * 1000000 + int(run.gap_us)
    steps = int(run.steps)
    leads = ptr16(run.lead)  # noqa: F821
    carries = ptr16(run.carry)  # noqa: F821
    moduli = ptr16(run.modulus)  # noqa: F821
    carry = carries[0]
    modulus = moduli[0]
    if int(run.size) == 2:
        lead |= leads[1] << 15
        carry |= carries[1] << 15
        modulus |= moduli[1] << 15
    at = 0
    while True:
        words[at] = due
        at += 1
        if at == steps:
            return steps
        due += gap
        if lead < carry:
            due += 1
            lead += modulus
        lead -= carry


@micropython.viper
def dues(words: ptr32, run, lead: ptr16, state: ptr32) -> int:  # noqa: F821
    """Write when each step of the run is due. `lead` is room for a number. Returns how many steps."""
    due = int(run.first_s) * 1000000 + int(run.first_us) + state[EPOCH]
    if int(run.size) <= 2:
        return int(_short_dues(words, due, int(ptr16(run.lead)[0]), run))  # noqa: F821
    gap = int(run.gap_s) * 1000000 + int(run.gap_us)
    steps = int(run.steps)
    size = int(run.size)
    given = ptr16(run.lead)  # noqa: F821
    carry = ptr16(run.carry)  # noqa: F821
    modulus = ptr16(run.modulus)  # noqa: F821
    limb = 0
    while limb < size:
        lead[limb] = given[limb]
        limb += 1
    at = 0
    while True:
        words[at] = due
        at += 1
        if at == steps:
            return steps
        limb = size - 1
        while limb > 0 and lead[limb] == carry[limb]:
            limb -= 1
        limb_more = 0
        if lead[limb] < carry[limb]:
            due += 1
            limb_more = 0x7FFF
        due += gap
        over = 0
        limb = 0
        while limb < size:
            over += lead[limb] - carry[limb] + (modulus[limb] & limb_more)
            lead[limb] = over & 0x7FFF
            over >>= 15
            limb += 1


@micropython.viper
def _soonest(previous: int) -> int:
    """When a motor that stands still may make the next step; the one before it may be long ago."""
    now = ptr32(_TIMER)[0] + int(_HAND_OVER_US)  # noqa: F821
    soonest = previous + int(LEAST_GAP_US)
    return soonest if 0 < soonest - now <= int(LEAST_GAP_US) else now


@micropython.viper
def hand_over(words: ptr32, steps: int, state: ptr32, channels: int):  # noqa: F821
    """Due times into delays, and off they go through a DMA channel, behind what another still carries:
    `channels` has its number in the low byte, the other's in the next.

    With interrupts off. The first word's delay counts from now when the motor stands still, else from the
    edge before it. A step that is overdue is made at once, but none sooner than LEAST_GAP_US after the one
    before it."""
    timer = ptr32(_TIMER)  # noqa: F821
    count = ptr32(_COUNT)  # noqa: F821
    expected = state[EXPECTED]
    looks = 0
    while count[0] != expected and state[PREVIOUS] - timer[0] < _SOON_US and looks < _ENOUGH_LOOKS:
        looks += 1
    dry = count[0] == expected
    at = state[PREVIOUS]
    soonest = int(_soonest(at)) if dry else at + int(LEAST_GAP_US)
    first = words[0]
    if first - soonest < 0:
        first = soonest
    words[0] = first - at - int(PERIOD_US)
    at = first
    index = 1
    while index < steps:
        when = words[index]
        if when - at < int(LEAST_GAP_US):
            when = at + int(LEAST_GAP_US)
        words[index] = when - at - int(PERIOD_US)
        at = when
        index += 1
    state[PREVIOUS] = at
    state[EXPECTED] = expected + steps
    channel = channels & 0xFF
    mine = ptr32(int(_DMA) + channel * 64)  # noqa: F821
    mine[0] = int(words)
    mine[2] = steps
    mine[4] = 0x20001B | channel << 11
    bit = 1 << channel
    if dry:
        wait = first - timer[0] - _START_US
        words[0] = wait if wait > 0 else 0
        ptr32(_TRIGGER)[0] = bit  # noqa: F821
        return
    if not int(_chained(channel, channels >> 8, int(words))):
        ptr32(_TRIGGER)[0] = bit  # noqa: F821


@micropython.viper
def _chained(channel: int, other: int, words: int) -> int:
    """Have DMA `other` start `channel` at its end; 0 when it had ended before and somebody else must."""
    before = ptr32(int(_DMA) + other * 64)  # noqa: F821
    mine = ptr32(int(_DMA) + channel * 64)  # noqa: F821
    if not before[4] & _BUSY:
        return 0
    before[4] = 0x20001B | channel << 11
    if before[4] & _BUSY:
        return 1
    return 1 if mine[4] & _BUSY or mine[0] != words else 0  # did it end before or after that write?


@micropython.viper
def drop(state: ptr32, first: int, second: int):  # noqa: F821
    """Stop at the step boundary: a pulse under way ends, nothing after it begins. With interrupts off."""
    ptr32(int(_DMA) + first * 64)[4] = 0  # noqa: F821
    ptr32(int(_DMA) + second * 64)[4] = 0  # noqa: F821
    looks = 0
    ptr32(_ABORT)[0] = 1 << first | 1 << second  # noqa: F821
    while ptr32(_ABORT)[0] and looks < _ENOUGH_LOOKS:  # noqa: F821 - transfers under way end first
        looks += 1
    address = ptr32(_SM0_ADDR)  # noqa: F821
    order = ptr32(_SM0_INSTR)  # noqa: F821
    looks = 0
    while True:
        ptr32(_PIO_CTRL_CLEAR)[0] = 1  # noqa: F821
        at = address[0]
        if at < 3 or looks > _ENOUGH_LOOKS:
            break
        ptr32(_PIO_CTRL_SET)[0] = 1  # noqa: F821
        while address[0] == at and looks <= _ENOUGH_LOOKS:  # it goes on until it is seen to have moved
            looks += 1
    pulls = 0
    while pulls < 8:
        order[0] = 0x8080
        pulls += 1
    order[0] = 0
    ptr32(_PIO_CTRL_SET)[0] = 1  # noqa: F821
    state[EXPECTED] = ptr32(_COUNT)[0]  # noqa: F821
    state[PREVIOUS] = ptr32(_TIMER)[0]  # noqa: F821
