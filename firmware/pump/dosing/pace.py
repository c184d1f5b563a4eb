"""The pace of a motor that is behind: what is overdue it makes no faster than its least gap (MOT-07).

A motor without one (the unix board's) makes what is overdue at once, so there is nothing to wait for. Nothing
here allocates after construction."""

from pump.dosing.planner import LOW_WATER
from pump.units import US_PER_S


class Pace:
    """Of one motor."""

    def __init__(self, motor):
        self._motor = motor
        self.gap_us = 0  # the board's

    def is_done(self) -> bool:
        """Has it made all that it was given and that is due? A segment ends with its steps."""
        return not self.gap_us or not self._motor.in_flight()

    def put_off(self, wake, s: int, us: int) -> None:
        """Who woke late has handed over all that there is room for, and is behind its time: it shall wake
        when the motor has made enough of it."""
        if not wake.by(s, us):
            return
        steps = self._motor.in_flight()
        if steps > LOW_WATER:
            steps -= LOW_WATER
        if steps:
            wait_us = steps * self.gap_us
            wake.set(s, us)
            wake.add(wait_us // US_PER_S, wait_us % US_PER_S)
