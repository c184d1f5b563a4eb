"""What the pump's own ledger says was delivered, exactly.

The pump counts steps per filling; volumes and doses follow: steps x step volume x concentration, in
fractions.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from thecal.link.responses.pump import Accounts
from thecal.units.amounts import PL_PER_ML
from thecal.units.json_numbers import exact, nl

_RESERVE_PL = 2_560_000
_LEAST_RESERVE, _MOST_RESERVE = 128, 16_384
_WITH_THE_MOTOR = 64


def bound_steps(step_volume_pl: int) -> int:
    """By how many steps at most the pump's ledger shows more than was made, for each reset
    (docs/explanation/storage.md).

    A reservation counts as made after a reset, and so do the steps that the motor held when it was written.
    """
    reserve = min(max(_RESERVE_PL // step_volume_pl, _LEAST_RESERVE), _MOST_RESERVE)
    return reserve + _WITH_THE_MOTOR


class Ledger:
    """The accounts now, less those at `begin`, if that was called."""

    def __init__(self) -> None:
        self.accounted_steps = 0
        self.volume_pl = 0
        self.delivered_ng: dict[str, Fraction] = {}  # without a prime, which is no dose
        self.missed_pl: int | None = 0  # counted and not seen to move; None: nobody sees the motor
        self.missed_ng: dict[str, Fraction] | None = {}  # the same of the doses (RES-06)
        self.tip_ng: dict[str, Fraction] = {}  # has left the catheter's tip, by plug flow
        self.volume_pl_by_source: dict[str, int] = {}
        self.reservoir_pl = 0
        self._zero: Accounts | None = None
        self._lives_before: Mapping[str, int] = {}  # by source: what the accounts since the boot leave out

    def begin(self, accounts: Accounts) -> None:
        """The accounts at time zero."""
        self._zero = accounts
        self.take(accounts)

    def booted(self, lives_before: Mapping[str, int]) -> None:
        """The pump was reset: what each source but the basal gave until then, as its accounts count that
        to the basal flow."""
        self._lives_before = lives_before

    def take(self, accounts: Accounts) -> None:
        """The accounts now. A ledger that began anew (power cut) is taken as it is."""
        zero = self._zero
        if zero is not None and accounts.steps < zero.steps:
            zero = self._zero = None
        before = {filling.filling: filling for filling in zero.fillings} if zero else {}
        self.accounted_steps = accounts.steps - (zero.steps if zero else 0)
        self.volume_pl = 0
        self.delivered_ng, self.tip_ng = {}, {}
        missed: dict[str, Fraction] = {}
        primed_steps = self.accounted_steps
        for filling in accounts.fillings:
            old = before.get(filling.filling)
            steps = filling.steps - (old.steps if old else 0)
            primed_steps -= steps
            pl = steps * filling.step_volume_pl
            self.volume_pl += pl
            for drug in filling.drugs:
                concentration = Fraction(drug.concentration_ng_per_ml, PL_PER_ML)
                _add(self.delivered_ng, drug.name, pl * concentration)
                lost = (filling.missed - (old.missed if old else 0)) * filling.step_volume_pl
                _add(missed, drug.name, lost * concentration)
                _add(self.tip_ng, drug.name, (filling.tip_pl - (old.tip_pl if old else 0)) * concentration)
        self.volume_pl += primed_steps * accounts.step_volume_pl
        before_pl = zero.missed_pl if zero else 0
        if accounts.missed_pl is None or before_pl is None:
            self.missed_pl = self.missed_ng = None
        else:
            self.missed_pl, self.missed_ng = accounts.missed_pl - before_pl, missed
        self.volume_pl_by_source = _less(
            accounts.volume_pl_by_source, zero.volume_pl_by_source if zero else {}
        )
        for source, pl in self._lives_before.items():
            self.volume_pl_by_source[source] = self.volume_pl_by_source.get(source, 0) + pl
            self.volume_pl_by_source["basal"] -= pl
        self.reservoir_pl = accounts.reservoir_pl


def _add(sums: dict[str, Fraction], name: str, amount: Fraction) -> None:
    sums[name] = sums.get(name, Fraction(0)) + amount


def _less(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return {name: amount - before.get(name, 0) for name, amount in now.items()}


def missed_json(ledger: Ledger) -> dict[str, object]:
    """What was counted as given and not seen to move; null where nobody sees the motor (RES-06)."""
    lost = ledger.missed_ng
    return {
        "missed_nl": None if ledger.missed_pl is None else nl(ledger.missed_pl),
        "missed_ng": None if lost is None else {name: exact(ng) for name, ng in lost.items()},
    }
