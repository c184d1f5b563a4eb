"""The commands around an MRI: mri before, mri after."""

from typing import Annotated

import typer

from thecal._io.wrapped import say
from thecal.cli.common import Json, Port, Yes, need_yes_for_json, open_pump, print_json, quantity
from thecal.cli.declare import CHANGE, CHANGES, READS, examples, group
from thecal.cli.guided import NoInput, prompter_of
from thecal.cli.store import NoStore, Reason, remember

mri = group(
    "mri",
    CHANGE,
    help="Before an MRI: note what the pump does. After it: wait for the motor, see what was missed, go on.",
    no_args_is_help=True,
)


@mri.command("before")
@examples("mri before", "thecal mri before", acts=READS)
def mri_before(
    port: Port = "", reason: Reason = "", no_store: NoStore = False, as_json: Json = False
) -> None:
    """Note state, plan and volume on this computer. Nothing changes in the pump."""

    from thecal.workflows import mri as guided

    with open_pump(port, READS) as pump:
        noted, older = guided.note_before(pump)
        remember(pump, "mri before", no_store, reason=reason)
    if as_json:
        print_json({"schema": 1, "noted": noted._asdict(), "replaced": older.local_time if older else None})
    else:
        say(*guided.before_words(noted, older))


@mri.command("after")
@examples("mri after", "thecal mri after", "thecal mri after --then resume --yes --json", acts=CHANGES)
def mri_after(
    port: Port = "",
    then: Annotated[
        str, typer.Option("--then", metavar="resume|stop|bolus", help="How it goes on; else it is asked.")
    ] = "",
    wait: Annotated[
        str, typer.Option("--wait", metavar="DURATION", help="So long for the motor to be seen.")
    ] = "5 min",
    yes: Yes = False,
    no_input: NoInput = False,
    reason: Reason = "",
    no_store: NoStore = False,
    as_json: Json = False,
) -> None:
    """Wait until the motor is seen to move, show what was missed, and go on as is said. A bolus is never
    ordered: its command is named."""
    need_yes_for_json(as_json, yes)
    from thecal.units.quantities import DURATION
    from thecal.workflows import mri as guided

    if then and then not in guided.THEN:
        raise typer.BadParameter(f'"{then}" is none of {", ".join(guided.THEN)}.', param_hint="--then")
    wait_s = quantity("--wait", wait, DURATION, zero=True) / 1_000_000
    prompter = prompter_of(no_input, as_json)
    with open_pump(port, CHANGES) as pump:
        done = guided.after(pump, prompter, then, yes=yes, wait_s=wait_s, show=not as_json)
        remember(pump, "mri after", no_store, reason=reason)
    print_json(done) if as_json else print(done["text"])
