"""What a pump's refusals and limits say in numbers of the wire, in a person's units.

A refusal carries the bound that was passed ("resume_after_s 0 1800"), the time that is still to pass, or
what is left (docs/reference/protocol.md, Refusals). What cannot be read is shown as it came.
"""

from collections.abc import Callable

from thecal.units import amounts, local_time
from thecal.units.amounts import US_PER_S
from thecal_protocol.codec import WireError, name_of
from thecal_protocol.messages import ALARMS, SELF_TESTS


def _seconds(s: int) -> str:
    return amounts.duration_text(s * US_PER_S)


def _day(day: int) -> str:
    return local_time.date_text(day)


# by how the name ends, the longest first
_UNITS: tuple[tuple[str, Callable[[int], str]], ...] = (
    ("_ng_per_day", amounts.dose_rate_text),
    ("_ng_per_ml", amounts.concentration_text),
    ("_pl_per_day", amounts.volume_rate_text),
    ("_ng", amounts.mass_text),
    ("_pl", amounts.volume_text),
    ("_us", amounts.duration_text),
    ("_s", _seconds),
    ("_day", _day),
    ("_days", lambda days: f"{days} d"),
    ("_bytes", lambda size: f"{size} bytes"),
)


def label_of(name: str) -> str:
    """The name of a limit without its unit: "resume after" of "resume_after_s"."""
    ending = next((ending for ending, _ in _UNITS if name.endswith(ending)), "")
    if ending in ("_day", "_days"):
        ending = ""
    return name.removesuffix(ending).replace("_", " ")


def amount_text(name: str, amount: int) -> str:
    """An amount by the unit that stands in the name of its limit."""
    form = next((form for ending, form in _UNITS if name.endswith(ending)), str)
    return form(amount)


def bound_text(name: str, low: int, high: int) -> str:
    """Between what it must lie: "at most 30 min", "from 1 s to 24 h"."""
    if low == 0 and not name.endswith("_day"):
        return f"at most {amount_text(name, high)}"
    return f"from {amount_text(name, low)} to {amount_text(name, high)}"


def detail_text(refusal: str, detail: str) -> str:
    """What a refusal carries, for a person; as it came, where it is no number of ours."""
    try:
        return (
            _NUMBERS[refusal](int(detail)) if refusal in _NUMBERS else _in_words(refusal, detail.split(" "))
        )
    except (ValueError, WireError, OverflowError):
        return detail


def _in_words(refusal: str, parts: list[str]) -> str:
    if refusal in ("limit_24h", "limit_1h") and len(parts) > 3:
        return _left(" ".join(parts[:-3]), *map(int, parts[-3:]))
    if len(parts) > 2:
        field, name, low, high = " ".join(parts[:-3]), parts[-3], int(parts[-2]), int(parts[-1])
        return f"{field + ': ' if field else ''}{label_of(name)}: {bound_text(name, low, high)}"
    return " ".join(parts)


def _left(drug: str, left_ng: int, day: int, second: int) -> str:
    """What is left of a limit and from when the whole bolus fits. Of the primary drug, as boluses are."""
    left = f"at most {amounts.mass_text(left_ng)} now" if left_ng else "nothing is left now"
    when = f"{local_time.from_wire(day, second):%a %Y-%m-%d %H:%M:%S}"
    return f"the limit of {drug}: {left}; " + (
        f"this bolus from {when} on" if day else "this bolus not within two days"
    )


def _shortest(us: int) -> str:
    return (
        f"over {amounts.duration_text(-(-us // US_PER_S) * US_PER_S)} or more" if us else "over no duration"
    )


_NUMBERS: dict[str, Callable[[int], str]] = {
    "lockout": lambda us: f"{amounts.span_text(-(-us // US_PER_S))} left",
    "max_rate": _shortest,
    "motor_speed": lambda pl_per_day: f"at most {amounts.volume_rate_text(pl_per_day)}",
    "max_per_24h": lambda count: f"at most {count} in 24 h",
    "slow_down": lambda s: f"{amounts.span_text(s)} left",
    "too_large": lambda size: f"at most {size} bytes",
    "fault_latched": lambda number: name_of(ALARMS, number),
    "still_present": lambda number: name_of(ALARMS, number),
    "no_alarm": lambda number: name_of(ALARMS, number),
    "self_test": lambda number: name_of(SELF_TESTS, number),
}
