"""Rolling limits per drug: would any window that holds some of this bolus hold too much? (BOL-05) The same
of a program that is to begin, after what was given before it, and of a schedule whose clock is to move.

The dose given so far is a broken line through the history of counts; what is scheduled ahead (basal by
its mode, periodic boluses, boluses under way) plus the bolus asked for continues it. A window of 24 h (or
1 h) slides over this line; its contents are highest where an end of it lies on a corner, so the corners
are all that is looked at. The sum is exact, in units of 10^-9 ng / Q with Q a common multiple of all
durations; the history is right to one step, which a limit therefore allows on top, and where changes came
closer than 5 min it errs towards refusing. Future patient boluses are not assumed.

Called by: `pump.therapy.boluses`, `pump.therapy.course`. Allocates: commands only.
"""

from pump.dosing.scale import least_multiple
from pump.dosing.source import EXTENDED, IDLE, PERIODIC
from pump.units import PL_PER_ML, S_PER_DAY, S_PER_WEEK, US_PER_DAY, US_PER_S

DAY_US = US_PER_DAY
HOUR_US = 3_600_000_000


def basal_ahead(course, prescription, until_us: int, s: int, us: int):
    """[(us from now, basal rate in 10^-9 ng/day)] for the next until_us, the first at 0: as it runs, or by
    another prescription that begins now."""
    if prescription.schedule is not None:
        return _flex_ahead(course.delivery.local, prescription.schedule, until_us, s, us)
    steps = prescription.values["plan"]
    if not steps:
        return [(0, prescription.highest_basal_e9())]
    if prescription is course.prescription:
        plan = course.delivery.plan
        found = [(0, plan.dose_ng_per_day() * PL_PER_ML)]
        steps = plan.ahead(s, us)
    else:
        found = [(0, prescription.values["basal_dose_ng_per_day"] * PL_PER_ML)]
        steps = [(step["after_us"], step["dose_ng_per_day"]) for step in steps]
    for at_us, dose in steps:
        if at_us < until_us:
            found.append((at_us, dose * PL_PER_ML))
    return found


def _flex_ahead(local, schedule, until_us: int, s: int, us: int):
    local.at(s, us)
    second = local.weekday() * S_PER_DAY + local.second
    index = schedule.index
    ahead_s = schedule.ahead_s
    found = []
    at_us = 0
    left_us = -local.us
    while at_us < until_us:
        schedule.look(second // S_PER_DAY, second % S_PER_DAY)
        found.append((at_us, schedule.dose_ng_per_day() * PL_PER_ML))
        left_us += schedule.ahead_s * US_PER_S
        at_us = left_us
        second = (second + schedule.ahead_s) % S_PER_WEEK
    schedule.index = index
    schedule.ahead_s = ahead_s
    return found


class Ahead:
    """What is to flow from now on: corners (us from now, primary dose in 10^-9 ng / Q), ascending.

    By what runs, and `bolus` if there is one; or by another prescription, begun now."""

    def __init__(self, course, prescription, bolus, until_us: int, s: int, us: int):
        self._now_us = s * US_PER_S + us
        self._until_us = until_us
        pieces = []  # from, to, dose, over which duration
        if prescription is course.prescription:
            self._add_running(pieces, course, bolus, s, us)
        else:
            for periodic in prescription.values["periodic_boluses"]:
                self._add_periodic(pieces, periodic["first_us"], periodic, periodic["every_us"])
        q = US_PER_DAY
        for piece in pieces:
            q = least_multiple(q, piece[3])
        self.q = q
        changes = []  # (at, change of rate)
        held = 0
        for at, dose_e9 in basal_ahead(course, prescription, until_us, s, us):
            rate = dose_e9 * (q // US_PER_DAY)
            changes.append((at, rate - held))
            held = rate
        for begin, end, dose, duration in pieces:
            rate = dose * PL_PER_ML * (q // duration)
            changes.append((begin, rate))
            changes.append((end, -rate))
        changes.sort()
        self.corners = self._integrate(changes)

    def _add_running(self, pieces, course, bolus, s: int, us: int) -> None:
        duration_us = 0
        if bolus:
            duration_us = bolus["duration_us"]
            pieces.append((0, duration_us, bolus["dose_ng"], duration_us))
        for source in course.delivery.sources:
            if source.state != IDLE:
                waits_us = (
                    duration_us if bolus and bolus["suspends_extended"] and source.kind == EXTENDED else 0
                )
                left_us = source.left_us(s, us)
                pieces.append((waits_us, waits_us + left_us, source.dose_ng, source.duration_us))
            if source.kind == PERIODIC and source.is_prescribed():
                values = {"dose_ng": source.dose_ng, "duration_us": source.duration_us}
                first_us = source.next.total_us() - self._now_us
                self._add_periodic(pieces, first_us, values, source.every_us)

    def _add_periodic(self, pieces, at: int, bolus, every_us: int) -> None:
        while at < self._until_us:
            pieces.append((at, at + bolus["duration_us"], bolus["dose_ng"], bolus["duration_us"]))
            at += every_us

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


def _line_of(course, prescription, ahead, drug: int, window_us: int, now_us: int):
    """History and what is ahead as one line of the drug's dose, in 10^-9 ng * C_primary / Q."""
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


def _limit(course, drug, field: str) -> int:
    """That of the program which runs counts as well: one that lowers dose and limit is no danger."""
    limit = drug[field]
    for other in course.prescription.drugs:
        if other["name"] == drug["name"]:
            return max(limit, other[field]) if limit and other[field] else 0
    return limit


def exceeded(course, prescription, bolus, s: int, us: int) -> str:
    """Name of the limit that would be passed in a window which holds some of what is to flow ("limit_24h",
    "limit_1h"), or "" when none is: by therapy as it runs, with `bolus` if there is one, or by another
    prescription begun now.

    `bolus`: dict with dose_ng, duration_us and suspends_extended (a patient's makes an extended one wait), or
    None."""
    now_us = s * US_PER_S + us
    duration_us = bolus["duration_us"] if bolus else 0
    for field, window_us, reason in (
        ("max_dose_24h_ng", DAY_US, "limit_24h"),
        ("max_dose_1h_ng", HOUR_US, "limit_1h"),
    ):
        ahead = None
        for drug in range(len(prescription.drugs)):
            limit_ng = _limit(course, prescription.drugs[drug], field)
            if limit_ng:
                if ahead is None:
                    ahead = Ahead(course, prescription, bolus, window_us + duration_us, s, us)
                line = _line_of(course, prescription, ahead, drug, window_us, now_us)
                most = highest_window(line, window_us, 0, window_us + duration_us)
                one_step = prescription.step_volume_pl * prescription.drugs[drug]["concentration_ng_per_ml"]
                allowed = limit_ng * PL_PER_ML + one_step
                if most > allowed * ahead.q * prescription.concentration_ng_per_ml:
                    return reason
    return ""
