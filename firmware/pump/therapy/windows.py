"""Rolling limits per drug: would any window that holds some of this bolus hold too much? (BOL-05)

The dose given so far is a broken line through the history of counts; what is scheduled ahead (basal by
its mode, periodic boluses, boluses under way) plus the bolus asked for continues it. A window of 24 h (or
1 h) slides over this line; its contents are highest where an end of it lies on a corner, so the corners
are all that is looked at. The sum is exact, in units of 10^-9 ng / Q with Q a common multiple of all
durations; the history is right to one step, which a limit therefore allows on top, and where changes came
closer than 5 min it errs towards refusing. Future patient boluses are not assumed.

Called by: `pump.therapy.boluses`. Allocates: commands only.
"""

from pump.dosing.scale import least_multiple
from pump.dosing.source import EXTENDED, IDLE, PERIODIC
from pump.units import PL_PER_ML, US_PER_DAY, US_PER_S

DAY_US = US_PER_DAY
HOUR_US = 3_600_000_000


class Ahead:
    """What is scheduled from now on: corners (us from now, primary dose in 10^-9 ng / Q), ascending."""

    def __init__(self, course, bolus, until_us: int, s: int, us: int):
        self._now_us = s * US_PER_S + us
        self._until_us = until_us
        duration_us = bolus["duration_us"]
        pieces = [(0, duration_us, bolus["dose_ng"], duration_us)]  # from, to, dose, over which duration
        for source in course.delivery.sources:
            if source.state != IDLE:
                waits_us = duration_us if bolus["suspends_extended"] and source.kind == EXTENDED else 0
                left_us = source.left_us(s, us)
                pieces.append((waits_us, waits_us + left_us, source.dose_ng, source.duration_us))
            if source.kind == PERIODIC and source.is_prescribed():
                self._add_periodic(pieces, source)
        q = US_PER_DAY
        for piece in pieces:
            q = least_multiple(q, piece[3])
        self.q = q
        changes = []  # (at, change of rate)
        self._add_basal(changes, course, s, us)
        for begin, end, dose, duration in pieces:
            rate = dose * PL_PER_ML * (q // duration)
            changes.append((begin, rate))
            changes.append((end, -rate))
        changes.sort()
        self.corners = self._integrate(changes)

    def _add_periodic(self, pieces, source) -> None:
        at = source.next.total_us() - self._now_us
        while at < self._until_us:
            pieces.append((at, at + source.duration_us, source.dose_ng, source.duration_us))
            at += source.every_us

    def _add_basal(self, changes, course, s: int, us: int) -> None:
        """Changes of the basal rate, in 10^-9 ng / Q per microsecond."""
        held = 0
        for at, dose_e9 in course.basal_ahead(self._until_us, s, us):
            rate = dose_e9 * (self.q // US_PER_DAY)
            changes.append((at, rate - held))
            held = rate

    def _integrate(self, changes):
        corners = [(0, 0)]
        rate = 0
        at = 0
        dose = 0
        for when, change in changes:
            if when >= self._until_us:
                break
            if when > at:
                dose += rate * (when - at)
                at = when
                corners.append((at, dose))
            rate += change
        corners.append((self._until_us, dose + rate * (self._until_us - at)))
        return corners


def _line_at(line, at: int) -> int:
    """Value of the broken line at `at`, rounded up; the lower one where it jumps, the end values outside."""
    if at <= line[0][0]:
        return line[0][1]
    low = 0
    high = len(line) - 1
    if at > line[high][0]:
        return line[high][1]
    while high - low > 1:  # line[low].at < at <= line[high].at
        middle = (low + high) // 2
        if line[middle][0] < at:
            low = middle
        else:
            high = middle
    begin, from_value = line[low]
    end, to_value = line[high]
    return from_value - (-(to_value - from_value) * (at - begin) // (end - begin))


def highest_window(line, window_us: int, first_end_us: int, last_end_us: int) -> int:
    """Most that any window ending in (first_end_us, last_end_us] holds of this rising line of (us, dose)."""
    highest = 0
    for at, value in line:
        for end in (at, at + window_us):
            if first_end_us < end <= last_end_us:
                start_value = value if end != at else _line_at(line, at - window_us)
                end_value = value if end == at else _line_at(line, end)
                if end_value - start_value > highest:
                    highest = end_value - start_value
    return highest


def _line_of(course, ahead, drug: int, window_us: int, now_us: int):
    """History and what is ahead as one line of the drug's dose, in 10^-9 ng * C_primary / Q."""
    prescription = course.prescription
    primary = prescription.concentration_ng_per_ml
    share = prescription.drugs[drug]["concentration_ng_per_ml"]
    name = prescription.drugs[drug]["name"]
    weight = ahead.q * primary
    line = []
    for at_us, steps in course.delivery.history.corners(
        now_us - window_us, now_us, course.delivery.dose_steps()
    ):
        line.append((at_us - now_us, course.fillings.dose_until(name, steps) * weight))
    given = line[-1][1]
    for at, dose in ahead.corners[1:]:
        line.append((at, given + dose * share))
    return line


def exceeded(course, bolus, s: int, us: int) -> str:
    """Name of the limit that this bolus would pass ("limit_24h", "limit_1h"), or "" when none is.

    `bolus`: dict with dose_ng, duration_us and suspends_extended (a patient's makes an extended one wait)."""
    prescription = course.prescription
    now_us = s * US_PER_S + us
    duration_us = bolus["duration_us"]
    for field, window_us, reason in (
        ("max_dose_24h_ng", DAY_US, "limit_24h"),
        ("max_dose_1h_ng", HOUR_US, "limit_1h"),
    ):
        ahead = None
        for drug in range(len(prescription.drugs)):
            limit_ng = prescription.drugs[drug][field]
            if limit_ng:
                if ahead is None:
                    ahead = Ahead(course, bolus, window_us + duration_us, s, us)
                line = _line_of(course, ahead, drug, window_us, now_us)
                most = highest_window(line, window_us, 0, window_us + duration_us)
                one_step = prescription.step_volume_pl * prescription.drugs[drug]["concentration_ng_per_ml"]
                allowed = limit_ng * PL_PER_ML + one_step
                if most > allowed * ahead.q * prescription.concentration_ng_per_ml:
                    return reason
    return ""
