"""What the pump answers about alarms, sensors, self tests and the reservoir, as typed values.

Built by `client`. Units stand in the names, as on the wire; numbers that stand for names are names."""

from typing import NamedTuple

from thecal.link.responses.pump import Instant, Reply, seen
from thecal_protocol.alarms import ALARMS, CONFIRMED, LIVE
from thecal_protocol.reservoir import REFILL_REASONS
from thecal_protocol.self_tests import SELF_TESTS
from thecal_protocol.sensors import READINGS, SENSOR_STATES, SENSORS

NEVER_S = 0xFFFFFFFF
_UNKNOWN_PPM = 0xFFFFFFFF


class StandingAlarm(NamedTuple):
    """An alarm that stands."""

    name: str
    critical: bool  # its class now
    live: bool  # its condition stands
    confirmed: bool
    raised: Instant
    detail: int  # docs/reference/alarms.md says what it means


class Alarms(NamedTuple):
    """All that stand, and what is announced."""

    announced: str | None
    silent_s: int  # how long it still keeps silent
    fault: str | None  # the first fatal one since the last clear_fault
    fault_detail: int
    standing: tuple[StandingAlarm, ...]


class Sensors(NamedTuple):
    """What the sensors said last, and what the pump thinks of them."""

    sampled_s: int
    readings: dict[str, int]  # by name: battery_mv
    states: dict[str, str]  # sensor -> good, missing, out_of_range, stuck, not_read
    missed_steps: int  # since boot: driven, and not seen to move
    missed_pl: int  # since the commit
    eri_s: int | None  # when battery_eri came


class RefillCheck(NamedTuple):
    """One refill: what was counted against what was measured. The ratio is exact from the volumes."""

    at_s: int
    day: int  # local, since 2000-01-01
    filled_pl: int  # at the refill before it
    counted_pl: int
    residual_pl: int
    ratio_ppm: int | None


class Reservoir(NamedTuple):
    """The reservoir by the pump's count, when it is due, and the last refills, newest first."""

    reservoir_pl: int
    filled_pl: int  # what the last filling put in
    missed_pl: int | None  # counted since then and not seen to move; None: nobody sees the motor
    low_pl: int
    low_days: int
    empty_pl: int
    to_low_s: int | None
    to_empty_s: int | None
    refill_day: int | None  # days since 2000-01-01
    refill_reason: str
    lot: str
    expiry_day: int | None
    checks: tuple[RefillCheck, ...]


def alarms_of(reply: Reply, standing: list[StandingAlarm]) -> Alarms:
    """The last page of the answer to `alarms`, with the alarms of all pages."""
    return Alarms(
        announced=reply.name("announced", ALARMS) if reply.number("announced") else None,
        silent_s=reply.number("silent_s"),
        fault=reply.name("fault", ALARMS) if reply.number("fault") else None,
        fault_detail=reply.number("fault_detail"),
        standing=tuple(standing),
    )


def standing_of(reply: Reply) -> StandingAlarm:
    """One alarm of the answer to `alarms`."""
    state = reply.number("state")
    return StandingAlarm(
        name=reply.name("alarm", ALARMS),
        critical=bool(reply.number("critical")),
        live=bool(state & LIVE),
        confirmed=bool(state & CONFIRMED),
        raised=reply.instant("raised"),
        detail=reply.number("detail"),
    )


def sensors_of(reply: Reply) -> Sensors:
    """The answer to `sensors`."""
    eri_s = reply.number("eri_s")
    return Sensors(
        sampled_s=reply.number("sampled_s"),
        readings={name: reply.number(name) for _, name, *_ in READINGS},
        states={s.name("sensor", SENSORS): s.name("state", SENSOR_STATES) for s in reply.group("states")},
        missed_steps=reply.number("missed_steps"),
        missed_pl=reply.number("missed_pl"),
        eri_s=None if eri_s == NEVER_S else eri_s,
    )


def self_test_of(reply: Reply) -> tuple[str, int]:
    """The answer to `self_test`: "passed" or the test that failed, and the microseconds it took."""
    return reply.name("failed", SELF_TESTS), reply.number("took_us")


def check_of(reply: Reply) -> RefillCheck:
    """One check of the answer to `reservoir`."""
    ratio = reply.number("ratio_ppm")
    return RefillCheck(
        at_s=reply.number("at_s"),
        day=reply.number("day"),
        filled_pl=reply.number("filled_pl"),
        counted_pl=reply.number("counted_pl"),
        residual_pl=reply.number("residual_pl"),
        ratio_ppm=None if ratio == _UNKNOWN_PPM else ratio,
    )


def reservoir_of(reply: Reply, checks: list[RefillCheck]) -> Reservoir:
    """The last page of the answer to `reservoir`, with the checks of all pages."""

    def span(name: str) -> int | None:
        return None if reply.number(name) == NEVER_S else reply.number(name)

    return Reservoir(
        reservoir_pl=reply.number("reservoir_pl"),
        filled_pl=reply.number("filled_pl"),
        missed_pl=seen(reply.number("missed_pl")),
        low_pl=reply.number("low_pl"),
        low_days=reply.number("low_days"),
        empty_pl=reply.number("empty_pl"),
        to_low_s=span("to_low_s"),
        to_empty_s=span("to_empty_s"),
        refill_day=reply.number("refill_day") or None,
        refill_reason=reply.name("refill_reason", REFILL_REASONS),
        lot=reply.text("lot"),
        expiry_day=reply.number("expiry_day") or None,
        checks=tuple(checks),
    )
