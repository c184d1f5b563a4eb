"""What the reservoir holds and held: volume by counted steps, doses by filling, and what has left the
catheter's tip.

Everything follows from the count of steps. In coordinates of volume displaced since the first step, each
filling begins at a mark; by plug flow the tip is one dead volume behind the pump, so what has left it is
each filling's stretch, shifted by the dead volume. Before the first filling the catheter holds no drug
(docs/explanation/dosing.md).

Allocates: commands only.
"""

from pump.therapy.bounds import Refused

MAX_FILLS = 48

# How the fillings are kept on record (encoded by `codec`); with them, since 0.2, what refills showed, so
# that a refill is on record whole or not at all.
RESERVOIR_FILLS = (
    ("reservoir_pl", "u64"),
    ("reservoir_mark_pl", "u64"),
    ("refilled", "u8"),
    ("refill_step", "u64"),
    ("refill_pl", "u64"),
    ("base_step", "u64"),
    ("base_pl", "u64"),
    (
        "fillings",
        (
            ("drugs", (("name", "str"), ("concentration_ng_per_ml", "u64"))),
            ("step_volume_pl", "u32"),
            ("first_step", "u64"),
            ("first_pl", "u64"),
        ),
    ),
)
RESERVOIR_FILLS_OF_0_1 = RESERVOIR_FILLS
# Steps not seen to move, since 0.2: where the counts above begin, and with each filling (without primes).
MISSED = (("base_step", "u64"), ("base_pl", "u64"), ("mark_pl", "u64"), ("refill_step", "u64"))
FIRST_MISSED = (("first_step", "u64"),)
REFILLS = (
    ("lot", "str"),
    ("expiry_day", "u16"),
    ("pocket", "u8"),
    ("off", "u8"),
    (
        "checks",  # newest first
        (
            ("at_s", "u32"),
            ("day", "u16"),
            ("filled_pl", "u64"),
            ("counted_pl", "u64"),
            ("residual_pl", "u64"),
        ),
    ),
)
RESERVOIR_FILLS += (
    ("refills", REFILLS),
    ("missed", MISSED),
    ("first_missed", FIRST_MISSED),
)  # one, one, one each


def _without_limits(drug):
    return {"name": drug["name"], "concentration_ng_per_ml": drug["concentration_ng_per_ml"]}


def same_name(mine: str, other: str) -> bool:
    """Of the same drug, in whatever case?"""
    return mine == other or mine.lower() == other.lower()


def same_drugs(mine, other) -> bool:
    """The same drugs in the same order, at the same concentrations?"""
    if len(mine) != len(other):
        return False
    for index, drug in enumerate(mine):
        if drug["concentration_ng_per_ml"] != other[index]["concentration_ng_per_ml"]:
            return False
        if not same_name(drug["name"], other[index]["name"]):
            return False
    return True


class ReservoirFill:
    """One mixture of drugs, from a volume mark on."""

    def __init__(self, number: int, drugs, step_volume_pl: int, first_step: int, first_pl: int):
        self.number = number
        self.drugs = drugs
        self.step_volume_pl = step_volume_pl
        self.first_step = first_step  # dose steps: those of a prime are not counted
        self.first_pl = first_pl  # volume displaced, primes included
        self.first_missed = 0  # dose steps not seen to move before it

    def holds(self, prescription) -> bool:
        """Same drugs at the same concentrations, same step?"""
        return self.step_volume_pl == prescription.step_volume_pl and self.holds_drugs(prescription)

    def holds_drugs(self, prescription) -> bool:
        """Same drugs at the same concentrations?"""
        return same_drugs(self.drugs, prescription.drugs)

    def concentration_of(self, name: str) -> int:
        for drug in self.drugs:
            if same_name(drug["name"], name):
                return drug["concentration_ng_per_ml"]
        return 0


class ReservoirFills:
    """The list of fillings, the reservoir's count, the flag that a refill has been recorded."""

    def __init__(self):
        self.list = []
        self.reservoir_pl = 0  # when its count began
        self._reservoir_mark_pl = 0
        self._refill_mark = None  # (dose steps, pl) of the last refill, until a program has taken note of it
        self._base_step = 0
        self._base_pl = 0
        self._missed_base = 0  # the same of what was not seen to move
        self._missed_base_pl = 0
        self._missed_mark_pl = 0
        self._missed_refill = 0
        # what refills showed, by the table REFILLS: `pump.safety.reservoir` judges it
        self.refills = {"lot": "", "expiry_day": 0, "pocket": 0, "off": 0, "checks": []}

    def displaced_pl(self, steps: int) -> int:
        """Volume displaced since the first step, `steps` (all of them) having been made."""
        if not self.list:
            return 0
        return self._base_pl + (steps - self._base_step) * self.list[-1].step_volume_pl

    def left_pl(self, steps: int) -> int:
        """Counted volume in the reservoir (RES-01), never below 0."""
        left = self.reservoir_pl - (self.displaced_pl(steps) - self._reservoir_mark_pl)
        return left if left > 0 else 0

    def missed_pl(self, missed: int) -> int:
        """Volume counted and not seen to move since the first step, `missed` steps being it (RES-06)."""
        if not self.list:
            return 0
        return self._missed_base_pl + (missed - self._missed_base) * self.list[-1].step_volume_pl

    def missed_since_refill_pl(self, missed: int) -> int:
        return self.missed_pl(missed) - self._missed_mark_pl

    def missed_of(self, index: int, dose_missed: int) -> int:
        """Dose steps of one filling that were not seen to move."""
        end = self.list[index + 1].first_missed if index + 1 < len(self.list) else dose_missed
        return end - self.list[index].first_missed

    def check(self, prescription, refilled: bool) -> None:
        """Another drug or concentration needs a refill on record first (DEL-11), or with it (`refilled`)."""
        if self.list and not self.list[-1].holds(prescription):
            if not refilled and not self.list[-1].holds_drugs(prescription):
                raise Refused("refill_first", "drugs")
            if len(self.list) >= MAX_FILLS:
                raise Refused("too_large", "fillings")

    def apply_program(self, prescription, count) -> None:
        """A program begins. The first says what the reservoir holds; other drugs begin where they were
        filled in."""
        steps = count.steps()
        dose_steps = count.dose_steps()
        missed = count.lost_steps()
        first_missed = missed - count.primed_lost_steps()
        displaced_pl = self.displaced_pl(steps)
        missed_pl = self.missed_pl(missed)
        before = len(self.list)
        if not self.list:
            self.reservoir_pl = prescription.values["fill_pl"]
            self._append(prescription, dose_steps, 0)
            self._base_step = steps
        elif not self.list[-1].holds(prescription):
            first_step, first_pl = dose_steps, displaced_pl
            if self._refill_mark is not None and not self.list[-1].holds_drugs(prescription):
                first_step, first_pl = self._refill_mark
                first_missed = self._missed_refill
            self._append(prescription, first_step, first_pl)
            self._base_step = steps
            self._base_pl = displaced_pl
        if len(self.list) > before:
            self.list[-1].first_missed = first_missed
            self._missed_base = missed
            self._missed_base_pl = missed_pl
        self._refill_mark = None

    def _append(self, prescription, first_step: int, first_pl: int) -> None:
        step_volume_pl = prescription.step_volume_pl
        self.list.append(
            ReservoirFill(len(self.list) + 1, prescription.drugs, step_volume_pl, first_step, first_pl)
        )

    def as_values(self):
        """Everything, as the table FILLINGS has it."""
        step, pl = self._refill_mark or (0, 0)
        return {
            "reservoir_pl": self.reservoir_pl,
            "reservoir_mark_pl": self._reservoir_mark_pl,
            "refilled": 0 if self._refill_mark is None else 1,
            "refill_step": step,
            "refill_pl": pl,
            "base_step": self._base_step,
            "base_pl": self._base_pl,
            "fillings": [
                {
                    "drugs": [_without_limits(drug) for drug in filling.drugs],
                    "step_volume_pl": filling.step_volume_pl,
                    "first_step": filling.first_step,
                    "first_pl": filling.first_pl,
                }
                for filling in self.list
            ],
            "refills": [self.refills],
            "missed": [
                {
                    "base_step": self._missed_base,
                    "base_pl": self._missed_base_pl,
                    "mark_pl": self._missed_mark_pl,
                    "refill_step": self._missed_refill,
                }
            ],
            "first_missed": [{"first_step": filling.first_missed} for filling in self.list],
        }

    def restore(self, values) -> None:
        """Take back what `as_values` gave."""
        self.reservoir_pl = values["reservoir_pl"]
        self._reservoir_mark_pl = values["reservoir_mark_pl"]
        self._refill_mark = (values["refill_step"], values["refill_pl"]) if values["refilled"] else None
        self._base_step = values["base_step"]
        self._base_pl = values["base_pl"]
        self.list = [
            ReservoirFill(index + 1, x["drugs"], x["step_volume_pl"], x["first_step"], x["first_pl"])
            for index, x in enumerate(values["fillings"])
        ]
        for refills in values["refills"]:
            self.refills = refills
        for missed in values["missed"]:
            self._missed_base = missed["base_step"]
            self._missed_base_pl = missed["base_pl"]
            self._missed_mark_pl = missed["mark_pl"]
            self._missed_refill = missed["refill_step"]
        for index, first in enumerate(values["first_missed"]):
            self.list[index].first_missed = first["first_step"]

    def refill(self, volume_pl: int, count) -> None:
        """The reservoir now holds volume_pl."""
        dose_steps = count.dose_steps()
        missed = count.lost_steps()
        displaced_pl = self.displaced_pl(count.steps())
        self._missed_mark_pl = self.missed_pl(missed)
        self._missed_refill = missed - count.primed_lost_steps()
        self.reservoir_pl = volume_pl
        self._reservoir_mark_pl = displaced_pl
        self._refill_mark = (dose_steps, displaced_pl)

    def forget_refill(self) -> None:
        """No program came to describe it: it was the same drug."""
        self._refill_mark = None

    def was_refilled(self) -> bool:
        return self._refill_mark is not None

    def old_concentration(self) -> int:
        """Of the primary drug in the catheter: the filling before the one a program is about to begin."""
        return self.list[-1].drugs[0]["concentration_ng_per_ml"] if self.list else 0

    def steps_of(self, index: int, dose_steps: int) -> int:
        """Dose steps given from one filling so far."""
        end = self.list[index + 1].first_step if index + 1 < len(self.list) else dose_steps
        return end - self.list[index].first_step

    def tip_pl_of(self, index: int, steps: int, dead_pl: int) -> int:
        """Volume of one filling that has left the catheter's tip."""
        displaced_pl = self.displaced_pl(steps)
        end_pl = self.list[index + 1].first_pl if index + 1 < len(self.list) else displaced_pl
        begin_pl = self.list[index].first_pl
        past_pl = min(displaced_pl - dead_pl, end_pl)
        return past_pl - begin_pl if past_pl > begin_pl else 0

    def dose_until(self, name: str, dose_steps: int) -> int:
        """Dose of a drug in 10^-9 ng that the first `dose_steps` steps held."""
        total = 0
        for index, filling in enumerate(self.list):
            if dose_steps <= filling.first_step:
                break
            end = dose_steps
            if index + 1 < len(self.list):
                end = min(end, self.list[index + 1].first_step)
            total += (end - filling.first_step) * filling.step_volume_pl * filling.concentration_of(name)
        return total

    def kept_proportion(self, drug, other, since: int) -> bool:
        """Has every filling since so many dose steps held two drugs as they stand to each other here?"""
        mine, its = drug["concentration_ng_per_ml"], other["concentration_ng_per_ml"]
        last = len(self.list) - 1
        for index, filling in enumerate(self.list):
            if index == last or self.list[index + 1].first_step > since:
                if (
                    filling.concentration_of(drug["name"]) * its
                    != filling.concentration_of(other["name"]) * mine
                ):
                    return False
        return True

    def dose_between(self, drug, begin: int, end: int) -> int:
        """The same of the dose steps after the first `begin`, up to the first `end`."""
        last = self.list[-1] if self.list else None
        if last and begin >= last.first_step:
            return (end - begin) * last.step_volume_pl * last.concentration_of(drug["name"])
        return self.dose_until(drug["name"], end) - self.dose_until(drug["name"], begin)
