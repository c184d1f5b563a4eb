"""Board interface `sensors` on RP2040: four channels of the ADC, scaled by pins.py. Nothing allocates.

A channel below what its sensor gives at least, or at the upper end, has no sensor on it: NO_READING. An input
that hangs in the air is held down by its 100 kOhm (README.md).
"""

import pins
from machine import ADC, Pin
from micropython import const

_HIGH = const(4080)  # of 4096


class Sensors:
    """Raw readings; what they mean is the firmware's to judge."""

    NO_READING = -(1 << 29)

    def __init__(self):
        self._temperature = ADC(Pin(pins.TEMPERATURE))
        self._upstream = ADC(Pin(pins.UPSTREAM))
        self._downstream = ADC(Pin(pins.DOWNSTREAM))
        self._battery = ADC(Pin(pins.BATTERY))
        self.temperature_mc = self.NO_READING
        self.battery_mv = self.NO_READING
        self.upstream_pa = self.NO_READING
        self.downstream_pa = self.NO_READING

    def sample(self) -> None:
        """Read all of them now: about 0.2 ms."""
        self.temperature_mc = self._read(
            self._temperature, pins.TEMPERATURE_LEAST_UV, pins.TEMPERATURE_ZERO_UV, pins.MC_PER_MV
        )
        self.battery_mv = self._read(self._battery, pins.BATTERY_LEAST_UV, 0, pins.BATTERY_DIVIDER)
        self.upstream_pa = self._pressure(self._upstream)
        self.downstream_pa = self._pressure(self._downstream)

    def _pressure(self, adc) -> int:
        return self._read(adc, pins.PRESSURE_LEAST_UV, pins.PRESSURE_ZERO_UV, pins.PA_PER_MV)

    def _read(self, adc, least_uv: int, zero_uv: int, per_mv: int) -> int:
        """By 3.3 V and 12 bits; NO_READING below the least and at the upper end."""
        raw = adc.read_u16() >> 4
        uv = raw * 8057 // 10
        if uv < least_uv or raw > _HIGH:
            return self.NO_READING
        return (uv - zero_uv) * per_mv // 1000
