"""What is left of a limit that refused a bolus, and from when the whole bolus would fit.

The chip holds this on flash until a bolus is refused. Allocates: commands only.
"""

from pump.therapy.windows import DAY_US, HOUR_US, Ahead, _Along, _Given
from pump.units import PL_PER_ML, US_PER_S

_MOST_LOOKED_AT = 400  # windows, for a hint: a chip looks at some thousand in a second


def left(controller, reason: str, bolus, s: int, us: int) -> str:
    """After a refusal for `reason`: "DRUG NG DAY SECOND": the drug whose limit leaves least, what is sure to
    fit now of the primary drug over the bolus's duration, and from when the whole bolus will (local time;
    day 0: not within two windows, by what is scheduled now). "" where that would take a chip long."""
    field, window_us = ("max_dose_24h_ng", DAY_US) if reason == "limit_24h" else ("max_dose_1h_ng", HOUR_US)
    prescription = controller.prescription
    span_us = window_us + bolus["duration_us"]
    nothing = {"dose_ng": 0, "duration_us": bolus["duration_us"]}
    nothing["goes_first"] = bolus["goes_first"]
    ahead = Ahead(controller, prescription, nothing, 2 * span_us, s, us)
    given = _Given(controller, window_us, s * US_PER_S + us)
    weight = ahead.q * prescription.concentration_ng_per_ml
    least_ng, wait_us, name = bolus["dose_ng"], 0, ""
    if (2 * len(ahead.corners) + len(given.entries)) * len(prescription.drugs) > _MOST_LOOKED_AT:
        return ""
    for drug in prescription.drugs:
        limit_ng = drug[field]
        if limit_ng:
            share = drug["concentration_ng_per_ml"]
            limit = (limit_ng * PL_PER_ML + prescription.step_volume_pl * share) * weight
            one_ng = PL_PER_ML * ahead.q * share
            given.begin(drug, weight)
            windows_ = _Windows(given, ahead.corners, share, window_us)
            highest, free_us = windows_.walk(span_us, limit - bolus["dose_ng"] * one_ng)
            ng = max(0, limit - highest) // one_ng
            if ng < least_ng:
                least_ng, name = ng, drug["name"]
            wait_us = max(wait_us, free_us)
    day = second = 0
    if wait_us < 2 * span_us:
        local = controller.delivery.local
        local.at(s + -(-wait_us // US_PER_S) + 1, us)
        day, second = local.day, local.second
    return "%s %d %d %d" % (name, least_ng, day, second)


class _Windows:
    """What every window holds of a drug that ends at a corner, begins at one, or begins with an entry of the
    history: in between it changes evenly."""

    def __init__(self, given, corners, share: int, window_us: int):
        self._given = given
        self._corners = corners
        self._window_us = window_us
        self._end = _Along(corners, share)
        self._begin = _Along(corners, share)
        self._at = [0, 0, 0]  # the next corner that ends one, that begins one, the next entry

    def _next(self, which: int):
        """The end of the next window of this kind; None: there is none."""
        at = self._at[which]
        if which == 2:
            entries = self._given.entries
            return self._given.at_us(at) + self._window_us if at < len(entries) else None
        if at >= len(self._corners):
            return None
        return self._corners[at][0] + which * self._window_us

    def _following(self, after_us: int, until_us: int) -> int:
        """The end of the first window of any kind after an instant; -1: none before `until_us`."""
        best = until_us
        for which in range(3):
            end = self._next(which)
            while end is not None and end <= after_us:
                self._at[which] += 1
                end = self._next(which)
            if end is not None:
                best = min(best, end)
        return best if best < until_us else -1

    def _holds(self, end_us: int) -> int:
        begin_us = end_us - self._window_us
        if begin_us <= 0:
            return self._end.value(end_us) + self._given.since(begin_us)
        return self._end.value(end_us) - self._begin.value(begin_us)

    def walk(self, span_us: int, room: int):
        """(most that one of those ending within `span_us` holds, from when on for `span_us` none holds more
        than `room`; 2 * span_us: not before then)."""
        until_us = 2 * span_us
        highest = free_us = before_us = before = 0
        over = False
        at = self._following(-1, until_us)  # the first corner is now
        while at >= 0:
            self._given.breathe()
            holds = self._holds(at)
            if before_us < span_us:
                highest = max(highest, holds)
            if over and holds <= room:
                free_us = before_us - (-(before - room) * (at - before_us) // (before - holds))
                over = False
            if holds > room:
                if at > free_us + span_us:
                    break
                over = True
            before_us, before = at, holds
            at = self._following(at, until_us)
        return highest, until_us if over else free_us
