"""What is really in the reservoir: the bench's truth, of which the pump's software sees nothing.

The board knows steps; the bench tells how much a step displaces and how much was filled in. A factor makes
every step displace more (over_delivery) or less than that. Whole picolitres, rounded down at each change of a
setting.
"""


class Reservoir:
    """All methods take `steps`, the physical steps since boot."""

    def __init__(self, fill_pl: int):
        self._level_pl = fill_pl
        self._since_steps = 0
        self._step_volume_pl = 0
        self._factor_num = 1
        self._factor_den = 1

    def level_pl(self, steps: int) -> int:
        drawn = (steps - self._since_steps) * self._step_volume_pl * self._factor_num
        return max(0, self._level_pl - (drawn + self._factor_den - 1) // self._factor_den)

    def fill(self, steps: int, volume_pl: int) -> None:
        """From now on it holds volume_pl."""
        self._level_pl = volume_pl
        self._since_steps = steps

    def set_step_volume(self, steps: int, volume_pl: int) -> None:
        self.fill(steps, self.level_pl(steps))
        self._step_volume_pl = volume_pl

    def set_factor(self, steps: int, num: int, den: int) -> None:
        """Every step displaces num / den of its volume from now on."""
        self.fill(steps, self.level_pl(steps))
        self._factor_num = num
        self._factor_den = den
