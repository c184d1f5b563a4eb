"""The motor driver TMC2209 by its pins STEP, DIR and EN; an A4988 takes the same.

Every file of this folder is a module `driver` (docs/reference/board-interface.md, The motor driver): which
one a board has says its build.toml. Its UART is not used: with PDN at ground it lowers the motor's current
at standstill by itself (an A4988 holds all of it). It takes pulses of 0.1 us (A4988: 1 us) and DIR 20 ns
before a step (A4988: 200 ns); DIR is set once, long before the first. It tells of no step that was not made:
that takes an encoder, at the board's pin STALL. Nothing allocates after construction.
"""

import pins
from machine import Pin
from micropython import const

MOTOR_OFF = const(1)  # level of EN at which the motor has no force
PULSE_US = const(5)  # STEP is high for so long, 4 to 35
LEAST_GAP_US = const(2000)  # between overdue steps: 500 a second. As long as your motor needs not to lose one


class Driver:
    """One motor; off until `enable`. `feedback`: does anybody see whether it moves?"""

    feedback = pins.MOTOR_FEEDBACK != 0

    def __init__(self):
        self._enable = Pin(pins.ENABLE, Pin.OUT, value=MOTOR_OFF)
        Pin(pins.DIR, Pin.OUT, value=pins.FORWARD)

    def enable(self) -> None:
        """Steps move the motor, and it is held between them."""
        self._enable.value(1 - MOTOR_OFF)

    def disable(self) -> None:
        """It has no force, whatever steps come."""
        self._enable.value(MOTOR_OFF)
