"""The sensors of the unix board, each a closed form of time and steps, worked out only when it is sampled.

    temperature   37 C with a day's rhythm of 0.2 C and noise up to 0.1 C
    battery       a lithium cell by its charge: what time and steps have drawn since it was new
    upstream      0 and noise; falls below a millilitre, and step by step before a blocked inlet
    downstream    1 kPa and noise; rises step by step behind a blocked catheter

Noise follows from the seed, the sensor and the instant, so who samples how often changes nothing. The bench
makes sensors show what it wants, stick, or fall silent. `sample` allocates nothing.
"""

import array

from micropython import const

from thecal_protocol.sensors import NO_READING, READINGS, SENSORS

NAMES = tuple([row[1] for row in SENSORS if row[2]])
_DAY_US = const(86_400_000_000)
_HALF_DAY_US = const(43_200_000_000)

_WARM_MC = const(37_000)
_RHYTHM_MC = const(400)  # from the coolest hour to the warmest

# A cell of 2 Ah: 30 uA all the time and 4 uC for each step: 4.7 years at 1 mL/day.
CELL_UC = const(7_200_000_000)
_IDLE_UC_PER_S = const(30)
_STEP_UC = const(4)
# Voltage by charge left. 2700 mV come about 90 days before the end at 1 mL/day, 2400 mV are the end.
_CURVE_PERMILLE = (0, 5, 52, 100, 500, 900, 1000)
_CURVE_MV = (2200, 2400, 2700, 2850, 2950, 3050, 3250)

_NOISE = (100, 4, 150, 300)  # at most, in the sensor's unit


def _hash(seed: int, at_us: int) -> int:
    """60 bits that look random, the same for the same instant."""
    x = (seed * 40503 + (at_us & 0x3FFFFFFF) + (at_us >> 30) * 7919) & 0x3FFFFFFF
    x ^= x >> 15
    x = x * 0x2C1B3C6D & 0x3FFFFFFF
    x ^= x >> 12
    x = x * 0x297A2D39
    return x ^ x >> 31


def _warmth_mc(phase_us: int) -> int:
    """Without noise, so long after midnight."""
    rise_us = phase_us if phase_us < _HALF_DAY_US else _DAY_US - phase_us
    return _WARM_MC - _RHYTHM_MC // 2 + _RHYTHM_MC * rise_us // _HALF_DAY_US


def _millivolts(left_uc: int) -> int:
    """Voltage of the cell with so much charge left."""
    left = left_uc * 1000 // CELL_UC
    i = 1
    while i < len(_CURVE_PERMILLE) - 1 and left >= _CURVE_PERMILLE[i]:
        i += 1
    span_uc = (_CURVE_PERMILLE[i] - _CURVE_PERMILLE[i - 1]) * (CELL_UC // 1000)
    over_uc = left_uc - _CURVE_PERMILLE[i - 1] * (CELL_UC // 1000)
    return _CURVE_MV[i - 1] + (_CURVE_MV[i] - _CURVE_MV[i - 1]) * over_uc // span_uc


class Sensors:
    """Board interface `sensors`. Attributes as docs/reference/board-interface.md names them."""

    NO_READING = NO_READING

    def __init__(self, clock, motor, reservoir, seed: int, start_us: int):
        self._clock = clock
        self._motor = motor
        self._reservoir = reservoir
        self._seed = seed
        self._start_us = start_us
        self._left_uc = CELL_UC
        self._drawn_from_us = 0  # since boot
        self._drawn_from_steps = 0
        self._forced = [None] * len(NAMES)
        self._stuck = [None] * len(NAMES)
        self._missing = bytearray(len(NAMES))
        self._louder = array.array("i", [1] * len(NAMES))
        self.temperature_mc = NO_READING
        self.battery_mv = NO_READING
        self.upstream_pa = NO_READING
        self.downstream_pa = NO_READING

    def sample(self) -> None:
        """Read all of them now."""
        steps = self._motor.made_steps()
        at_us = self._start_us + self._clock.now_us
        rng = _hash(self._seed, at_us)
        self.temperature_mc = self._shown(0, _warmth_mc(at_us % _DAY_US), rng)
        self.battery_mv = self._shown(1, _millivolts(self.charge_uc()), rng >> 15)
        self.upstream_pa = self._shown(2, self._reservoir.upstream_pa(steps), rng >> 30)
        self.downstream_pa = self._shown(3, self._reservoir.downstream_pa(steps), rng >> 45)

    def _shown(self, sensor: int, value: int, rng: int) -> int:
        """With the sensor's noise, from the last 15 bits of `rng`."""
        if self._missing[sensor]:
            return NO_READING
        if self._stuck[sensor] is not None:
            return self._stuck[sensor]
        if self._forced[sensor] is not None:
            value = self._forced[sensor]
        most = _NOISE[sensor] * self._louder[sensor]
        return value + (rng & 0x7FFF) % (2 * most + 1) - most

    def charge_uc(self) -> int:
        """What is left in the cell, microcoulombs."""
        seconds = (self._clock.now_us - self._drawn_from_us) // 1_000_000
        steps = self._motor.executed() - self._drawn_from_steps
        return max(0, self._left_uc - seconds * _IDLE_UC_PER_S - steps * _STEP_UC)

    def charge_permille(self) -> int:
        """For the bench: the same, by the whole cell."""
        return self.charge_uc() * 1000 // CELL_UC

    # --- what the bench does to them ---

    def set_charge(self, left_uc: int) -> None:
        """The cell has so much left, and goes on from there."""
        self._left_uc = left_uc
        self._drawn_from_us = self._clock.now_us
        self._drawn_from_steps = self._motor.executed()

    def force(self, sensor: int, value) -> None:
        """It measures this value; None: what is there."""
        self._forced[sensor] = value

    def shows(self, sensor: int) -> int:
        """What it shows now."""
        self.sample()
        return getattr(self, READINGS[sensor][1])

    def stick(self, sensor: int, value) -> None:
        """It shows this for ever; None: what there is."""
        self._stuck[sensor] = value

    def silence(self, sensor: int, missing: bool) -> None:
        """It does not answer."""
        self._missing[sensor] = missing

    def make_noisy(self, sensor: int, times: int) -> None:
        """Its noise is so many times the normal one."""
        self._louder[sensor] = times
