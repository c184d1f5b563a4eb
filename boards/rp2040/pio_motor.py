"""Board interface `motor` on RP2040: runs go to PIO through two DMA channels, one run each.

`executed` is PIO's own count, read from watchdog scratch register 3 where DMA keeps it, so that the next
life can tell what this one made (`steps_before_reset`). Scratch 0 keeps the count of the last life that made
any; scratch 2 says that both are ours: the boot ROM's way to USB boot writes over 0 and 1.
"""

from array import array

import machine
import micropython
import pins
import pio_programs
import registers
import rp2
import step_schedule
import uctypes
from machine import Pin
from micropython import const

from driver import Driver

_MAX_STEPS = const(64)
_LIMBS = const(48)
_FAR_S = const(2000)  # instants are compared mod 2^32 us
_MASK = const(0x3FFFFFFF)
_PIO = const(0x50200000)
_SM_REGISTERS = const(0x18)
_SM0_CLKDIV = const(0xC8)
_TXF0 = const(0x50200010)
_RXF0 = const(0x50200020)
_RXF1 = const(0x50200024)
_SCRATCH_KEPT = const(0x4005800C)
_SCRATCH_MARK = const(0x40058014)
_SCRATCH_COUNT = const(0x40058018)
_OURS = const(0x1EC0FFEE)
_DMA = const(0x50000000)
_RX0 = const(4)  # DMA requests of PIO0
_RX1 = const(5)


class Motor:
    """Steps of a motor, by its driver (`driver`)."""

    def __init__(self, watches_supply: bool):
        mem32 = machine.mem32
        mem32[_PIO] = 0  # whoever ran before
        self._steps_before_reset = self._take_count() if machine.reset_cause() == machine.WDT_RESET else -1
        kept = max(0, self._steps_before_reset)
        mem32[_SCRATCH_KEPT] = kept
        mem32[_SCRATCH_COUNT] = 0
        mem32[_SCRATCH_MARK] = _OURS ^ kept
        self._driver = Driver()
        self.feedback = self._driver.feedback
        Pin(pins.STALL, Pin.IN, Pin.PULL_DOWN)
        self._supply = Pin(pins.SUPPLY, Pin.IN, Pin.PULL_DOWN) if watches_supply else None
        self._looked_made = 0
        self._looked_missed = 0
        self._dma = (rp2.DMA(), rp2.DMA(), rp2.DMA(), rp2.DMA())
        self._channels = tuple([dma.channel for dma in self._dma])  # of runs, of runs, of counts, of misses
        first, second = self._channels[:2]
        self._pairs = (first | second << 8, second | first << 8)  # as `hand_over` takes them
        self._hardware_missed = array("I", [0])
        self._words = (array("I", bytes(4 * _MAX_STEPS)), array("I", bytes(4 * _MAX_STEPS)))
        self._lead = array("H", bytes(2 * _LIMBS))
        self._state = array("I", bytes(4 * step_schedule.STATE_WORDS))
        self._end = 0  # count of steps at which the older of two runs ends
        self._back = 0  # which channel took the newest run
        self._off = False
        self._off_made = 0
        self._off_missed = 0
        self._unmoved = 0  # steps driven while the enable line was cut, or the supply was not there
        self._load_programs()
        registers.copy_for_ever(self._channels[2], _RXF0, _SCRATCH_COUNT, _RX0)
        registers.copy_for_ever(self._channels[3], _RXF1, uctypes.addressof(self._hardware_missed), _RX1)
        for channel in self._channels[:2]:
            mem32[_DMA + channel * 64 + 4] = _TXF0
        Pin(pins.STEP, Pin.ALT, alt=Pin.ALT_PIO0)
        mem32[_PIO] = 3
        self.enable()

    def _take_count(self) -> int:
        """Steps of the last life that made any. A reset in the middle of keeping it finds the count still
        there: it goes last but for the mark, of which nothing is asked then."""
        mem32 = machine.mem32
        made = mem32[_SCRATCH_COUNT] & _MASK
        kept = mem32[_SCRATCH_KEPT] & _MASK
        known = mem32[_SCRATCH_MARK] == _OURS ^ kept
        return (made or kept) if known else -1

    def _load_programs(self) -> None:
        registers.load_program(pio_programs.PULSE, 0)
        registers.load_program(pio_programs.FOLLOW, pio_programs.FOLLOW_AT)
        self._set_up(0, 0, pio_programs.PULSE_END)
        self._set_up(1, pio_programs.FOLLOW_AT, pio_programs.FOLLOW_END)

    def _set_up(self, machine_number: int, start: int, end: int) -> None:
        """Divider, wrap, JMP pin and SET pin; y all ones; ready to start."""
        mem32 = machine.mem32
        base = _PIO + _SM0_CLKDIV + machine_number * _SM_REGISTERS
        mem32[_PIO] = 0x11 << 4 + machine_number  # restart it and its divider
        mem32[base] = pio_programs.CLOCK_DIVIDER << 16
        mem32[base + 4] = pins.STALL << 24 | end << 12 | start << 7
        mem32[base + 8] = 3 << 18  # shift right, nothing by itself
        mem32[base + 20] = 1 << 26 | pins.STEP << 5
        if machine_number == 0:
            mem32[base + 16] = 0xE081  # set pindirs, 1
            mem32[base + 16] = 0xE000
        mem32[base + 16] = pio_programs.Y_ALL_ONES
        mem32[base + 16] = start  # jmp start

    def set_epoch(self, s: int, us: int) -> None:
        """The pump's clock stands at (s, us) now."""
        step_schedule.set_epoch(self._state, s, us)

    def append(self, run) -> None:
        """Take a run over. ValueError: "motor queue", it has no place; "motor run", it is too far off."""
        self._check(run)
        back = 1 - self._back
        words = self._words[back]
        state = self._state
        steps = step_schedule.dues(words, run, self._lead, state)
        interrupts = machine.disable_irq()
        step_schedule.hand_over(words, steps, state, self._pairs[back])
        machine.enable_irq(interrupts)
        self._back = back
        self._end = (self._expected() - steps) & _MASK

    def _check(self, run) -> None:
        flying = self.in_flight()
        if not 0 < run.steps <= _MAX_STEPS - flying:
            raise ValueError("motor queue")
        if flying and ((step_schedule.made() - self._end) & _MASK) > _MASK >> 1:
            raise ValueError("motor queue")
        if run.gap_s > _FAR_S or run.last_s - run.first_s > _FAR_S:
            raise ValueError("motor run")

    def executed(self) -> int:
        """Steps driven since boot, by PIO's count."""
        return step_schedule.made()

    @micropython.viper
    def in_flight(self) -> int:
        """Steps appended, neither driven nor cancelled."""
        expected = ptr32(self._state)[0]  # noqa: F821 - viper's own types
        return (expected - ptr32(_SCRATCH_COUNT)[0]) & 0x3FFFFFFF  # noqa: F821

    def cancel(self) -> None:
        """Drop every step that is not under way."""
        interrupts = machine.disable_irq()
        step_schedule.drop(self._state, self._channels[0], self._channels[1])
        machine.enable_irq(interrupts)
        self._end = step_schedule.made()

    def disable(self) -> None:
        """Cut the enable line: nothing moves any more, whatever PIO does."""
        self._driver.disable()
        self._look_at_supply()
        if not self._off:
            self._off = True
            self._off_made = step_schedule.made()
            self._off_missed = self._seen_missed()

    def enable(self) -> None:
        """Close the enable line."""
        self._look_at_supply()
        if self._off:
            self._unmoved += self._unmoved_now()
            self._off = False
        self._driver.enable()

    def lost_steps(self) -> int:
        """Steps driven that the feedback did not see move, those driven while the line was cut or without
        supply included."""
        self._look_at_supply()
        unmoved = self._unmoved
        if self._off:
            unmoved += self._unmoved_now()
        return self._seen_missed() + unmoved

    def supply(self) -> int:
        """Of the motor: 1 it is there, 0 it is not, -1 no sensor is fitted."""
        return -1 if self._supply is None else self._supply.value()

    def _look_at_supply(self) -> None:
        """Without it no step since the last look moved, whatever STALL says."""
        made = step_schedule.made()
        missed = self._seen_missed()
        if not self._off and self.supply() == 0:
            self._unmoved += (made - self._looked_made) - (missed - self._looked_missed)
        self._looked_made = made
        self._looked_missed = missed

    def _unmoved_now(self) -> int:
        return (step_schedule.made() - self._off_made) - (self._seen_missed() - self._off_missed)

    def steps_before_reset(self) -> int:
        """Steps of the life before this boot, or -1."""
        return self._steps_before_reset

    @micropython.viper
    def _seen_missed(self) -> int:
        return ptr32(self._hardware_missed)[0] & 0x3FFFFFFF  # noqa: F821 - viper's own types

    @micropython.viper
    def _expected(self) -> int:
        return ptr32(self._state)[0] & 0x3FFFFFFF  # noqa: F821
