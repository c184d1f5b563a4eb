"""Integer units and their relations, and the one pair of numbers that means an instant.

Everything in the pump is an integer in one of these units, named in the variable: ng, ng_per_day,
ng_per_ml, pl (picolitres), pl_per_day, us, s. 1 mL = 10^9 pL, 1 day = 86 400 000 000 us.
"""

PL_PER_ML = 1_000_000_000
PL_PER_UL = 1_000_000
US_PER_S = 1_000_000
S_PER_DAY = 86_400
US_PER_DAY = 86_400_000_000
S_PER_WEEK = 7 * S_PER_DAY

NEVER_S = 0x3FFFFFFF  # 34 years: the largest second a 31-bit small integer holds; "not scheduled"


class Instant:
    """A point (or a span) of time as whole seconds and microseconds below one million. Never allocates."""

    def __init__(self, s: int = NEVER_S, us: int = 0):
        self.s = s
        self.us = us

    def set(self, s: int, us: int) -> None:
        self.s = s
        self.us = us

    def set_never(self) -> None:
        self.s = NEVER_S
        self.us = 0

    def is_never(self) -> bool:
        return self.s >= NEVER_S

    def add(self, s: int, us: int) -> None:
        """Move on by a span (us < 10^6)."""
        s += self.s
        us += self.us
        if us >= US_PER_S:
            us -= US_PER_S
            s += 1
        self.s = s
        self.us = us

    def subtract(self, s: int, us: int) -> None:
        """Move back by a span, or turn an instant into the span since (s, us)."""
        s = self.s - s
        us = self.us - us
        if us < 0:
            us += US_PER_S
            s -= 1
        self.s = s
        self.us = us

    def by(self, s: int, us: int) -> bool:
        """Is it at or before (s, us)?"""
        return self.s < s or (self.s == s and self.us <= us)

    def total_us(self) -> int:
        """In microseconds; allocates above 2^30 on a 32-bit port."""
        return self.s * US_PER_S + self.us

    def set_us(self, total_us: int) -> None:
        self.s = total_us // US_PER_S
        self.us = total_us % US_PER_S
