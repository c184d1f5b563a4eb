"""Every command under one roof. A command is imported and built when it is the one that is wanted; it imports
what it needs when it runs: starting stays quick. The help is plain text, for the same reason.
"""

import importlib
import os
from collections.abc import Iterator, MutableMapping
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from thecal.cli import keys
from thecal.cli.commands import SECTIONS
from thecal.cli.declare import dress

_WHERE = {name: entry.where for section in SECTIONS.values() for name, entry in section.items()}


class _Commands(MutableMapping[str, Any]):
    """The commands by name, in the order of the help; each is built when it is asked for."""

    def __init__(self) -> None:
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = dress(_build(name), name)
        return self._built[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._built[name] = command

    def __delitem__(self, name: str) -> None:
        del self._built[name]

    def __contains__(self, name: object) -> bool:
        return name in _WHERE

    def __iter__(self) -> Iterator[str]:
        return iter(_WHERE)

    def __len__(self) -> int:
        return len(_WHERE)


def _build(name: str) -> Any:
    """KeyError: there is no such command."""
    module, _, attribute = _WHERE[name].partition(".")
    found = getattr(importlib.import_module(f"thecal.cli.{module}"), attribute)
    alone = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    if isinstance(found, typer.Typer):
        alone.add_typer(found, name=name, cls=_Group)
    else:
        alone.command(name)(found)
    return typer.main.get_group(alone).commands[name]


class _Group(TyperGroup):
    """Commands below a command."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Each with all that its help says."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help or "") for name, command in self.commands.items()])


class _Root(TyperGroup):
    """`thecal` itself."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands()

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Section by section, from the table alone."""
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.summary) for name, entry in section.items()])


app = typer.Typer(
    name="thecal",
    cls=_Root,
    help="Program, watch and simulate thecal, an open intrathecal infusion pump. Not a medical device.",
    epilog="A pump's port is given with --port or THECAL_PORT: a device, a pty, or a URL such as "
    "socket://host:port; `thecal ports` lists devices. Start with `thecal emulate`. With --no-input (or "
    "THECAL_NO_INPUT=1) no command ever asks: one that would fails instead. NO_COLOR=1: no colours. "
    "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 nobody knows whether a change was carried "
    "out, 130 interrupted before anything was changed.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from thecal import __version__
        from thecal.link.session import PROTOCOL

        print(f"thecal {__version__}, {PROTOCOL}")
        raise typer.Exit


@app.callback()
def everywhere(
    role: Annotated[
        keys.Role | None,
        typer.Option("--role", envvar="THECAL_ROLE", help="Whose key is used. Default: the clinician's."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Before every command: as whom the pump is talked to."""
    if role is not None:
        os.environ["THECAL_ROLE"] = role.value
