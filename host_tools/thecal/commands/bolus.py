"""`thecal bolus`: the clinician's in two steps, the patient's as the button would."""

import contextlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass

from thecal.errors import Refused, ThecalError
from thecal.link.client import Client
from thecal.link.responses.pump import Proposal
from thecal.link.uncertain_delivery import before_commit, certain_delivery
from thecal.therapy.rules import commands
from thecal.units.amounts import US_PER_S, dose_rate_text, duration_text, mass_text, rounded_text, span_text
from thecal.units.json_numbers import SCHEMA
from thecal_protocol.bolus_kinds import BOLUS_KINDS, PROPOSED
from thecal_protocol.codec import name_of


@dataclass(frozen=True)
class Proposed:
    """A clinician's bolus that the pump has read and would accept."""

    client: Client
    proposal: Proposal
    basal_ng_per_day: int

    def words(self) -> list[str]:
        """What the pump understood, and what it means beside the basal dose."""
        dose_ng, duration_us = self._amounts()
        kind = kind_proposed(self.proposal.reading)
        what = "bolus" if kind == kind_proposed({}) else kind.replace("_", " ")
        lines = [f"The pump understood: a {what} of {mass_text(dose_ng)} over {duration_text(duration_us)}."]
        if self.basal_ng_per_day:
            percent, basal = 100 * dose_ng / self.basal_ng_per_day, dose_rate_text(self.basal_ng_per_day)
            lines.append(f"That is {rounded_text(percent, 3)} % of the basal dose of a day, {basal}.")
        return lines

    def commit(self) -> dict[str, object]:
        """Start it; the JSON document. `ref` null: the answer was lost, the bolus was not."""
        done = certain_delivery(self.client, "the bolus", lambda: self.client.commit(self.proposal.digest))
        dose_ng, duration_us = self._amounts()
        return {
            "schema": SCHEMA,
            "kind": kind_proposed(self.proposal.reading).removesuffix("_bolus"),
            "ref": done.ref if done else None,
            "dose_ng": str(dose_ng),
            "duration_us": duration_us,
            "text": f"The bolus of {mass_text(dose_ng)} runs for {duration_text(duration_us)}.",
        }

    def abort(self) -> None:
        """Have the pump forget it; nothing has changed."""
        self.client.abort()

    def _amounts(self) -> tuple[int, int]:
        dose_ng, duration_us = self.proposal.reading["dose_ng"], self.proposal.reading["duration_us"]
        assert isinstance(dose_ng, int)  # by the table
        assert isinstance(duration_us, int)
        return dose_ng, duration_us


def kind_proposed(words: Mapping[str, object]) -> str:
    """The kind of a clinician's bolus, by the word that is said: a name of `BOLUS_KINDS`."""
    said = (number for number, word in PROPOSED if word and words.get(word))
    return name_of(BOLUS_KINDS, next(said, PROPOSED[0][0]))


def propose(client: Client, dose_ng: int, duration_us: int, **words: bool) -> Proposed:
    """Ask the pump whether it would give this bolus. Refused: it would not."""
    commands.refuse("the bolus", commands.bolus_problems(dose_ng, duration_us))
    status = before_commit("the review", client.status)
    with _clear_refusals():
        proposal = before_commit("the proposal", lambda: client.propose_bolus(dose_ng, duration_us, **words))
    return Proposed(client, proposal, status.basal_ng_per_day)


def patient(client: Client) -> int | None:
    """The patient's button; the bolus's number in the log (None: the answer was lost, the bolus was not).

    Refused, or a ThecalError in its stead with the time to wait in words.
    """
    with _clear_refusals():
        return certain_delivery(client, "the request", client.patient_bolus)


def patient_json(ref: int | None) -> dict[str, object]:
    """The document of `thecal bolus --patient --json`."""
    return {"schema": SCHEMA, "kind": "patient", "ref": ref, "text": "The patient's bolus runs."}


@contextlib.contextmanager
def _clear_refusals() -> Generator[None]:
    """Some refusals carry a time in microseconds: say it in words."""
    try:
        yield
    except Refused as refused:
        if not refused.detail.isdecimal():
            raise
        seconds = -(-int(refused.detail) // US_PER_S)  # rounded up: asking a little late is right
        if refused.name == "lockout":
            minutes = -(-seconds // 60)
            left = span_text(60 * minutes if minutes > 1 else seconds)
            what = "the pump refused the bolus: lockout since the last bolus, commit or refill"
            raise ThecalError(what, f"ask again in {left}") from refused
        if refused.name == "max_rate":
            shortest = duration_text(seconds * US_PER_S)
            what = "the pump refused the bolus: max_rate, the flow would pass the therapy's highest"
            raise ThecalError(what, f"give it over {shortest} or more") from refused
        raise
