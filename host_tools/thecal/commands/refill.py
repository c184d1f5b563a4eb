"""`thecal refill`: what should be left against what came out, the trend, the next date; then the record.

    before = Before.ask(client)              # what the pump expects, before anybody measures
    refill = before.propose(Wanted(...))     # read back by the pump, nothing changed
    refill.commit()

With the therapy of what was filled in, `propose` asks for both in one commit: at no moment is the refill on
record and the old program gives the new drug (DEL-13).

RES-03: over-delivery of the motor is invisible to a pump that counts its steps; here it shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from thecal.commands import going_on
from thecal.errors import Refused, ThecalError
from thecal.link.client import Client
from thecal.link.proposals import refill_values
from thecal.link.responses.alarms import Reservoir
from thecal.link.responses.pump import Committed, Proposal, Status
from thecal.link.uncertain_delivery import before_commit, certain_delivery
from thecal.therapy import refill_date, refill_label
from thecal.therapy.drug_library.rules import stable_days
from thecal.therapy.refill_check import (
    RefillCheck,
    Trend,
    check_words,
    pocket_fill_bound_pl,
    refill_json,
    trend_words,
)
from thecal.therapy.refill_label import Label
from thecal.therapy.rules.commands import expiry_problems, refill_problems, refuse
from thecal.units import local_time
from thecal.units.amounts import volume_text
from thecal.units.json_numbers import SCHEMA, nl
from thecal_protocol.messages import PROPOSAL_REFILL

if TYPE_CHECKING:
    from thecal.commands.program import PreparedProgram
    from thecal.commands.review import Review
    from thecal.therapy.checked import CheckedTherapy

_LATEST = 4  # refills that the trend looks at, the new one among them
_ERI_DAYS = 90  # from battery_eri to the end of service


@dataclass(frozen=True)
class Wanted:
    """What a person measured and filled in."""

    volume_pl: int
    residual_pl: int
    lot: str = ""
    expiry: date | None = None  # of the drug, as its label says
    stable_days: int | None = None  # in the pump; None: by the drug table
    measured_pl: int | None = None  # found in the reservoir after filling
    label: Label | None = None  # of the syringe; None: nobody has read it


@dataclass(frozen=True)
class Before:
    """A pump that waits for its refill."""

    client: Client
    status: Status
    reservoir: Reservoir
    program: Mapping[str, Any]
    eri_s: int | None

    @classmethod
    def ask(cls, client: Client) -> Before:
        """Ask the pump. ThecalError: it has no program, so there is no reservoir that it counts."""

        def ask() -> Before:
            program = client.running_program()
            if program is None:
                raise ThecalError(
                    "the pump has no program, so it counts no reservoir",
                    "program it: the first program says what the reservoir holds",
                )
            return cls(client, client.status(), client.reservoir(), program, client.sensors().eri_s)

        return before_commit("the review", ask)

    @property
    def local(self) -> datetime:
        """The pump's local time."""
        return local_time.from_wire(self.status.local_day, self.status.local_s, self.status.local_us)

    @property
    def past(self) -> list[RefillCheck]:
        """The checks that the pump keeps, oldest first."""
        return [
            RefillCheck(one.filled_pl, one.counted_pl, one.residual_pl)
            for one in reversed(self.reservoir.checks)
        ]

    def words(self) -> list[str]:
        """What is expected, and how earlier refills went."""
        lines = [f"The pump counts {volume_text(self.status.reservoir_pl)} left."]
        if self.reservoir.lot:
            lines[0] += f" In it: lot {self.reservoir.lot}."
        return lines + trend_words(Trend(self.past[1 - _LATEST :]))

    def stable_until(self, wanted: Wanted) -> date | None:
        """The last day of the new filling: its label's or that of its stability, whichever is first."""
        drugs = self.program["drugs"]
        days = [stable_days(drug["name"], drug["concentration_ng_per_ml"]) for drug in drugs]
        if wanted.stable_days is not None:
            days = [wanted.stable_days]
        dates = [self._after(day) for day in days if day is not None]
        return min([*dates, *([wanted.expiry] if wanted.expiry else [])], default=None)

    def _after(self, days: int) -> date:
        """So many days from the pump's today; where no calendar has it, its last day: refused later."""
        try:
            return self.local.date() + timedelta(days=days)
        except OverflowError:
            return date.max

    def next_date(self, wanted: Wanted) -> refill_date.RefillDate | None:
        """When the pump will want its next refill."""
        until = self.stable_until(wanted)
        battery = None
        if self.eri_s is not None:
            ago = timedelta(seconds=self.status.now.s - self.eri_s)
            battery = self.local - ago + timedelta(days=_ERI_DAYS)
        return refill_date.earliest(
            {
                "volume": refill_date.volume_date(self.program, wanted.volume_pl, self.local),
                "stability": datetime.combine(until, datetime.min.time()) if until else None,
                "battery": battery,
            }
        )

    def propose(
        self, wanted: Wanted, therapy: CheckedTherapy | None = None, prepared: PreparedProgram | None = None
    ) -> Refill:
        """Ask the pump whether it would record it; with the `therapy` of what was filled in, if that follows
        (`prepared`: when it has been already)."""
        if therapy is None:
            proposal, check = self._propose(wanted, None)
            return Refill(self, wanted, proposal, check)
        from thecal.commands.program import prepare_program
        from thecal.commands.review import Review

        if prepared is None:
            prepared = before_commit(
                "the review", lambda: prepare_program(self.client, therapy, refill_pl=wanted.volume_pl)
            )
        after = replace(self, program=prepared.values)  # whose drugs these are
        proposal, check = after._propose(wanted, prepared.values)
        review = Review.made(self.client, prepared, proposal, "the refill with its program")
        return Refill(after, wanted, proposal, check, review)

    def check_label(self, wanted: Wanted, program: Mapping[str, Any] | None = None) -> None:
        """ThecalError: what is in the syringe is not what would be on record (RES-08). `program`: what comes
        with the refill; None: the one that runs goes on."""
        today = self.local.date() if self.status.clock_set else date.today()
        refuse("the refill", expiry_problems(wanted.expiry, today))
        gives = self.program if program is None else program
        if wanted.label is not None:
            refill_label.check(
                wanted.label,
                gives["drugs"],
                reservoir_pl=gives["reservoir_pl"],
                filled_pl=wanted.volume_pl,
                with_program=program is not None,
            )

    def _propose(self, wanted: Wanted, program: dict[str, object] | None) -> tuple[Proposal, RefillCheck]:
        self.check_label(wanted, program)
        check = RefillCheck(
            self.reservoir.filled_pl,
            self.status.reservoir_pl,
            wanted.residual_pl,
            self.reservoir.missed_pl,
        )
        until = self.stable_until(wanted)
        expiry_day = None
        if until is not None:
            expiry_day = local_time.to_wire(datetime.combine(until, datetime.min.time()))[0]
        values = refill_values(
            wanted.volume_pl,
            wanted.residual_pl,
            lot=wanted.lot,
            expiry_day=expiry_day,
            measured_pl=wanted.measured_pl,
        )
        refuse("the refill", refill_problems(values, self.program["reservoir_pl"], self.status.local_day))

        def ask() -> Proposal:
            if program is None:
                return self.client.propose(PROPOSAL_REFILL, values)
            return self.client.propose_refill_and_program(values, program)

        try:
            return before_commit("the proposal", ask), check
        except Refused as refused:
            if refused.name == "pocket_fill":
                raise ThecalError(
                    "what was found after filling says that it may lie beside the pump: "
                    "no program starts out of a pocket, and nothing was changed",
                    "look at the patient, then record the refill alone: the pump stops",
                ) from refused
            raise


@dataclass(frozen=True)
class Refill:
    """A refill that the pump has read."""

    before: Before
    wanted: Wanted
    proposal: Proposal
    check: RefillCheck
    review: Review | None = None  # of the program that comes with it

    @property
    def volume_pl(self) -> int:
        """Filled in."""
        return self.wanted.volume_pl

    @property
    def residual_pl(self) -> int:
        """Came out before."""
        return self.wanted.residual_pl

    @property
    def counted_pl(self) -> int:
        """What the pump thought was left."""
        return self.check.counted_pl

    @property
    def amounts(self) -> tuple[int, int, int]:
        """Filled in, came out, counted: as the store keeps it."""
        return self.volume_pl, self.residual_pl, self.counted_pl

    @property
    def trend(self) -> Trend:
        """This one and the last ones."""
        return Trend([*self.before.past, self.check][-_LATEST:])

    @property
    def pocket_fill(self) -> bool:
        """Whether less was found after filling than was injected: it may be beside the pump."""
        measured_pl = self.wanted.measured_pl
        bound_pl = pocket_fill_bound_pl(self.before.program["reservoir_pl"])
        return measured_pl is not None and self.wanted.volume_pl - measured_pl > bound_pl

    def _starts(self) -> Iterator[str]:
        """What happens to a stop."""
        status = self.before.status
        if self.review is not None:
            return  # its program's review says it
        if status.state in ("held", "halted"):
            alarm = (status.alarm or "").replace("_", " ")
            yield (
                f"AN ALARM HOLDS DELIVERY ({alarm}). If this refill clears it, therapy goes on at once; "
                "stop the pump first if it shall not."
            )
        elif status.state == "stopped":
            left_s = going_on.stop_left_s(self.before.client, status)
            yield f"The pump stays stopped; {going_on.after_a_stop(left_s)}"

    def words(self) -> list[str]:
        """The refill check, and what follows from the new filling."""
        wanted = self.wanted
        lines = [*self._starts()]
        lines += [
            f"Filled in: {volume_text(wanted.volume_pl)}. Came out: {volume_text(wanted.residual_pl)}; "
            f"the pump counted {volume_text(self.check.counted_pl)} left."
        ]
        lines += check_words(self.check) + trend_words(self.trend)
        if self.pocket_fill and wanted.measured_pl is not None:
            missing_pl = wanted.volume_pl - wanted.measured_pl
            lines.append(
                f"ATTENTION: {volume_text(missing_pl)} less found than injected: POSSIBLE POCKET FILL. "
                "The pump will stop; watch the patient for an overdose now."
            )
        if wanted.label is not None:
            lines.append(f"The label says {wanted.label.words()}: as the program.")
        until = self.before.stable_until(wanted)
        if wanted.lot or until:
            lines.append(f"Lot {wanted.lot or 'not said'}, good until {until or 'not said'}.")
        following = self.before.next_date(wanted)
        if following is not None:
            lines.append(f"Next refill by {following.at:%a %Y-%m-%d} ({following.reason}).")
        return lines

    def commit(self) -> Committed | None:
        """Put it on record, and its program in force; None when the pump did and its answer was lost."""
        if self.review is not None:
            return self.review.commit()
        client = self.before.client
        return certain_delivery(client, "the refill", lambda: client.commit(self.proposal.digest))

    def abort(self) -> None:
        """Have the pump forget it; nothing has changed."""
        self.before.client.abort()

    def as_json(self) -> dict[str, object]:
        """The document after the commit."""
        wanted, following = self.wanted, self.before.next_date(self.wanted)
        until = self.before.stable_until(wanted)
        return {
            "schema": SCHEMA,
            "volume_nl": nl(wanted.volume_pl),
            **refill_json(self.check),
            "trend": trend_json(self.trend),
            "lot": wanted.lot,
            "label": _label_json(wanted.label),
            "stable_until": until.isoformat() if until else None,
            "measured_nl": None if wanted.measured_pl is None else nl(wanted.measured_pl),
            "pocket_fill": self.pocket_fill,
            "refill_by": following.at.isoformat(timespec="seconds") if following else None,
            "refill_reason": following.reason if following else None,
        }


def _label_json(label: Label | None) -> dict[str, object] | None:
    """What was read; None: nothing was."""
    if label is None:
        return None
    drugs = [
        {"name": drug.name, "concentration_ng_per_ml": str(drug.concentration_ng_per_ml)}
        for drug in label.drugs
    ]
    return {"drugs": drugs, "volume_nl": None if label.volume_pl is None else nl(label.volume_pl)}


def trend_json(trend: Trend) -> dict[str, object]:
    """The trend of refills: how many, their flow together, each of them."""
    from thecal.units.amounts import ratio_text

    return {
        "refills": len(trend.refills),
        "ratio": None if trend.ratio is None else ratio_text(trend.ratio),
        "suspicious": trend.suspicious,
        "ratios": [None if one.ratio is None else ratio_text(one.ratio) for one in trend.refills],
    }


def show_json(before: Before) -> dict[str, object]:
    """The document of `thecal refill --show --json`."""
    reservoir = before.reservoir
    day = reservoir.refill_day
    return {
        "schema": SCHEMA,
        "counted_nl": nl(before.status.reservoir_pl),
        "filled_nl": nl(reservoir.filled_pl),
        "lot": reservoir.lot,
        "refill_by": None if day is None else local_time.from_wire(day, 0).date().isoformat(),
        "refill_reason": None if day is None else reservoir.refill_reason,
        "trend": trend_json(Trend(before.past[-_LATEST:])),
        "checks": [
            {"day": local_time.from_wire(kept.day, 0).date().isoformat(), **refill_json(check)}
            for kept, check in zip(reversed(reservoir.checks), before.past, strict=True)
        ],
    }
