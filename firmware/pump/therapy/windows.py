"""Rolling limits per drug: would any window that holds some of this bolus hold too much? (BOL-05) The same
of a program that is to begin, after what was given before it, and of a schedule whose clock is to move.

The dose given so far is a broken line through the history of counts; what is scheduled ahead (basal by
its mode, periodic boluses, boluses under way) plus the bolus asked for continues it. A window of 24 h (or
1 h) slides over this line; its contents are highest where an end of it lies on a corner, so the corners
are all that is looked at. The sum is exact, in units of 10^-9 ng / Q with Q a common multiple of all
durations; the history is right to one step, which a limit therefore allows on top, and where changes came
closer than 5 min it errs towards refusing. Future patient boluses are not assumed.

A `Forecast` is taken at once and weighed at leisure: that takes a chip up to seconds, in which the motor has
its turns (`breathe`).

Allocates: commands only.
"""

from pump.dosing.infusion_source import IDLE
from pump.dosing.scale import least_multiple
from pump.therapy.reservoir_fills import same_name
from pump.units import PL_PER_ML, S_PER_DAY, US_PER_DAY, US_PER_S
from thecal_protocol.bolus_kinds import GIVING_WAY, PERIODIC_BOLUS

DAY_US = US_PER_DAY
HOUR_US = 3_600_000_000
_AT_A_TIME = 8
_MINUTE_US = 60_000_000
_WEEK_US = 7 * US_PER_DAY


def basal_ahead(controller, prescription, until_us: int, s: int, us: int):
    """[(us from now, basal rate in 10^-9 ng/day)] for the next until_us, the first at 0: as it runs, or by
    another prescription that begins now."""
    if prescription.schedule is not None:
        return _flex_ahead(controller.delivery.local, prescription.schedule, until_us, s, us)
    steps = prescription.values["plan"]
    if not steps:
        return [(0, prescription.highest_basal_e9())]
    if prescription is controller.prescription:
        plan = controller.delivery.plan
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
    now_us = (local.weekday() * S_PER_DAY + local.second) * US_PER_S + local.us
    week = schedule.week()
    monday_us = 0  # of the week that the next step lies in, by local time
    index = 0  # of that step
    while index < len(week) and week[index][0] * _MINUTE_US <= now_us:
        index += 1
    found = [(0, week[index - 1][1] * PL_PER_ML)]
    while True:
        if index == len(week):
            index = 0
            monday_us += _WEEK_US
        at_us = monday_us + week[index][0] * _MINUTE_US - now_us
        if at_us >= until_us:
            return found
        found.append((at_us, week[index][1] * PL_PER_ML))
        index += 1


class Ahead:
    """What is to flow from now on: corners (us from now, primary dose in 10^-9 ng / Q), ascending.

    By what runs, and `bolus` if there is one; or by another prescription, begun now."""

    def __init__(self, controller, prescription, bolus, until_us: int, s: int, us: int):
        self._now_us = s * US_PER_S + us
        self._until_us = until_us
        pieces = []  # from, to, dose, over which duration
        if prescription is controller.prescription:
            self._add_running(pieces, controller, bolus, s, us)
        else:
            for periodic in prescription.values["periodic_boluses"]:
                self._add_periodic(pieces, periodic["first_us"], periodic, periodic["every_us"])
        q = US_PER_DAY
        for piece in pieces:
            q = least_multiple(q, piece[3])
        self.q = q
        changes = []  # (at, change of rate)
        held = 0
        for at, dose_e9 in basal_ahead(controller, prescription, until_us, s, us):
            rate = dose_e9 * (q // US_PER_DAY)
            changes.append((at, rate - held))
            held = rate
        for begin, end, dose, duration in pieces:
            rate = dose * PL_PER_ML * (q // duration)
            changes.append((begin, rate))
            changes.append((end, -rate))
        changes.sort()
        self.corners = self._integrate(changes)

    def _add_running(self, pieces, controller, bolus, s: int, us: int) -> None:
        duration_us = 0
        if bolus:
            duration_us = bolus["duration_us"]
            pieces.append((0, duration_us, bolus["dose_ng"], duration_us))
        for source in controller.delivery.sources.adding:
            if source.state != IDLE:
                waits_us = duration_us if bolus and bolus["goes_first"] and source.kind in GIVING_WAY else 0
                left_us = source.left_us(s, us)
                pieces.append((waits_us, waits_us + left_us, source.dose_ng, source.duration_us))
            if source.kind == PERIODIC_BOLUS and source.is_prescribed():
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


class _Along:
    """A rising broken line of (us, dose), its doses times `share`, at ever later instants: one walk along its
    corners for all of them."""

    def __init__(self, corners, share: int):
        self._corners = corners
        self._share = share
        self._end = 0

    def value(self, at: int) -> int:
        """Rounded up; the end values outside. No instant may lie before that of the call before."""
        corners = self._corners
        i = self._end
        while i < len(corners) and corners[i][0] < at:
            i += 1
        self._end = i
        if i == len(corners):
            return corners[-1][1] * self._share
        if i == 0:
            return corners[0][1] * self._share
        begin, from_value = corners[i - 1]
        end, to_value = corners[i]
        rise = (to_value - from_value) * self._share
        return from_value * self._share - (-rise * (at - begin) // (end - begin))


class _Given:
    """What has been given of a drug since an instant of the last window, in 10^-9 ng * C_primary / Q.

    Worked out from the history as it is asked for: a day of changes would not fit the chip's memory. Looks at
    ever later instants."""

    def __init__(self, controller, window_us: int, now_us: int):
        self._history = controller.delivery.history
        self._fillings = controller.reservoir_fills
        self._steps = controller.delivery.count.dose_steps()
        self._now_us = now_us
        self.entries = self._history.since(now_us - window_us)
        self.breathe = controller.breathe

    def kept_proportion(self, drug, other) -> bool:
        """Has every filling since the first entry held the two as the program's does?"""
        since = self._history.steps(self.entries[0], self._steps) if self.entries else self._steps
        return self._fillings.kept_proportion(drug, other, since)

    def begin(self, drug, weight: int) -> None:
        """For this drug, from the beginning. `weight`: of 10^-9 ng."""
        self._drug = drug
        self._weight = weight
        self._next = 0

    def _since_count(self, steps: int) -> int:
        """Since so many steps had been given."""
        return self._fillings.dose_between(self._drug, steps, self._steps) * self._weight

    def at_us(self, index: int) -> int:
        """When an entry was made, from now on."""
        return self._history.entry_us(self.entries[index]) - self._now_us

    def since_entry(self, index: int) -> int:
        """The most that a stretch which begins with this entry holds: what counts as given at it, too."""
        i = self.entries[index]
        if index and self._history.is_rough(i):
            i -= 1
        return self._since_count(self._history.steps(i, self._steps))

    def since(self, at_us: int) -> int:
        """Since an instant; the less where it lies between two steps."""
        entries = self.entries
        i = self._next
        while i < len(entries) and self.at_us(i) < at_us:
            i += 1
        self._next = i
        if i == 0:
            return self.since_entry(0) if entries else 0
        history = self._history
        more = self._since_count(history.steps(entries[i - 1], self._steps))
        end_us = self._now_us
        less = 0
        if i < len(entries):
            if history.is_rough(entries[i]):
                return more
            end_us = self.at_us(i) + self._now_us
            less = self._since_count(history.steps(entries[i], self._steps))
        begin_us = self.at_us(i - 1)
        return more + (-(more - less) * (at_us - begin_us) // (end_us - self._now_us - begin_us))


def _highest_window(given, corners, drug, weight: int, window_us: int, last_end_us: int, enough: int) -> int:
    """Most that any window ending in (0, last_end_us] holds of a drug: of those that begin or end with a
    corner. Looks no further once it is more than `enough`."""
    share = drug["concentration_ng_per_ml"]
    behind, beyond = _Along(corners, share), _Along(corners, share)
    given.begin(drug, weight)
    highest = 0
    for at, dose in corners:
        given.breathe()
        if at > last_end_us:
            break
        if at > 0:
            if at > window_us:
                most = dose * share - behind.value(at - window_us)
            else:
                most = dose * share + given.since(at - window_us)
            highest = max(highest, most)
        if at + window_us <= last_end_us:
            highest = max(highest, beyond.value(at + window_us) - dose * share)
    if highest > enough:
        return highest
    return max(highest, _highest_after_entry(given, corners, share, window_us, last_end_us, enough))


def _highest_after_entry(given, corners, share: int, window_us: int, last_end_us: int, enough: int) -> int:
    """The same of windows that begin with an entry of the history. Most entries are passed over a few at a
    time: even the longest line ahead and the first of them together would not be more than `enough`."""
    rough, fine = _Along(corners, share), _Along(corners, share)
    highest = 0
    count = len(given.entries)
    for first in range(0, count, _AT_A_TIME):
        given.breathe()
        behind = min(first + _AT_A_TIME, count)
        bound = rough.value(given.at_us(behind - 1) + window_us) + given.since_entry(first)
        if bound <= max(enough, highest):
            continue
        for index in range(first, behind):
            end_us = given.at_us(index) + window_us
            if 0 < end_us <= last_end_us:
                highest = max(highest, fine.value(end_us) + given.since_entry(index))
    return highest


def _limit(controller, drug, field: str) -> int:
    """That of the program which runs counts as well: one that lowers dose and limit is no danger."""
    limit = drug[field]
    for other in controller.prescription.drugs:
        if same_name(other["name"], drug["name"]):
            return max(limit, other[field]) if limit and other[field] else 0
    return limit


class Forecast:
    """What was given and what is to flow, as of one instant; to be weighed while the pump goes on.

    `bolus`: dict with dose_ng, duration_us and goes_first (a patient's makes others wait), or None.
    One line ahead serves both windows: it is as long as the longer one needs."""

    def __init__(self, controller, prescription, bolus, s: int, us: int):
        self._controller = controller
        self._prescription = prescription
        self._after_us = bolus["duration_us"] if bolus else 0
        self._looks = []  # window, reason, drugs with what each may hold, what was given
        longest_us = 0
        for field, window_us, reason in (
            ("max_dose_24h_ng", DAY_US, "limit_24h"),
            ("max_dose_1h_ng", HOUR_US, "limit_1h"),
        ):
            given = _Given(controller, window_us, s * US_PER_S + us)
            drugs = self._strictest(field, given)
            if drugs:
                longest_us = max(longest_us, window_us)
                self._looks.append((window_us, reason, drugs, given))
        if longest_us:
            self._ahead = Ahead(controller, prescription, bolus, longest_us + self._after_us, s, us)

    def _strictest(self, field: str, given):
        """[(drug, its limit)]: of drugs that kept their proportion over the window, the one that is first at
        its limit."""
        found = []
        for drug in self._prescription.drugs:
            limit_ng = _limit(self._controller, drug, field)
            if not limit_ng:
                continue
            for index, (other, other_ng) in enumerate(found):
                if given.kept_proportion(drug, other):
                    if limit_ng * _share(other) < other_ng * _share(drug):
                        found[index] = (drug, limit_ng)
                    break
            else:
                found.append((drug, limit_ng))
        return found

    def exceeded(self) -> str:
        """Name of the limit that would be passed in a window which holds some of what is to flow
        ("limit_24h", "limit_1h"), or "" when none is."""
        prescription = self._prescription
        for window_us, reason, drugs, given in self._looks:
            weight = self._ahead.q * prescription.concentration_ng_per_ml
            until_us = window_us + self._after_us
            for drug, limit_ng in drugs:
                one_step = prescription.step_volume_pl * _share(drug)
                most = (limit_ng * PL_PER_ML + one_step) * weight
                if (
                    _highest_window(given, self._ahead.corners, drug, weight, window_us, until_us, most)
                    > most
                ):
                    return reason
        return ""


def _share(drug) -> int:
    return drug["concentration_ng_per_ml"]


def exceeded(controller, prescription, bolus, s: int, us: int) -> str:
    """`Forecast.exceeded`: by therapy as it runs, with `bolus` if there is one, or by another prescription
    begun now."""
    return Forecast(controller, prescription, bolus, s, us).exceeded()


def by_clock(controller, values, s: int, us: int) -> Forecast:
    """What runs, by the clock moved as `values` say; it has its own time back before anything follows it."""
    local = controller.delivery.local
    offset = local.offset_day, local.offset_s, local.offset_us
    controller.move_clock(s, us, values)
    try:
        return Forecast(controller, controller.prescription, None, s, us)
    finally:
        local.offset_day, local.offset_s, local.offset_us = offset
