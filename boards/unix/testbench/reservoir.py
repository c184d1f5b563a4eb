"""Where the fluid really is: the bench's truth, of which the pump's software sees nothing but pressures.

The board knows steps; the bench tells how much a step displaces and how much was filled in. A factor makes
every step displace more (over_delivery) or less than that. An empty reservoir gives nothing. Behind a blocked
catheter (`occlude` downstream) fluid is stored, and flows out when it is free again; before a blocked inlet
(upstream) the pump draws a vacuum and then nothing. Whole picolitres, rounded down at each change of a
setting.
"""

from micropython import const

DOWNSTREAM = const(0)
UPSTREAM = const(1)
_PL_PER_PA = const(100)  # what the walls give: 10 kPa for a microlitre
JAM_PL = const(15_000_000)  # stored: 150 kPa, against which the motor no longer turns
_VOID_PL = const(8_000_000)  # drawn from behind a blocked inlet: 80 kPa below the outside
_LOW_PL = const(1_000_000_000)  # below a millilitre the bellows pull
_EMPTY_PA = const(-20_000)
_CATHETER_PA = const(1_000)  # of the fluid around the spine


class Reservoir:
    """All methods take `steps`, the physical steps since boot."""

    def __init__(self, fill_pl: int):
        self._level_pl = fill_pl
        self._since_steps = 0
        self._step_volume_pl = 0
        self._factor_num = 1
        self._factor_den = 1
        self._left_pl = 0
        self._stored_pl = 0
        self._void_pl = 0
        self._blocked = bytearray(2)

    def _given(self, steps: int) -> int:
        """Moved by the steps since the last change."""
        swept = (steps - self._since_steps) * self._step_volume_pl * self._factor_num
        swept = min((swept + self._factor_den - 1) // self._factor_den, self._level_pl)
        return min(swept, _VOID_PL - self._void_pl) if self._blocked[UPSTREAM] else swept

    def level_pl(self, steps: int) -> int:
        return self._level_pl - self._given(steps)

    def left_pl(self, steps: int) -> int:
        """What has left the pump's catheter since boot."""
        return self._left_pl if self._blocked[DOWNSTREAM] else self._left_pl + self._given(steps)

    def upstream_pa(self, steps: int) -> int:
        """Pressure before the pump, against the outside."""
        level_pl = self.level_pl(steps)
        pa = _EMPTY_PA * (_LOW_PL - level_pl) // _LOW_PL if 0 < level_pl < _LOW_PL else 0
        if level_pl <= 0 and self._step_volume_pl:
            pa = _EMPTY_PA
        if self._blocked[UPSTREAM]:
            pa -= (self._void_pl + self._given(steps)) // _PL_PER_PA
        return pa

    def downstream_pa(self, steps: int) -> int:
        """Pressure in the catheter, against the outside."""
        if not self._blocked[DOWNSTREAM]:
            return _CATHETER_PA
        return _CATHETER_PA + (self._stored_pl + self._given(steps)) // _PL_PER_PA

    def _settle(self, steps: int) -> None:
        given = self._given(steps)
        self._level_pl -= given
        if self._blocked[UPSTREAM]:
            self._void_pl += given
        if self._blocked[DOWNSTREAM]:
            self._stored_pl += given
        else:
            self._left_pl += given
        self._since_steps = steps

    def fill(self, steps: int, volume_pl: int) -> None:
        """From now on it holds volume_pl."""
        self._settle(steps)
        self._level_pl = volume_pl

    def set_step_volume(self, steps: int, volume_pl: int) -> None:
        self._settle(steps)
        self._step_volume_pl = volume_pl

    def set_factor(self, steps: int, num: int, den: int) -> None:
        """Every step displaces num / den of its volume from now on."""
        self._settle(steps)
        self._factor_num = num
        self._factor_den = den

    def occlude(self, steps: int, where: int, blocked: bool) -> None:
        """The catheter or the inlet is blocked from now on, or free again."""
        self._settle(steps)
        self._blocked[where] = blocked
        if not blocked and where == DOWNSTREAM:
            self._left_pl += self._stored_pl
            self._stored_pl = 0
        elif not blocked:
            self._void_pl = 0

    def steps_to_jam(self, steps: int) -> int:
        """How many steps more until the pressure stops the motor; -1: it never does."""
        moved = self._step_volume_pl * self._factor_num
        if not self._blocked[DOWNSTREAM] or not moved:
            return -1
        return max(0, JAM_PL - self._stored_pl - self._given(steps)) * self._factor_den // moved

    def state(self, steps: int, conditions: bool):
        """For the next life of the pump; with `conditions` also what was injected."""
        if not conditions:
            self.set_factor(steps, 1, 1)
            self.occlude(steps, DOWNSTREAM, False)
            self.occlude(steps, UPSTREAM, False)
        self._settle(steps)
        volumes = [self._level_pl, self._step_volume_pl, self._left_pl, self._stored_pl, self._void_pl]
        return volumes + [self._factor_num, self._factor_den, list(self._blocked)]

    def restore(self, state) -> None:
        """As it was at the end of the life before."""
        self._level_pl, self._step_volume_pl, self._left_pl, self._stored_pl, self._void_pl = state[:5]
        self._factor_num, self._factor_den, blocked = state[5:]
        self._blocked = bytearray(blocked)
