"""PIO's programs. Step pulses, from words that DMA brings: the processor may sleep or erase meanwhile.

PIO runs at 1 MHz. State machine 0 takes one word per step, x: it counts x down, raises STEP for as long as
the driver wants, and pushes its own count of steps; DMA carries that into watchdog scratch register 3, which
outlives a reset. An empty FIFO is a motor that stands still. From one rising edge to the next pass
x + PERIOD_US; from a word that ends a stall to its edge x + 3, or one more by the divider's phase. State
machine 1 counts the steps at whose end the STALL line was high.

State machine 2 keeps the watchdog quiet through one wait, so that nobody need wake for it. It runs at 5 MHz
and takes two words: how often to feed but once, and the word that the watchdog counts down, two a
microsecond. It pushes that word every 0.4 time-outs, DMA writes it into the watchdog; then it stands still,
and only a processor that comes round again can go on. tests/boards/rp2040/test_pio_program.py runs all
three, cycle by cycle.
"""

from micropython import const
from pins import STEP

from driver import PULSE_US

PULSE = (
    0x80A0,  # 0  pull block        an empty queue: wait
    0xA027,  # 1  mov x, osr
    0x0042,  # 2  jmp x-- 2         x + 1 cycles
    0xE001,  # 3  set pins, 1       the step
    0x0085,  # 4  jmp y-- 5         y counts down from all ones
    0xA0CA,  # 5  mov isr, ~y
    0x8000 | PULSE_US - 4 << 8,  # 6  push noblock []  the count
    0xE000,  # 7  set pins, 0
)
PULSE_END = const(7)
FOLLOW_AT = const(8)
FOLLOW = (
    0x2080 | STEP,  # 8  wait 1 gpio STEP
    0x2000 | STEP,  # 9  wait 0 gpio STEP
    0x00CC,  # 10 jmp pin 12        STALL is high
    0x0008,  # 11 jmp 8
    0x008D,  # 12 jmp y-- 13
    0xA0CA,  # 13 mov isr, ~y
    0x8000,  # 14 push noblock
)
FOLLOW_END = const(14)
FEED_AT = const(15)
FEED = (
    0x80A0,  # 15 pull block        an empty queue: no more
    0xA047,  # 16 mov y, osr
    0x80A0,  # 17 pull block
    0xA027,  # 18 mov x, osr
    0x0053,  # 19 jmp x-- 19        x + 1 cycles
    0xA0C7,  # 20 mov isr, osr
    0x8000,  # 21 push noblock
    0x0092,  # 22 jmp y-- 18
)
FEED_END = const(22)
FEED_DIVIDER = const(25)  # 125 MHz to 5 MHz
RISES_AT = const(3)  # from this instruction on a pulse is under way
PERIOD_US = PULSE_US + 4  # from edge to edge, with x = 0
START_US = const(4)  # from a word to its edge out of a stall, with x = 0
CLOCK_DIVIDER = const(125)  # 125 MHz to 1 MHz
Y_ALL_ONES = const(0xA04B)  # mov y, ~null
PULL_NOBLOCK = const(0x8080)
JMP_START = const(0x0000)
