"""What a command says of itself: its section of the help, its examples, written where the command is.

`commands`, the root's table, is generated from these (tools/generate/cli_table.py), so that the root imports
no module of a command but the one that is wanted.
"""

import os
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import typer

from thecal.cli.option_rules import enforce

OFFLINE = "Without a pump"
WATCH = "Look at a pump"
CHANGE = "Change what a pump does"
STORE = "What was seen of pumps"
SECTIONS = (OFFLINE, WATCH, CHANGE, STORE)
READS, CHANGES = "reads", "changes"  # what a command does to a pump: which one it takes unasked (which_pump)

F = TypeVar("F", bound=Callable[..., object])


class Declared(NamedTuple):
    """A command of the root, or a group of them, and the section that it stands in."""

    section: str
    found: Callable[..., object] | typer.Typer

    @property
    def summary(self) -> str:
        """Its one line in the help: what its own help begins with."""
        text = self.found.info.help if isinstance(self.found, typer.Typer) else self.found.__doc__
        return " ".join(str(text).split("\n\n")[0].split())


# Of the modules that have been imported.
DECLARED: dict[str, Declared] = {}
EXAMPLES: dict[str, tuple[str, ...]] = {}
ACTS: dict[str, str] = {}


class Line(NamedTuple):
    """The command that is being carried out."""

    acts: str
    scripted: bool  # nobody is asked


_lines: list[Line] = []


def line() -> Line:
    """The command that is being carried out now."""
    return _lines[-1]


def command(section: str, *lines: str, acts: str = "") -> Callable[[F], F]:
    """A command of the root, called as the function is. `lines`: examples. `acts`: READS or CHANGES; what
    its section says where it is left out."""

    def declare(function: F) -> F:
        name = function.__name__.replace("_", "-")
        DECLARED[name] = Declared(section, function)
        does = acts or (CHANGES if section == CHANGE else READS)
        return examples(name, *lines, acts=does)(function)

    return declare


def group(name: str, section: str, *lines: str, **settings: Any) -> typer.Typer:
    """Commands below a command. `lines`: examples of the command itself; `settings`: as of typer.Typer."""
    made = typer.Typer(**settings)
    DECLARED[name] = Declared(section, made)
    if lines:
        EXAMPLES[name] = lines
    return made


def examples(path: str, *lines: str, acts: str = READS) -> Callable[[F], F]:
    """Examples of a command by its path, "clock set", and what it does to a pump."""

    def declare(function: F) -> F:
        EXAMPLES[path] = lines
        ACTS[path] = acts
        return function

    return declare


def dress(command: Any, path: str) -> Any:
    """Put its examples below the help of a command, or of all of a group, let a flag be a flag (no "<bool>"
    beside it), and hold it to the rules of its options."""
    for option in getattr(command, "params", ()):
        if getattr(option, "is_flag", False) and option.metavar is None:
            option.metavar = ""
    for name, part in getattr(command, "commands", {}).items():
        dress(part, f"{path} {name}")
    enforce(command, path)
    _remembered(command, path)
    if path in EXAMPLES:
        shown = (f"  {line}" for line in EXAMPLES[path])
        lines = "\n".join(("\b", "Examples:", *shown))  # \b: lines as they are
        command.epilog = f"{command.epilog}\n\n{lines}" if command.epilog else lines
    return command


def _remembered(command: Any, path: str) -> None:
    """While it is carried out, `line` says what it does and whether anybody may be asked."""
    invoke = command.invoke

    def carried(context: Any) -> Any:
        silent = any(context.params.get(name) for name in ("yes", "as_json", "no_input"))
        scripted = silent or bool(os.environ.get("THECAL_NO_INPUT"))
        _lines.append(Line(ACTS.get(path, READS), scripted))
        try:
            return invoke(context)
        finally:
            _lines.pop()

    command.invoke = carried
