"""`thecal replace` and `thecal implant`: the order in which refill, program, bridge and prime belong.

Of a new filling everything is checked and confirmed first; then refill and program take effect in one commit:
at no moment does the old program's rate give the new filling (DEL-13).
"""

from __future__ import annotations

from thecal._io import terminal
from thecal._io.wrapped import Unparted, say
from thecal.commands.program import PreparedProgram, prepare_program
from thecal.commands.refill import Before, Refill, Wanted
from thecal.commands.review import print_start, settings_table
from thecal.commands.service import Prime
from thecal.errors import ThecalError
from thecal.link.client import Client
from thecal.link.uncertain_delivery import before_commit, withdraw
from thecal.therapy.checked import CheckedTherapy
from thecal.therapy.judge import checked
from thecal.therapy.models import BridgeRequest
from thecal.workflows.prompts import Prompter
from thecal.workflows.session import Answers, Programmed, confirm_large_and_soft


def replace(
    client: Client,
    prompter: Prompter,
    therapy: CheckedTherapy,
    answers: Answers,
    filling: Wanted,
    *,
    bridge: bool | None,
) -> tuple[Refill, Programmed]:
    """Another filling: refill, program, bridge. `bridge` None: ask, when there is something to bridge."""
    volume_pl = filling.volume_pl
    prepared = before_commit("the review", lambda: prepare_program(client, therapy, refill_pl=volume_pl))
    if prepared.running is None:
        raise ThecalError("the pump has no program: there is no filling to replace", "use `thecal implant`")
    before = Before.ask(client)
    before.check_label(filling, prepared.values)
    therapy, prepared = _bridged(client, prompter, therapy, prepared, bridge, volume_pl)
    refill = before.propose(filling, therapy, prepared)
    assert refill.review is not None
    try:
        _show(prepared, refill)
        confirm_large_and_soft(prompter, prepared, answers)
        ends = ", which ends the stop" if prepared.starts else ""
        prompter.confirm(f"Record the refill and program this{ends}?", "--yes", answers.yes)
        committed = refill.commit()
    except ThecalError:
        withdraw(client)
        raise
    return refill, (committed, refill.review)


def _bridged(
    client: Client,
    prompter: Prompter,
    therapy: CheckedTherapy,
    prepared: PreparedProgram,
    bridge: bool | None,
    volume_pl: int,
) -> tuple[CheckedTherapy, PreparedProgram]:
    """With the bridge asked for, or knowingly without (DEL-11)."""
    found = prepared.bridge
    if bridge is False and therapy.model.bridge is not None:
        raise ThecalError(
            "the therapy file asks for a bridge, and --no-bridge for none: nothing was changed",
            "take [bridge] out of the file, or leave out --no-bridge",
        )
    if bridge and found is None:
        raise ThecalError(
            "there is nothing to bridge: the filling is the same, or no basal dose runs before or after it",
            "nothing was changed; leave out --bridge",
        )
    if found is None or therapy.model.bridge is not None:
        return therapy, prepared
    say(f"The catheter still holds {found.old_filling}:")
    say(f"  b  {found.with_in_words()}", f"  n  {found.in_words()}")
    if bridge is None:
        options = [("b", "bridge it"), ("n", "no bridge: the dose error above is meant")]
        bridge = prompter.choice("Bridge the old filling?", options, "--bridge or --no-bridge") == "b"
    if not bridge:
        return therapy, prepared
    therapy = checked(therapy.model.model_copy(update={"bridge": BridgeRequest()}))  # another therapy
    return therapy, before_commit("the review", lambda: prepare_program(client, therapy, refill_pl=volume_pl))


def _show(prepared: PreparedProgram, refill: Refill) -> None:
    console = terminal.console()
    print_start(prepared, console)
    console.print(settings_table(prepared))
    for warning in prepared.warnings:
        console.print(Unparted(f"note: {warning.field} {warning.message}"))
    say(*refill.words())


def implant(client: Client, prompter: Prompter, *, dry: bool | None, yes: bool) -> Prime:
    """The prime of an implanted or revised pump that has its program: flag, review, question, prime."""
    if dry is None:
        options = [
            ("d", "dry: never primed, tubing and catheter are filled"),
            ("p", "primed: the catheter only"),
        ]
        dry = prompter.choice("Is the pump dry or primed?", options, "--dry or --primed") == "d"
    prime = Prime.propose(client, dry=dry, implant=True)
    say(*prime.words())
    try:
        prompter.confirm("Prime now?", "--yes", yes)
        prime.commit()
    except ThecalError:
        withdraw(client)
        raise
    return prime
