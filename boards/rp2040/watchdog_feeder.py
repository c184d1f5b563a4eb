"""Feeds the watchdog while the processor sleeps: PIO's third program (`pio_programs`), and DMA from it.

How often is decided before each wait, by the wait's length: what feeds does so a fixed number of times and
then stands still.
"""

import machine
import micropython
import pio_programs
import registers
import rp2
from micropython import const

_PIO_CTRL_SET = const(0x50202000)
_PIO_CTRL_CLEAR = const(0x50203000)
_SM2 = const(
    0x502000F8
)  # clock divider; execution and shift control, address, instruction and pins behind it
_SM2_INSTR = const(0x50200108)
_TXF2 = const(0x50200018)
_RXF2 = const(0x50200028)
_RX2 = const(6)  # DMA request of PIO0
_WATCHDOG_LOAD = const(0x40058004)
_BIT = const(1 << 2)  # state machine 2 in PIO's control register
_START = const(15)  # pio_programs.FEED_AT, as the instruction `jmp`
_PULL_NOBLOCK = const(0x8080)


class WatchdogFeeder:
    """PIO0's state machine 2 and a DMA channel."""

    def __init__(self):
        mem32 = machine.mem32
        mem32[_PIO_CTRL_CLEAR] = _BIT
        registers.load_program(pio_programs.FEED, pio_programs.FEED_AT)
        mem32[_SM2] = pio_programs.FEED_DIVIDER << 16
        mem32[_SM2 + 4] = pio_programs.FEED_END << 12 | pio_programs.FEED_AT << 7
        mem32[_SM2 + 8] = 3 << 18  # shift right, nothing by itself
        self._dma = rp2.DMA()
        registers.copy_for_ever(self._dma.channel, _RXF2, _WATCHDOG_LOAD, _RX2)

    def feed_for(self, delay_us: int, timeout_ms: int) -> None:
        """Feed every 0.4 time-outs while the delay lasts; one time-out after the last feed the watchdog
        bites."""
        feeds = delay_us // (400 * timeout_ms)
        if feeds:
            _begin(feeds - 1, 2000 * timeout_ms)  # the watchdog counts two a microsecond (RP2040-E1)

    @micropython.viper
    def stop(self):
        """Feed no more."""
        ptr32(_PIO_CTRL_CLEAR)[0] = _BIT  # noqa: F821 - viper's own types


@micropython.viper
def _begin(more: int, word: int):
    """Feed once and `more` times again with this word."""
    ptr32(_PIO_CTRL_CLEAR)[0] = _BIT  # noqa: F821
    order = ptr32(_SM2_INSTR)  # noqa: F821
    order[0] = _PULL_NOBLOCK  # words that nobody took
    order[0] = _PULL_NOBLOCK
    order[0] = _START
    words = ptr32(_TXF2)  # noqa: F821
    words[0] = more
    words[0] = word
    ptr32(_PIO_CTRL_SET)[0] = _BIT  # noqa: F821
