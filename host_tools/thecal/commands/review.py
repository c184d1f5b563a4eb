"""The review before a commit: old, new and change side by side, and the worst 24 hours of every drug.

HOST-02, HOST-03, HOST-04 of docs/reference/requirements.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from thecal._io import interruption, terminal
from thecal._io.wrapped import Unparted
from thecal.commands.clock import CLOCK
from thecal.commands.clock import Change as ClockChange
from thecal.commands.program import PreparedProgram, prepare_program
from thecal.errors import ThecalError
from thecal.link.client import Client
from thecal.link.responses.pump import Committed, Proposal
from thecal.link.uncertain_delivery import before_commit, certain_delivery
from thecal.therapy.checked import CheckedTherapy
from thecal.therapy.settings_diff import change_words
from thecal.units.amounts import exact_or_whole, mass_text, ratio_text
from thecal.units.json_numbers import SCHEMA

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from thecal.therapy.oral_dose import OralAdvice


class LargeChange(ThecalError):
    """A dose would change more than twofold, and nobody has agreed to that."""


class SoftLimitPassed(ThecalError):
    """A soft limit of the drug library is passed, and nobody has agreed to that."""


@dataclass(frozen=True)
class Review:
    """A proposed therapy beside the one that runs. Nothing has changed yet."""

    client: Client
    prepared: PreparedProgram
    proposal: Proposal
    drugs: list[str]
    limits_24h_ng: list[int | None]
    what: str = "the program"
    sets_clock: bool = False  # the commit first sets a clock that was never set
    advice: OralAdvice | None = None  # what an oral dose would be, shown beside the start dose (HOST-32)

    @classmethod
    def of(cls, client: Client, therapy: CheckedTherapy, *, keep_clock: bool = True) -> Review:
        """Propose the therapy to the pump. TherapyError, Refused: it cannot be, nothing was changed."""
        prepared = before_commit("the review", lambda: prepare_program(client, therapy))
        first = prepared.running is None and not before_commit("the review", client.status).clock_set
        proposal = before_commit("the proposal", lambda: client.propose_program(prepared.values))
        made = cls.made(client, prepared, proposal)
        return replace(made, sets_clock=first and not keep_clock)

    @classmethod
    def made(
        cls,
        client: Client,
        prepared: PreparedProgram,
        proposal: Proposal,
        what: str = "the program",
    ) -> Review:
        """Of what the pump has read already."""
        return cls(
            what=what,
            client=client,
            prepared=prepared,
            proposal=proposal,
            drugs=[drug.name for drug in prepared.therapy.model.drugs],
            limits_24h_ng=[limits.max_24h_ng for limits in prepared.therapy.limits],
        )

    def question(self, port: str) -> str:
        """What the last yes is to; a pump that stands is started knowingly."""
        if self.prepared.starts and self.prepared.running is not None:
            return f"Program this on {port}, which ends the stop?"
        return f"Program this on {port}?"

    def refuse_large_changes(self, confirmed: bool) -> None:
        """LargeChange unless `confirmed` or every dose stays within twice and half of what it was."""
        large = [f"{x.field} from {x.old} to {x.new}" for x in self.prepared.large_changes]
        if large and not confirmed:
            raise LargeChange(
                f"more than a twofold change: {'; '.join(large)}",
                "nothing was changed; if it is meant, say so with --confirm-large-change",
            )

    def refuse_soft_limits(self, confirmed: bool) -> None:
        """SoftLimitPassed unless `confirmed` or every soft limit of the drug library is kept (HOST-03)."""
        passed = [f"{x.field} {x.message}" for x in self.prepared.soft_limits]
        if passed and not confirmed:
            raise SoftLimitPassed(
                f"a soft limit is passed: {'; '.join(passed)}",
                "nothing was changed; if it is meant, say so with --confirm-soft-limits",
            )

    def commit(self) -> Committed | None:
        """Make it so; None when the pump did and its answer was lost. The clock, where it is to be set, comes
        first; an error says so when the program then fails."""
        if not self.sets_clock:
            return certain_delivery(self.client, self.what, lambda: self.client.commit(self.proposal.digest))
        interruption.due("the program")
        now = datetime.now()
        ClockChange(to=now).propose(self.client).commit()
        try:
            before_commit("the proposal", lambda: self.client.propose_program(self.prepared.values))
            return certain_delivery(
                self.client, "the program", lambda: self.client.commit(self.proposal.digest)
            )
        except ThecalError as error:
            error.hint = error.hint.replace("nothing was changed", "nothing else was changed")
            error.message += f" (the pump's clock had been set before it, to {now:{CLOCK}})"
            raise

    def abort(self) -> None:
        """Have the pump forget it; nothing has changed."""
        self.client.abort()

    def print_tables(self, console: Console | None = None) -> None:
        """The review for people."""
        console = console or terminal.console()
        print_start(self.prepared, console)
        console.print(settings_table(self.prepared))
        console.print(self._worst_table())
        if self.sets_clock:
            text = "note: its clock was never set, and is set to this computer's local time first"
            console.print(Unparted(f"{text}, {datetime.now():{CLOCK}} (--keep-clock: not)"))
        for warning in self.prepared.warnings:
            console.print(Unparted(f"note: {warning.field} {warning.message}"))
        for line in self.advice.words() if self.advice else ():
            console.print(Unparted(f"advice: {line}"))

    def _worst_table(self) -> Table:
        table = _table("The most that any 24 h can bring")
        for name in ("drug", "by schedule", "with every bolus", "limit"):
            table.add_column(name, justify="left" if name == "drug" else "right")
        for drug, worst, limit in zip(
            self.drugs, self.proposal.worst_case_24h, self.limits_24h_ng, strict=True
        ):
            shown_limit = mass_text(limit) if limit else "none"
            table.add_row(drug, mass_text(worst.scheduled_ng), mass_text(worst.worst_ng), shown_limit)
        return table

    def as_json(self, committed: Committed | None) -> dict[str, object]:
        """The document of `thecal program --json`, after the commit."""
        worst: list[tuple[str, Any]] = list(zip(self.drugs, self.proposal.worst_case_24h, strict=True))
        return {
            "schema": SCHEMA,
            "committed": True,
            "starts": self.prepared.starts or None,
            "at_us": committed.at.total_us if committed else None,
            "digest": self.proposal.digest.hex(),
            "therapy": self.proposal.reading["name"],
            "clock_set": self.sets_clock,
            "changes": [
                {
                    "field": x.field,
                    "old": x.old,
                    "new": x.new,
                    "ratio": ratio_text(x.ratio) if x.ratio else None,
                }
                for x in self.prepared.changes
                if x.changed
            ],
            "scheduled_24h_ng": {name: exact_or_whole(dose.scheduled_ng) for name, dose in worst},
            "worst_case_24h_ng": {name: exact_or_whole(dose.worst_ng) for name, dose in worst},
            "warnings": [warning._asdict() for warning in self.prepared.warnings],
            "oral_advice": self.advice.as_json() if self.advice else None,
            "soft_limits": [
                {"field": x.field, "what": x.what, "value": x.value, "limit": x.limit}
                for x in self.prepared.soft_limits
            ],
        }


def print_start(prepared: PreparedProgram, console: Console) -> None:
    """What happens to a stop: the first line of every review."""
    if prepared.starts:
        style = "" if prepared.running is None else "bold red"
        if console.is_terminal:
            console.print(Unparted(prepared.starts, style))
        else:
            console.print(prepared.starts, style=style, markup=False, highlight=False, soft_wrap=True)


def settings_table(prepared: PreparedProgram) -> Table:
    """Every setting: now, new, change."""
    title = (
        "What the pump would do (it has no program yet)"
        if prepared.running is None
        else "What the pump would do"
    )
    table = _table(title)
    table.add_column("setting", no_wrap=True)
    for name in ("now", "new", "change"):
        table.add_column(name)
    for change in prepared.changes:
        words = "" if prepared.running is None else change_words(change)
        style = "" if not words else "bold red" if change.large else "bold"
        cells = (change.field, change.old or "-", change.new or "-", words)
        table.add_row(*(Unparted(cell, style) for cell in cells))
    return table


def _table(title: str) -> Table:
    from rich.box import HORIZONTALS
    from rich.table import Table

    return Table(title=title, title_justify="left", box=HORIZONTALS, show_edge=False, padding=(0, 1))
