"""The command line `thecal`. Thin: what it does lies in the modules of `thecal`. Reference: docs/cli.md.

Exit codes: 0 done, 1 refused or failed (one line on stderr: what was wrong, what to do), 2 wrong usage.
"""

import sys
from collections.abc import Sequence

FAILED = 1
_INTERRUPTED = 130  # what typer makes of Ctrl-C


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line; the exit code. Never a traceback for an error that thecal knows."""
    import typer

    from thecal.cli.app import app
    from thecal.errors import ThecalError

    try:
        code = app(list(arguments), prog_name="thecal", standalone_mode=False)
    except ThecalError as error:
        return _say(str(error), FAILED)
    except typer.Abort:
        return _say("interrupted", FAILED)
    except typer.TyperException as error:  # wrong usage
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "thecal"
        return _say(f"{command}: {error.format_message()} See `{command} --help`.", error.exit_code)
    if code == _INTERRUPTED:
        return _say("interrupted", FAILED)
    return code if isinstance(code, int) else 0


def _say(text: str, code: int) -> int:
    """One line, whatever the text."""
    print(" ".join(text.split()), file=sys.stderr)
    return code
