"""The command line `thecal`. Thin: what it does lies in the modules of `thecal`. Reference: docs/cli.md.

Exit codes: 0 done, 1 refused or failed (one line on stderr: what was wrong, what to do), 2 wrong usage.
"""

import io
import os
import sys
from collections.abc import Sequence

FAILED = 1
NO_INPUT = "--no-input"  # of every command, wherever it stands
NO_INPUT_VARIABLE = "THECAL_NO_INPUT"
ROLE_VARIABLE = "THECAL_ROLE"
# Left to itself, pydantic reads the files of every package, to find that none has a plugin for it.
_NO_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"
_INTERRUPTED = 130  # what typer makes of Ctrl-C


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line; the exit code. Never a traceback for an error that thecal knows."""
    from thecal.errors import ThecalError
    from thecal.status_command import quick

    _take_every_letter()
    os.environ.setdefault(_NO_PLUGINS, "__all__")
    try:
        code = 0 if quick(arguments) else _run_typer(arguments)
        sys.stdout.flush()
    except ThecalError as error:
        return _say(str(error), FAILED)
    except KeyboardInterrupt:
        return _say("interrupted", FAILED)
    except OSError as error:  # of our own output; every other is a ThecalError
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered goes nowhere
        if isinstance(error, BrokenPipeError):  # whoever read it has had enough
            return FAILED
        return _say(f"the output cannot be written: {error.strerror}", FAILED)
    return code


def _take_every_letter() -> None:
    """A terminal that is not UTF-8, or the name of a file that is not, is no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _run_typer(arguments: Sequence[str]) -> int:
    import typer

    from thecal.cli.app import app

    wanted = [argument for argument in arguments if argument != NO_INPUT]
    before, role = os.environ.get(NO_INPUT_VARIABLE, ""), os.environ.get(ROLE_VARIABLE, "")
    os.environ[NO_INPUT_VARIABLE] = "1" if len(wanted) < len(arguments) else before
    try:
        command = typer.main.get_command(app)
        code = command(wanted, prog_name="thecal", standalone_mode=False)
    except typer.Abort:
        return _say("interrupted", FAILED)
    except typer.TyperException as error:  # wrong usage
        context = getattr(error, "ctx", None)
        command = context.command_path if context else _path_of(typer.main.get_command(app), wanted)
        if type(error).__name__ == "NoArgsIsHelpError":  # typer does not export it
            print(error.message)
            return error.exit_code
        message = error.format_message().replace(": Value error, ", ": ")
        stop = "" if message.endswith((".", "?")) else "."
        text = f"{command}: {message}{stop} See `{command} --help`." if message else ""
        return _say(text, error.exit_code)
    finally:
        os.environ[NO_INPUT_VARIABLE] = before
        os.environ[ROLE_VARIABLE] = role  # --role sets it
    if code == _INTERRUPTED:
        return _say("interrupted", FAILED)
    return code if isinstance(code, int) else 0


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
        print(" ".join(text.split()), file=sys.stderr)
    return code
