"""The table of `make run`: delivered next to prescribed, and whether they are equal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from rich.box import HORIZONTALS
from rich.table import Table
from rich.text import Text

from thecal.simulation.reference_model import Segment, dose_ng
from thecal.simulation.simulate import Outcome
from thecal.units.amounts import PL_PER_ML, US_PER_DAY, mass_text, volume_text


@dataclass(frozen=True)
class Row:
    """One line: exact amounts, and how they are written."""

    what: str
    prescribed: Fraction
    delivered: Fraction
    text: Callable[[Fraction], str]

    @property
    def equal(self) -> bool:
        """Whether they are, exactly."""
        return self.prescribed == self.delivered


@dataclass(frozen=True)
class Comparison:
    """A simulation of a constant therapy beside its prescription."""

    outcome: Outcome
    course: Sequence[Segment]
    steps_due: int
    steps_on_time: int  # made at exactly the microsecond at which they were due

    @property
    def equal(self) -> bool:
        """Whether every line of the table is, exactly."""
        return all(row.equal for row in self.rows())

    def rows(self) -> list[Row]:
        """Every dose by its source, the sum, the volumes, the steps."""
        therapy, ledger = self.outcome.plan.therapy.model, self.outcome.ledger
        drug, due = therapy.primary, Fraction(self.steps_due)
        ng_per_pl = Fraction(drug.concentration_ng_per_ml, PL_PER_ML)
        total_ng = dose_ng(self.course)
        total_pl = total_ng / ng_per_pl
        left_pl = therapy.pump.fill_pl - total_pl
        by_source = ledger.volume_pl_by_source
        doses = [
            Row(name.replace("_", " "), ng, by_source.get(name, 0) * ng_per_pl, mass_text)
            for name, ng in self._by_source().items()
        ]
        return [
            *doses,
            Row(f"{drug.name} in all", total_ng, ledger.delivered_ng[drug.name], mass_text),
            Row("volume", total_pl, Fraction(ledger.volume_pl), volume_text),
            Row("left in the reservoir", left_pl, Fraction(ledger.reservoir_pl), volume_text),
            Row("motor steps made", due, Fraction(self.outcome.steps), str),
            Row("steps the pump counted", due, Fraction(ledger.accounted_steps), str),
            Row("steps at their exact microsecond", due, Fraction(self.steps_on_time), str),
        ]

    def _by_source(self) -> dict[str, Fraction]:
        """The prescribed dose of each source, ng."""
        plan = self.outcome.plan
        wanted = {
            "basal": Fraction((plan.therapy.model.basal.dose_ng_per_day or 0) * plan.duration_us, US_PER_DAY)
        }
        for bolus in self.outcome.boluses:
            if bolus.outcome == "delivered":
                name = f"{bolus.kind}_bolus"
                wanted[name] = wanted.get(name, Fraction(0)) + bolus.dose_ng
        return wanted


def table_of(comparison: Comparison) -> Table:
    """As it is printed."""
    table = Table(title="24 hours: delivered next to prescribed", title_justify="left", box=HORIZONTALS)
    table.show_edge = False
    table.add_column("")
    for name in ("prescribed", "delivered", ""):
        table.add_column(name, justify="right")
    for row in comparison.rows():
        verdict = Text("equal", style="green") if row.equal else Text("DIFFERENT", style="bold red")
        table.add_row(row.what, row.text(row.prescribed), row.text(row.delivered), verdict)
    return table
