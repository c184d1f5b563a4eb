"""The commands about alarms and faults: alarms, alarms confirm, silence and test; fault show and clear."""

from typing import Annotated

import typer

from thecal._io.wrapped import say
from thecal.cli.common import (
    Json,
    Port,
    Yes,
    ask,
    need_yes_for_json,
    open_pump,
    print_json,
    refuse_json_before,
)
from thecal.cli.declare import CHANGE, CHANGES, WATCH, examples, group

alarms = group(
    "alarms",
    WATCH,
    "thecal alarms --json",
    help="List the alarms that stand, with cause and what to do; confirm, silence or test them.",
    invoke_without_command=True,
)
fault = group(
    "fault", CHANGE, help="Show the fatal fault that stopped a pump, or clear it.", no_args_is_help=True
)


@alarms.callback()
def alarms_list(context: typer.Context, port: Port = "", as_json: Json = False) -> None:
    """List the alarms that stand: class, since when, cause, what the pump does, what to do."""
    if context.invoked_subcommand is not None:
        if port:
            context.obj = port
        refuse_json_before(context, as_json)
        return
    with open_pump(port) as pump:
        view = pump.alarms()
    print_json(view.as_json()) if as_json else say(*view.words())


@alarms.command("confirm")
@examples("alarms confirm", "thecal alarms confirm all", acts=CHANGES)
def alarms_confirm(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID|all", help="Which one, as `thecal alarms` names it.")],
    port: Port = "",
    as_json: Json = False,
) -> None:
    """Take note of an alarm: it sounds no more until it is raised anew. Its condition stays."""
    from thecal.commands import alarms as alarms_command

    with open_pump(port or context.obj or "") as pump:
        done = alarms_command.confirm(pump.client, name)
    print_json(done) if as_json else print(done["text"])


@alarms.command("silence")
@examples("alarms silence", "thecal alarms silence", acts=CHANGES)
def alarms_silence(context: typer.Context, port: Port = "", as_json: Json = False) -> None:
    """Silence the pump for a while: 2 min at most while a critical alarm stands."""
    from thecal.commands import alarms as alarms_command

    with open_pump(port or context.obj or "") as pump:
        done = alarms_command.silence(pump.client)
    print_json(done) if as_json else print(done["text"])


@alarms.command("test")
@examples("alarms test", "thecal alarms test --critical", acts=CHANGES)
def alarms_test(
    context: typer.Context,
    port: Port = "",
    critical: Annotated[bool, typer.Option("--critical", help="The tone of critical alarms.")] = False,
    as_json: Json = False,
) -> None:
    """Sound an alarm's tone, so that the patient knows it. Exit code 1: the buzzer was not heard."""
    from thecal.commands import alarms as alarms_command
    from thecal.errors import ThecalError

    with open_pump(port or context.obj or "") as pump:
        done = alarms_command.test(pump.client, critical=critical)
    print_json(done) if as_json else print(done["text"])
    if not done["sounded"]:
        raise ThecalError(
            "the buzzer was not heard", "the pump gives therapy, but cannot call: have it serviced"
        )


@fault.command("show")
@examples("fault show", "thecal fault show")
def fault_show(port: Port = "", as_json: Json = False) -> None:
    """Show the first fatal fault, which a pump keeps over resets, and what clearing it means."""
    from thecal.commands.alarm_view import fault_json, fault_words
    from thecal.units.json_numbers import SCHEMA

    with open_pump(port) as pump:
        view = pump.alarms()
    if as_json:
        print_json({"schema": SCHEMA, "state": view.status.state, "fault": fault_json(view.alarms)})
    else:
        say(*fault_words(view))


@fault.command("clear")
@examples("fault clear", "thecal fault clear --yes", acts=CHANGES)
def fault_clear(port: Port = "", yes: Yes = False, as_json: Json = False) -> None:
    """Clear it: the pump tests itself, takes its program from flash again, and stays stopped."""
    need_yes_for_json(as_json, yes)
    from thecal.commands import alarms as alarms_command
    from thecal.commands.alarm_view import fault_words

    with open_pump(port) as pump:
        view = pump.alarms()
        alarms_command.need_fault(view.alarms)
        if not as_json:
            say(*fault_words(view))
        ask("Clear the fault?", yes)
        done = alarms_command.clear_fault(pump.client)
    print_json(done) if as_json else print(done["text"])
