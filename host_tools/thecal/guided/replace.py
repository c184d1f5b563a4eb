"""`thecal replace` and `thecal implant`: the order in which refill, program, bridge and prime belong.

Of a new filling everything is checked and confirmed first; then the refill is recorded and the program
committed right after it: the new filling runs at the old program's rate no longer than that takes.
"""

from __future__ import annotations

from thecal.client import Client
from thecal.errors import ThecalError
from thecal.guided.prompts import Prompter
from thecal.guided.session import Answers, Programmed, confirm_large_and_soft
from thecal.programming import PreparedProgram, prepare_program
from thecal.refill_command import Refill
from thecal.review import Review, settings_table
from thecal.service_command import Prime
from thecal.settled import harmless, withdraw
from thecal.therapy_models import BridgeRequest, Therapy


def replace(
    client: Client,
    prompter: Prompter,
    therapy: Therapy,
    answers: Answers,
    *,
    volume_pl: int,
    residual_pl: int,
    bridge: bool | None,
) -> tuple[Refill, Programmed]:
    """Another filling: refill, program, bridge. `bridge` None: ask, when there is something to bridge."""
    prepared = harmless("the review", lambda: prepare_program(client, therapy))
    if prepared.running is None:
        raise ThecalError("the pump has no program: there is no filling to replace", "use `thecal implant`")
    therapy, prepared = _bridged(client, prompter, therapy, prepared, bridge)
    refill = harmless("the review", lambda: Refill.propose(client, volume_pl, residual_pl))
    _show(prepared, refill)
    confirm_large_and_soft(prompter, prepared, answers)
    try:
        prompter.confirm("Record the refill and program this?", "--yes", answers.yes)
        if prepared.raises_a_limit:  # else the pump would refuse the program, the refill being on record
            prompter.line("A limit rises: press the pump's button, then Enter:", "a person at the button")
    except ThecalError:
        withdraw(client)
        raise
    refill.commit()
    prompter.done = "the refill is on record"
    try:
        review = Review.of(client, therapy)
        committed = prompter.with_button(review.commit)
    except ThecalError as error:
        raise ThecalError(
            f"the refill is on record, the new program is NOT: {error.message}",
            "the old program's rate gives the new filling: stop the pump or program it now",
        ) from error
    return refill, (committed, review)


def _bridged(
    client: Client, prompter: Prompter, therapy: Therapy, prepared: PreparedProgram, bridge: bool | None
) -> tuple[Therapy, PreparedProgram]:
    """With the bridge asked for, or knowingly without (DEL-11)."""
    found = prepared.bridge
    if found is None or therapy.bridge is not None:
        return therapy, prepared
    print(f"The catheter still holds {found.old_filling}:")
    print(f"  b  {found.with_in_words()}")
    print(f"  n  {found.in_words()}")
    if bridge is None:
        options = [("b", "bridge it"), ("n", "no bridge: the dose error above is meant")]
        bridge = prompter.choice("Bridge the old filling?", options, "--bridge or --no-bridge") == "b"
    if not bridge:
        return therapy, prepared
    therapy = therapy.model_copy(update={"bridge": BridgeRequest()})
    return therapy, harmless("the review", lambda: prepare_program(client, therapy))


def _show(prepared: PreparedProgram, refill: Refill) -> None:
    from rich.console import Console

    console = Console()
    console.print(settings_table(prepared))
    for warning in prepared.warnings:
        console.print(f"note: {warning.field} {warning.message}", markup=False, highlight=False)
    print("\n".join(refill.words()))


def implant(client: Client, prompter: Prompter, *, dry: bool | None, yes: bool) -> Prime:
    """The prime of an implanted or revised pump that has its program: flag, review, question, prime."""
    if dry is None:
        options = [
            ("d", "dry: never primed, tubing and catheter are filled"),
            ("p", "primed: the catheter only"),
        ]
        dry = prompter.choice("Is the pump dry or primed?", options, "--dry or --primed") == "d"
    prime = prompter.with_button(lambda: Prime.propose(client, dry=dry, implant=True))
    print("\n".join(prime.words()))
    try:
        prompter.confirm("Prime now?", "--yes", yes)
        prompter.with_button(prime.commit)
    except ThecalError:
        withdraw(client)
        raise
    return prime
