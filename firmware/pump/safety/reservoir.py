"""The reservoir guarded: low and empty by the count, what came out at a refill, when the next one is due
(RES).

In the steady path volumes are counts of the motor's steps, worked out beforehand (`plan`, commands only). The
last eight refills are kept with the fillings (`ReservoirFills.refills`): counted against measured, which
shows what no step count can see, a motor that displaces more or less than it should (RES-03).
"""

from pump.dosing.local_time import LAST_DAY
from pump.therapy.bounds import EMPTY_PL, MAX_LOT, Refused, outside
from pump.units import PL_PER_ML, S_PER_DAY
from thecal_protocol import alarms as alarm
from thecal_protocol import events as event

RESIDUAL_PL = 2 * PL_PER_ML
_POCKET_SMALL_PL = PL_PER_ML  # of a reservoir up to 20 mL
_POCKET_PL = 2 * PL_PER_ML
_SMALL_PL = 20 * PL_PER_ML
KEPT = 8
_NEVER = 0x3FFFFFFF
_UNKNOWN_PPM = 0xFFFFFFFF
REFILL_LAPSES_S = S_PER_DAY


class Reservoir:
    """Thresholds in steps, and the record of refills."""

    def __init__(self, controller, alarms, log):
        self._controller = controller
        self._delivery = controller.delivery
        self._alarms = alarms
        self._log = log
        self._low_at = _NEVER  # motor's counts
        self._empty_at = _NEVER
        self.due_day = 0  # of the drug's stability, less the program's low days
        self.refilled_s = 0

    # --- the steady path ---

    def evaluate(self, s: int, us: int) -> None:
        """Low, empty (RES-02), due."""
        made = self._delivery.motor.executed()
        alarms = self._alarms
        alarms.set(alarm.LOW_RESERVOIR, made >= self._low_at)
        alarms.set(alarm.EMPTY_RESERVOIR, made >= self._empty_at)
        if self.due_day:
            local = self._delivery.local
            local.at(s, us)
            alarms.set(alarm.REFILL_DUE, local.day >= self.due_day, self.due_day)
        if self._controller.reservoir_fills.was_refilled() and s - self.refilled_s > REFILL_LAPSES_S:
            self._controller.reservoir_fills.forget_refill()
            self._log.note(event.REFILL_LAPSED, 0, 0, 0, 0)

    # --- commands ---

    def plan(self) -> None:
        """A program, a refill or a start: when is it low, when empty?"""
        prescription = self._controller.prescription
        if prescription is None:
            return
        made = self._delivery.motor.executed()
        left_pl = self._controller.reservoir_left_pl()
        step_pl = prescription.step_volume_pl
        self._low_at = self._count(made, left_pl - self.low_pl(), step_pl)
        self._empty_at = self._count(made, left_pl - EMPTY_PL, step_pl)
        days = self.low_days()
        expiry = self._controller.reservoir_fills.refills["expiry_day"]
        self.due_day = max(1, expiry - days) if expiry else 0
        if not expiry:
            self._alarms.clear(alarm.REFILL_DUE)

    def _count(self, made: int, pl: int, step_pl: int) -> int:
        """The motor's count when so much has left the reservoir."""
        return min(_NEVER, made + max(0, -(-pl // step_pl)))

    def low_days(self) -> int:
        """So many days before the stability ends, and before it is low, the pump says so; 0: never."""
        return self._controller.prescription.values["low_reservoir_days"]

    def low_pl(self) -> int:
        """Volume at which it is low: the program's, or what its low days may take, whichever is more."""
        values = self._controller.prescription.values
        days_pl = self.low_days() * self._controller.prescription.daily_pl
        return max(values["low_reservoir_pl"], days_pl)

    def seconds_to(self, level_pl: int):
        """At the present program, with every bolus it allows, counted now; None: never (RES-01, RES-04)."""
        a_day_pl = self._controller.prescription.daily_pl
        left_pl = self._controller.reservoir_left_pl() - level_pl
        if left_pl <= 0:
            return 0
        return left_pl * S_PER_DAY // a_day_pl if a_day_pl else None

    def check(self, values, day: int, starts: bool) -> None:
        """What a refill may not say. `starts`: a program comes with it; none starts out of a pocket."""
        if len(values["lot"].encode()) > MAX_LOT:
            raise outside("lot_bytes", 0, MAX_LOT)
        if values["checked"] > 1:
            raise Refused("out_of_range", "checked")
        if values["expiry_day"] > LAST_DAY:
            raise outside("expiry_day", day, LAST_DAY)
        if values["expiry_day"] and values["expiry_day"] < day:
            raise Refused("expired", values["lot"])
        if not values["checked"]:
            if values["measured_pl"]:
                raise Refused("inconsistent", "measured_pl")
        elif values["measured_pl"] > self._most_found_pl(values):  # nobody finds more than there is
            raise outside("measured_pl", 0, self._most_found_pl(values))
        if starts and self.in_pocket(values):
            raise Refused("pocket_fill", "measured")

    def _bound_pl(self) -> int:
        """How far what was found after filling may be from what was injected."""
        small = self._controller.prescription.values["reservoir_pl"] <= _SMALL_PL
        return _POCKET_SMALL_PL if small else _POCKET_PL

    def _most_found_pl(self, values) -> int:
        return min(
            values["volume_pl"] + self._bound_pl(), self._controller.prescription.values["reservoir_pl"]
        )

    def in_pocket(self, values) -> bool:
        """Was less found in the reservoir than was injected? The rest may be beside the pump."""
        return values["checked"] and values["volume_pl"] - values["measured_pl"] > self._bound_pl()

    def apply_refill(self, values, day: int, s: int, ref: int) -> None:
        """A refill, as it is put on record: counted against measured, injected against found. The count is
        still that before it. What it shows is shown when it is on record (`show`)."""
        fills = self._controller.reservoir_fills
        counted_pl = self._controller.reservoir_left_pl()
        residual_pl = values["residual_pl"]
        check = {"at_s": s, "day": day, "filled_pl": fills.reservoir_pl, "counted_pl": counted_pl}
        check["residual_pl"] = residual_pl
        pocket = 1 if self.in_pocket(values) else 0
        off = 1 if abs(residual_pl - counted_pl) > RESIDUAL_PL else 0
        fills.refills = {
            "lot": values["lot"],
            "expiry_day": values["expiry_day"],
            "pocket": pocket,
            "off": off,
            "checks": [check] + fills.refills["checks"][: KEPT - 1],
        }
        if values["checked"]:
            self._log.note(event.REFILL_MEASURED, pocket, ref, values["volume_pl"], values["measured_pl"])
        self._log.note(event.REFILL_CHECKED, 2 if pocket else off, ref, counted_pl, residual_pl)

    def show(self) -> None:
        """What the last refill showed, from a refill or a start on."""
        refills = self._controller.reservoir_fills.refills
        apart_pl = 0
        if refills["checks"]:
            check = refills["checks"][0]
            self.refilled_s = check["at_s"]
            apart_pl = abs(check["residual_pl"] - check["counted_pl"])
        self._alarms.set(alarm.REFILL_RESIDUAL, refills["off"], apart_pl)
        self._alarms.set(alarm.POCKET_FILL, refills["pocket"])
        self.plan()

    def accept_residual(self, persistence) -> None:
        """Somebody has taken note that the last refill was off: for good, or, if the flash fails, until the
        next start."""
        fills = self._controller.reservoir_fills
        before = fills.as_values()
        fills.refills = dict(fills.refills)
        fills.refills["off"] = 0
        self._alarms.clear(alarm.REFILL_RESIDUAL)
        try:
            persistence.keep_refill(before)
        except Refused:
            return  # on record it still stands

    def ratio_ppm(self, check) -> int:
        """(filled - residual) / (filled - counted), in millionths."""
        should_pl = check["filled_pl"] - check["counted_pl"]
        did_pl = check["filled_pl"] - check["residual_pl"]
        if should_pl <= 0 or did_pl < 0:
            return _UNKNOWN_PPM
        return min(did_pl * 1_000_000 // should_pl, _UNKNOWN_PPM - 1)
