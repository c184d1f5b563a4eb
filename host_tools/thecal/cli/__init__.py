"""The command line `thecal`. Thin: what it does lies in the modules of `thecal`. Reference:
docs/reference/cli.md.

Exit codes: 0 done, 1 refused or failed (one line on stderr: what was wrong, what to do), 2 wrong usage, 3 a
change was sent and nobody knows what became of it, 130 interrupted before anything was changed.
"""

import contextlib
import errno
import gc
import os
import sys
from collections.abc import Sequence
from typing import Any

from thecal._io import interruption, terminal
from thecal._io.interruption import Acts

FAILED = 1
UNKNOWN = 3
INTERRUPTED = 130
NO_INPUT = "--no-input"  # of every command, wherever it stands
NO_INPUT_VARIABLE = "THECAL_NO_INPUT"
ROLE_VARIABLE = "THECAL_ROLE"
# Left to itself, pydantic reads the files of every package, to find that none has a plugin for it.
_NO_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"
_GARBAGE = 50_000  # objects between collections: starting makes many and drops none


class _Broken(Exception):
    """What typer would make an exit code of, carried past it."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def main() -> None:
    """The console script."""
    gc.set_threshold(_GARBAGE)
    terminal.hold_places()
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line; the exit code. Never a traceback for an error that thecal knows.

    Whatever ends it says what became of what was sent to a pump (HOST-11).
    """
    from thecal.errors import ThecalError
    from thecal.monitor.status import quick

    os.environ.setdefault(_NO_PLUGINS, "__all__")
    with terminal.all_shown(), interruption.raising(), interruption.recorded() as acts:
        try:
            try:
                code = 0 if quick(arguments) else _run_typer(arguments)
                sys.stdout.flush()
            except _Broken as broken:
                raise broken.error from None
        except ThecalError as error:
            return _failed(error, acts, "--json" in arguments)
        except KeyboardInterrupt:
            return _ended(f"interrupted ({interruption.last() or 'SIGINT'})", INTERRUPTED, acts, arguments)
        except OSError as error:  # of our own output; every other is a ThecalError
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered goes nowhere
            if isinstance(error, BrokenPipeError):  # whoever read it has had enough
                how = "nobody reads the output any more" if acts.begun else ""
                return _ended(how, INTERRUPTED, acts, arguments)
            if error.errno == errno.EIO:
                return _ended("the terminal is gone", INTERRUPTED, acts, arguments)
            how = f"the output cannot be written: {error.strerror}"
            return _ended(how, FAILED, acts, arguments)
    return code


def _ended(how: str, code: int, acts: Acts, arguments: Sequence[str]) -> int:
    """Something ended it: what became of what was sent. `code`: when nothing was changed."""
    if acts.outcome != interruption.NOT_CARRIED_OUT:
        code = 0 if acts.outcome == interruption.CARRIED_OUT else UNKNOWN
    text = f"{how}: {acts.words()}" if how and (acts.begun or code == INTERRUPTED) else how
    text = f"{text}; {interruption.LOOK}" if code == UNKNOWN else text
    _print_outcome(acts, text, "--json" in arguments)
    return _say(text, code)


def _failed(error: Exception, acts: Acts, as_json: bool) -> int:
    """The line of an error. Where a change had been sent, the exit code is of that."""
    from thecal.errors import LinkError, PortError

    code, text = FAILED, str(error)
    if acts.outcome == interruption.UNKNOWN:
        code = UNKNOWN
    elif acts.outcome == interruption.CARRIED_OUT and isinstance(
        error, LinkError | PortError
    ):  # all was through
        code, text = 0, f"{acts.words()}; after that: {text}"
    if acts.begun:
        _print_outcome(acts, text, as_json)
    return _say(text, code)


def _print_outcome(acts: Acts, text: str, as_json: bool) -> None:
    """The one document of a command that was broken off, unless it had printed its own."""
    from thecal.cli.common import print_json

    if as_json and not acts.printed:
        document = {"schema": 1, "outcome": acts.outcome, "carried_out": acts.done, "unknown": acts.unknown}
        with contextlib.suppress(OSError):
            print_json({**document, "message": text})


def _run_typer(arguments: Sequence[str]) -> int:
    import typer

    from thecal.cli.app import app

    wanted = [argument for argument in arguments if argument != NO_INPUT]
    before, role = os.environ.get(NO_INPUT_VARIABLE, ""), os.environ.get(ROLE_VARIABLE, "")
    os.environ[NO_INPUT_VARIABLE] = "1" if len(wanted) < len(arguments) else before
    try:
        command = _unfiltered(typer.main.get_command(app))
        code = command(wanted, prog_name="thecal", standalone_mode=False)
    except typer.TyperException as error:  # wrong usage
        context = getattr(error, "ctx", None)
        command = context.command_path if context else _path_of(typer.main.get_command(app), wanted)
        if type(error).__name__ == "NoArgsIsHelpError":  # typer does not export it
            print(error.message)
            return error.exit_code
        from thecal.cli import usage

        message = error.format_message()
        text = f"{command}: {usage.words(message, wanted)} See `{command} --help`." if message else ""
        return _say(text, error.exit_code)
    finally:
        os.environ[NO_INPUT_VARIABLE] = before
        os.environ[ROLE_VARIABLE] = role  # --role sets it
    return code if isinstance(code, int) else 0


def _unfiltered(command: Any) -> Any:
    """Typer makes exit codes of its own of Ctrl-C and of a closed pipe: they pass it by."""
    invoke = command.invoke

    def carried(context: object) -> object:
        try:
            return invoke(context)
        except (KeyboardInterrupt, OSError) as error:
            raise _Broken(error) from error

    command.invoke = carried
    return command


def _path_of(command: object, arguments: Sequence[str]) -> str:
    """Which command these arguments name: `thecal clock set`."""
    path = "thecal"
    for argument in arguments:
        below = getattr(command, "commands", {})
        if argument in below:
            command, path = below[argument], f"{path} {argument}"
    return path


def _say(text: str, code: int) -> int:
    """One line, whatever the text."""
    if text:
        with contextlib.suppress(OSError):  # the terminal may be gone
            print(" ".join(text.split()), file=sys.stderr)
    return code
