"""What a clinician does around the catheter: prime. Refills: `refill`.

It is proposed, shown and committed like a dose, because it changes what the patient gets.
"""

from dataclasses import dataclass
from fractions import Fraction

from thecal.errors import Refused, ThecalError
from thecal.link.client import Client
from thecal.link.responses.pump import Proposal
from thecal.link.uncertain_delivery import before_commit, certain_delivery
from thecal.therapy.rules import commands
from thecal.units.amounts import volume_text
from thecal.units.json_numbers import SCHEMA, nl


@dataclass(frozen=True)
class Prime:
    """A prime that the pump has read. `volume_pl` by the running program's tubing and catheter."""

    client: Client
    proposal: Proposal
    volume_pl: Fraction

    @classmethod
    def propose(cls, client: Client, *, dry: bool, implant: bool) -> "Prime":
        """Set the flag when `implant`, and ask the pump whether it would prime."""
        program = before_commit("the review", client.running_program)
        if program is None:
            raise ThecalError("the pump has no program, so nothing to prime with", "program it first")
        left_pl = before_commit("the review", client.status).reservoir_pl
        commands.refuse("the prime", commands.prime_problems(program, dry, left_pl))
        if implant:
            certain_delivery(client, "setting the implant flag", client.set_implant_flag, dose=False)
        try:
            proposal = before_commit("the proposal", lambda: client.propose_prime(dry=dry))
        except Refused as refused:
            if refused.name == "implant_flag":
                refused.message = "implant_flag: a prime is for an implant or a revision; nothing was changed"
                refused.hint = "if this is one, say so with --implant"
            raise
        names = ("pump_tubing_pl", "catheter_length_um", "catheter_pl_per_cm")
        tubing_pl, length_um, per_cm_pl = (_whole(program, name) for name in names)
        catheter_pl = Fraction(length_um * per_cm_pl, 10_000)
        return cls(client, proposal, catheter_pl + tubing_pl if dry else catheter_pl)

    def words(self) -> list[str]:
        """What will be given."""
        part = "tubing and catheter" if self.proposal.reading["dry"] else "the catheter"
        return [
            f"The prime fills {part}: {volume_text(self.volume_pl)} at the highest rate of the therapy.",
            "Give it only when the catheter holds no drug: whatever it holds reaches the patient first.",
        ]

    def commit(self) -> None:
        """Begin it."""
        certain_delivery(self.client, "the prime", lambda: self.client.commit(self.proposal.digest))

    def abort(self) -> None:
        """Have the pump forget it; nothing has changed."""
        self.client.abort()

    def as_json(self) -> dict[str, object]:
        """The document after the commit."""
        return {
            "schema": SCHEMA,
            "dry": bool(self.proposal.reading["dry"]),
            "volume_nl": nl(int(self.volume_pl)),
        }


def _whole(program: dict[str, object], name: str) -> int:
    value = program[name]
    assert isinstance(value, int)  # by the table
    return value
