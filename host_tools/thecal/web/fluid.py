"""Where the fluid is that has left the reservoir, as physics has it: plug flow through tubing and catheter.

By the bench's own count of what went into the catheter, whatever the pump believes. Exact. The pump's own
reckoning of the same is in its ledger (`tip_pl`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from thecal.link.responses.pump import Accounts
from thecal.units.amounts import PL_PER_ML

NO_DRUG = 0  # the number of what is in the catheter before the first filling


@dataclass(frozen=True)
class _Filling:
    number: int
    from_pl: int  # of what has gone into the catheter when it began
    ng_per_ml: Mapping[str, int]


@dataclass
class Fluid:
    """Tubing and catheter of one pump. `dead_pl`: what they hold."""

    dead_pl: int
    _fillings: list[_Filling] = field(default_factory=list[_Filling])

    def note(self, accounts: Accounts, left_pl: int) -> None:
        """A filling that is new has been in the reservoir since now."""
        known = {filling.number for filling in self._fillings}
        for filling in accounts.fillings:
            if filling.filling not in known:
                drugs = {drug.name: drug.concentration_ng_per_ml for drug in filling.drugs}
                self._fillings.append(_Filling(filling.filling, left_pl, drugs))

    def parts(self, left_pl: int) -> list[tuple[int, Fraction, Fraction]]:
        """What stands in tubing and catheter, from the pump (0) to the tip (1): number of the filling, from,
        to."""
        if not self.dead_pl:
            return []
        found: list[tuple[int, Fraction, Fraction]] = []
        to = Fraction(0)
        for filling in reversed(self._fillings):
            end = min(Fraction(1), Fraction(left_pl - filling.from_pl, self.dead_pl))
            if end > to:
                found.append((filling.number, to, end))
                to = end
        if to < 1:
            found.append((NO_DRUG, to, Fraction(1)))
        return found

    def pumped_ng(self, left_pl: int) -> dict[str, Fraction]:
        """Of each drug, what has gone into the catheter."""
        return self._sums(left_pl)

    def tip_ng(self, left_pl: int) -> dict[str, Fraction]:
        """Of each drug, what has come out at the tip."""
        return self._sums(left_pl - self.dead_pl)

    def _sums(self, until_pl: int) -> dict[str, Fraction]:
        sums: dict[str, Fraction] = {}
        ends = [filling.from_pl for filling in self._fillings[1:]] + [until_pl]
        for filling, end_pl in zip(self._fillings, ends, strict=True):
            pl = max(0, min(end_pl, until_pl) - filling.from_pl)
            for name, ng_per_ml in filling.ng_per_ml.items():
                sums[name] = sums.get(name, Fraction(0)) + Fraction(pl * ng_per_ml, PL_PER_ML)
        return sums
