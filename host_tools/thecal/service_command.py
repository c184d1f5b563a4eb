"""What a clinician does around reservoir and catheter: refill, prime, ending a plan or a bridge.

Each is proposed, shown and committed like a dose, because each changes what the patient gets. Called by
`thecal.cli.service`.
"""

from dataclasses import dataclass
from fractions import Fraction

from thecal.amounts import PL_PER_ML, volume_text
from thecal.answers import Proposal
from thecal.client import Client
from thecal.errors import ThecalError
from thecal.report_json import SCHEMA, nl
from thecal.settled import harmless, settled

SUSPICIOUS_PL = 2 * PL_PER_ML  # a residual this far from the count is flagged (CLINICAL, refill check)


@dataclass(frozen=True)
class Refill:
    """A refill that the pump has read."""

    client: Client
    proposal: Proposal
    volume_pl: int
    residual_pl: int
    counted_pl: int  # what the pump thought was left

    @classmethod
    def propose(cls, client: Client, volume_pl: int, residual_pl: int) -> "Refill":
        """Ask the pump whether it would record it."""
        status = harmless("the review", client.status)
        proposal = harmless("the proposal", lambda: client.propose_refill(volume_pl, residual_pl))
        return cls(client, proposal, volume_pl, residual_pl, status.reservoir_pl)

    @property
    def suspicious(self) -> bool:
        """Whether more or less came out than the count explains: a wrong flow, a leak, a pocket fill."""
        return abs(self.residual_pl - self.counted_pl) > SUSPICIOUS_PL

    def words(self) -> list[str]:
        """The refill check."""
        apart_pl = self.residual_pl - self.counted_pl
        more = "more" if apart_pl > 0 else "less"
        lines = [
            f"Filled in: {volume_text(self.volume_pl)}. Came out: {volume_text(self.residual_pl)}; "
            f"the pump counted {volume_text(self.counted_pl)} left."
        ]
        if apart_pl:
            lines.append(f"That is {volume_text(abs(apart_pl))} {more} than counted.")
        if self.suspicious:
            lines.append("ATTENTION: more than 2 mL apart. Check the flow, the catheter and the fill.")
        return lines

    def commit(self) -> None:
        """Put it on record."""
        settled(self.client, "the refill", lambda: self.client.commit(self.proposal.digest))

    def as_json(self) -> dict[str, object]:
        """The document after the commit."""
        return {
            "schema": SCHEMA,
            "volume_nl": nl(self.volume_pl),
            "residual_nl": nl(self.residual_pl),
            "counted_nl": nl(self.counted_pl),
            "suspicious": self.suspicious,
        }


@dataclass(frozen=True)
class Prime:
    """A prime that the pump has read. `volume_pl` by the running program's tubing and catheter."""

    client: Client
    proposal: Proposal
    volume_pl: Fraction

    @classmethod
    def propose(cls, client: Client, *, dry: bool, implant: bool) -> "Prime":
        """Set the flag when `implant`, and ask the pump whether it would prime."""
        program = harmless("the review", client.running_program)
        if program is None:
            raise ThecalError("the pump has no program, so nothing to prime with", "program it first")
        if implant:
            settled(client, "setting the implant flag", client.set_implant_flag)
        proposal = harmless("the proposal", lambda: client.propose_prime(dry=dry))
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
        settled(self.client, "the prime", lambda: self.client.commit(self.proposal.digest))

    def as_json(self) -> dict[str, object]:
        """The document after the commit."""
        return {
            "schema": SCHEMA,
            "dry": bool(self.proposal.reading["dry"]),
            "volume_nl": nl(int(self.volume_pl)),
        }


def at_once(client: Client, what: str) -> dict[str, object]:
    """`cancel_plan` or `skip_bridge`."""
    action, text = {
        "cancel_plan": (client.cancel_plan, "The plan has ended; its present dose stays."),
        "skip_bridge": (client.skip_bridge, "The bridge has ended; the program's own rate runs."),
    }[what]
    settled(client, what.replace("_", " "), action)
    return {"schema": SCHEMA, "state": client.status().state, "text": text}


def _whole(program: dict[str, object], name: str) -> int:
    value = program[name]
    assert isinstance(value, int)  # by the table
    return value
