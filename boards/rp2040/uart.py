"""Board interface `serial` on RP2040: the USB line by default, UART0 by the settings. Nothing allocates.

The USB line is MicroPython's console: whatever that prints lands between frames, where the host skips it.
"""

import select
import sys
import time

import pins
from machine import UART, Pin
from micropython import const

_MOST = const(512)
_SLOW_MS = const(100)  # for one answer: nobody who reads takes so long
_SULK_MS = const(1000)
_TICKS_MASK = const(0x3FFFFFFF)
_BAUD = const(115200)


class UsbLine:
    """Bytes by stdin and stdout. MicroPython waits up to 0.5 s for each 64 of them that is not taken.
    So an answer taken slowly is the last one for a second: nobody holds the pump up by reading slowly."""

    def __init__(self):
        self.stream = sys.stdin
        self._in = sys.stdin.buffer
        self._out = sys.stdout.buffer
        self._one = bytearray(1)
        self._slow = False
        self._slow_ms = 0
        self._ready = select.poll()
        self._ready.register(sys.stdin, select.POLLIN)
        self._room = select.poll()
        self._room.register(sys.stdout, select.POLLOUT)
        self._ready.ipoll(0)
        self._room.ipoll(0)

    def readinto(self, buffer) -> int:
        """Take what has come."""
        one = self._one
        most = len(buffer)
        count = 0
        while count < most and self._has_come():
            self._in.readinto(one)
            buffer[count] = one[0]
            count += 1
        return count

    def _has_come(self) -> bool:
        for _ in self._ready.ipoll(0):
            return True
        return False

    def write(self, data) -> None:
        """Send all of it, or drop it when nobody takes it."""
        if len(data) > _MOST:
            raise ValueError("serial write")
        began_ms = time.ticks_ms()
        if self._slow and (began_ms - self._slow_ms) & _TICKS_MASK < _SULK_MS:
            return
        for _ in self._room.ipoll(0):
            self._out.write(data)
            self._slow_ms = time.ticks_ms()
            self._slow = (self._slow_ms - began_ms) & _TICKS_MASK > _SLOW_MS


class UartLine:
    """Bytes by UART0, 115200 baud, 8N1."""

    def __init__(self):
        self.stream = self._uart = UART(
            0, _BAUD, tx=Pin(pins.UART_TX), rx=Pin(pins.UART_RX), rxbuf=_MOST, txbuf=_MOST + 64, timeout=0
        )

    def readinto(self, buffer) -> int:
        """Take what has come."""
        uart = self._uart
        if not uart.any():
            return 0
        return uart.readinto(buffer) or 0

    def write(self, data) -> None:
        """Send all of it; what has no room any more is dropped."""
        if len(data) > _MOST:
            raise ValueError("serial write")
        self._uart.write(data)
