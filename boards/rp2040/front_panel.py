"""Board interface `button`, `buzzer` and the latch on RP2040. Nothing allocates after construction.

The button counts in an interrupt; the buzzer's patterns are played by PWM and a hardware timer's interrupt.
"""

import io
import select
import time

import machine
import pins
from machine import PWM, Pin, Timer
from micropython import const

_QUIET_MS = const(30)
_TICKS_MASK = const(0x3FFFFFFF)
_IOCTL_POLL = const(3)
_SCRATCH1 = const(0x40058010)

SILENCE = const(0)
_HIGH_HZ = const(2700)
_LOW_HZ = const(2000)
_ON = const(32768)  # half of the time
# of patterns 1, 2 and 3: how long until the timer looks again, ms, and how often it does
_EACH_MS = (0, 500, 500, 50)
_LOOKS = (0, 2, 6, 2)
_TWO_TONES = const(2)


class Button(io.IOBase):
    """Presses, debounced. As a stream it is ready while a press has not been looked at: that ends a wait."""

    def __init__(self):
        self._presses = 0
        self._seen = 0
        self._pin = Pin(pins.BUTTON, Pin.IN, Pin.PULL_UP)
        self._down = not self._pin.value()
        self._up_ms = time.ticks_ms()  # since when it is up, or was
        self._pin.irq(self._edge, Pin.IRQ_FALLING | Pin.IRQ_RISING, hard=True)

    def _edge(self, pin) -> None:
        """It counts when it goes down after it was up for so long. What it bounces to is not asked for."""
        now_ms = time.ticks_ms()
        if pin.value():
            if self._down:
                self._down = False
                self._up_ms = now_ms
        elif not self._down:
            self._down = True
            if (now_ms - self._up_ms) & _TICKS_MASK >= _QUIET_MS:
                self._presses += 1

    def presses(self) -> int:
        """Presses since boot."""
        self._seen = self._presses
        return self._presses

    def ioctl(self, request, flags):
        """For `select.poll`."""
        if request == _IOCTL_POLL:
            return select.POLLIN & flags if self._presses != self._seen else 0
        return 0


class Buzzer:
    """Patterns, played by themselves; the sense line says whether they sounded."""

    def __init__(self):
        self._pwm = PWM(Pin(pins.BUZZER), freq=_HIGH_HZ, duty_u16=0)
        self._sense = Pin(pins.BUZZER_SENSE, Pin.IN, Pin.PULL_DOWN)
        self._timer = Timer()
        self._callback = self._look
        self._left = 0
        self._pattern = SILENCE
        self._heard = True

    def play(self, pattern: int) -> None:
        """0 silence, 1 a tone of 1 s, 2 two tones of 3 s in all, 3 a chirp. ValueError for any other."""
        if not 0 <= pattern < len(_LOOKS):
            raise ValueError("pattern")
        self._timer.deinit()
        self._pattern = pattern
        self._left = _LOOKS[pattern]
        if not pattern:
            self._pwm.duty_u16(0)
            return
        self._heard = False
        self._pwm.freq(_HIGH_HZ)
        self._pwm.duty_u16(_ON)
        self._timer.init(mode=Timer.PERIODIC, period=_EACH_MS[pattern], callback=self._callback, hard=True)

    def _look(self, timer) -> None:
        """In the timer's interrupt: was there a sound, and what comes next?"""
        if self._sense.value():
            self._heard = True
        self._left -= 1
        if self._left <= 0:
            self._pwm.duty_u16(0)
            timer.deinit()
        elif self._pattern == _TWO_TONES:
            self._pwm.freq(_LOW_HZ if self._left & 1 else _HIGH_HZ)

    def works(self) -> bool:
        """Did the last pattern sound? True before the first, and until the first half of it is over."""
        return self._heard or self._left == _LOOKS[self._pattern]


class Latch:
    """One word in watchdog scratch register 1: 0 after power on, kept over every other reset."""

    def get(self) -> int:
        return machine.mem32[_SCRATCH1] & 0x3FFFFFFF

    def put(self, word: int) -> None:
        machine.mem32[_SCRATCH1] = word & 0x3FFFFFFF
