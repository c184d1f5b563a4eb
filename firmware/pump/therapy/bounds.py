"""What a therapy may ask of this pump: lowest and highest value of every amount, one table for pump and docs.

The host reads it over the link (LIMITS) and refuses the same things earlier; the pump refuses them in any
case (SEC-11).
"""

from pump.dosing.local_time import LAST_DAY
from pump.units import PL_PER_ML, S_PER_DAY, US_PER_DAY

MAX_DRUGS = 5
MAX_FLEX_STEPS = 3 * 48  # in all: three different days of 48; what memory holds beside the running program
MAX_FLEX_STEPS_A_DAY = 48
MAX_PERIODIC = 4
MAX_PERIODIC_A_DAY = 48  # of all of them together: what a forecast of two days can hold in memory
MAX_PATIENT_PER_24H = 96
MAX_PLAN_STEPS = 32
MAX_DRUG_NAME = 15  # bytes: five of them and all sources fit one answer of ACCOUNTS

# plain numbers of a program: within their bounds whatever the rest of it is, and stored twice (INT-05)
PLAIN_NUMBERS = ("low_reservoir_pl", "low_reservoir_days", "max_pause_s")

EMPTY_PL = PL_PER_ML // 2  # at this volume the pump halts (RES-02): what is to be given must lie above it
MAX_LOT = 24  # bytes
LONGEST_SHIFT_US = 2 * US_PER_DAY  # of the clock, at once

DEFAULT_FLOOR_PL_PER_DAY = 48_000_000  # 0.048 mL/day


class Refused(Exception):
    """A refused program or command: `reason` is a name of thecal_protocol.messages.REFUSALS, `detail` the
    field.
    """

    def __init__(self, reason: str, detail: str):
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def outside(name: str, low: int, high: int, field: str = "") -> Refused:
    """The refusal of an amount, with its bounds: the host says them in a person's units."""
    return Refused("out_of_range", "%s%s %d %d" % (field + " " if field else "", name, low, high))


def check_local_time(day: int, offset_us: int) -> None:
    """Refused: a clock that would be set to this day, or moved by so much."""
    if abs(offset_us) > LONGEST_SHIFT_US:
        raise outside("clock_shift_us", 0, LONGEST_SHIFT_US)
    if not 0 <= day <= LAST_DAY:
        raise outside("local_day", 0, LAST_DAY)


_HIGHEST_FILL_PL = 100 * PL_PER_ML
_OF_COMMANDS = (
    ("resume_after_s", 0, 2 * S_PER_DAY),  # and at most the program's max_pause_s
    ("residual_pl", 0, _HIGHEST_FILL_PL),  # and at most the program's reservoir, like the next
    ("measured_pl", 0, _HIGHEST_FILL_PL),
    ("lot_bytes", 0, MAX_LOT),
    ("expiry_day", 1, LAST_DAY),
    ("local_day", 0, LAST_DAY),
    ("clock_shift_us", 0, LONGEST_SHIFT_US),  # either way
)


class Bounds:
    """(low, high) by name. The basal floor is the pump's own setting: what its motor can hold evenly; the
    largest step and the least gap between two of them are those of its board."""

    def __init__(
        self,
        floor_pl_per_day: int = DEFAULT_FLOOR_PL_PER_DAY,
        highest_step_pl: int = 10_000_000,
        least_gap_us: int = 0,
    ):
        self.floor_pl_per_day = floor_pl_per_day
        self._least_gap_us = least_gap_us
        highest_rate = 24 * PL_PER_ML
        highest_fill = _HIGHEST_FILL_PL
        self.table = (
            ("step_volume_pl", 100, highest_step_pl),
            ("concentration_ng_per_ml", 1, 100_000_000),
            ("basal_dose_ng_per_day", 1, 100_000_000),
            ("basal_rate_pl_per_day", floor_pl_per_day, highest_rate),
            ("max_rate_pl_per_day", floor_pl_per_day, highest_rate),
            ("reservoir_pl", PL_PER_ML, highest_fill),
            ("fill_pl", 0, highest_fill),
            ("bolus_dose_ng", 1, 100_000_000),
            ("bolus_duration_us", 1_000_000, US_PER_DAY),
            ("lockout_us", 1_000_000, US_PER_DAY),
            ("max_per_24h", 1, MAX_PATIENT_PER_24H),
            ("period_us", 300_000_000, 366 * US_PER_DAY),
            ("first_us", 1_000_000, 366 * US_PER_DAY),
            ("drugs", 1, MAX_DRUGS),
            ("basal_steps", 1, MAX_FLEX_STEPS),
            ("periodic_boluses", 0, MAX_PERIODIC),
            ("plan", 0, MAX_PLAN_STEPS),
            ("plan_span_us", 3_600_000_000, 366 * US_PER_DAY),
            ("pump_tubing_pl", 0, 2 * PL_PER_ML),
            ("catheter_pl", 0, 2 * PL_PER_ML),
            ("start_delay_s", 0, 7 * S_PER_DAY),
            ("low_reservoir_pl", PL_PER_ML // 10, highest_fill),
            ("low_reservoir_days", 0, 60),
            ("max_pause_s", 1, 2 * S_PER_DAY),
            ("least_gap_us", least_gap_us, least_gap_us),
        ) + _OF_COMMANDS

    def check_speed(self, program) -> None:
        """The motor must follow twice the highest rate, so that it makes up for what is overdue (MOT-06)."""
        gap_us = 2 * self._least_gap_us
        room = program.step_volume_pl * US_PER_DAY
        if program.max_rate_pl_per_day * gap_us > room:
            raise Refused("motor_speed", str(room // gap_us))

    def check(self, name: str, value: int, detail: str = "") -> None:
        """Refused("out_of_range") when the value is outside (DEL-06); `detail`: the field, where the
        bound is not named like it."""
        for row in self.table:
            if row[0] == name:
                if row[1] <= value <= row[2]:
                    return
                raise outside(name, row[1], row[2], detail)
        raise KeyError(name)
