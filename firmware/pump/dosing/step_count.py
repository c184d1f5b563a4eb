"""How many steps were made: in all, as dose, by primes, and how many of them nobody saw move.

The motor counts from the last reset; what was made before is on record (`pump.records.state`). Nothing here
allocates after construction.
"""


class StepCount:
    """Of one motor."""

    def __init__(self, motor):
        self.motor = motor
        self.base = 0  # made before the last reset
        self.before = 0  # the motor's count when the segment began
        self.priming = False  # is the segment a prime's?
        self.primes = 0  # not part of the daily dose
        self.lost_base = 0  # not seen to move before the last reset
        self.lost_primes = 0  # those of primes among all of them
        self._lost_before = 0

    def close(self, steps: int) -> None:
        """A segment has ended, and these are its steps."""
        self.before += steps
        lost = self.motor.lost_steps()
        if self.priming:
            self.primes += steps
            self.lost_primes += lost - self._lost_before
        self._lost_before = lost

    def take_as_it_is(self) -> None:
        """Out of a fault: whatever the motor has made, a segment begins here."""
        self.before = self.motor.executed()
        self._lost_before = self.motor.lost_steps()
        self.priming = False

    def in_segment(self) -> int:
        return self.motor.executed() - self.before

    def dose_before(self) -> int:
        """`dose_steps` when the segment began."""
        return self.base + self.before - self.primes

    def primed_steps(self) -> int:
        """Steps of primes; those before the last reset are in it too."""
        if self.priming:
            return self.primes + self.motor.executed() - self.before
        return self.primes

    def steps(self) -> int:
        """Steps on the ledger: made since boot, and counted as made before."""
        return self.base + self.motor.executed()

    def dose_steps(self) -> int:
        """Those of them that count as dose: all but the steps of a prime."""
        return self.base + self.motor.executed() - self.primed_steps()

    def lost_steps(self) -> int:
        """Steps on the ledger that were not seen to move, those of primes too."""
        return self.lost_base + self.motor.lost_steps()

    def primed_lost_steps(self) -> int:
        if self.priming:
            return self.lost_primes + self.motor.lost_steps() - self._lost_before
        return self.lost_primes
