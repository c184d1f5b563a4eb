"""Hook of MkDocs (mkdocs.yml): the page of every command from the code; links that leave docs/ made plain.

The page reference/commands.md exists only in the site: nobody has to keep it up to date.
"""

import re
from collections.abc import Iterator
from typing import Any

import typer
from mkdocs.structure.files import File, Files

from thecal.cli.app import app
from thecal.cli.declare import EXAMPLES
from thecal.cli.option_rules import sentences

PAGE = "reference/commands.md"
_OUTSIDE = re.compile(
    r"\[([^\]]+)\]\((?:\.\./)+(?!docs/)(?:README\.md|CONTRIBUTING\.md|SECURITY\.md|examples|boards|tests|LICENSE)[^)]*\)"
)
_FOLDER = re.compile(r"\[([^\]]+)\]\((?:\.\./)*decisions/?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the generated page."""
    files.append(File.generated(config, PAGE, content=page()))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Links to files outside docs/ and to folders have no page in the site: their text stays."""
    return _FOLDER.sub(r"\1", _OUTSIDE.sub(r"\1", markdown))


def page() -> str:
    """Every command with its options and examples, as the code has them."""
    parts = [
        "# Commands\n",
        "Generated from the code. In words, with what can go wrong: [the command line](cli.md).\n",
        "All take `--help`, and `--no-input`: then none ever asks, and fails where it would.\n",
    ]
    for path, command in commands(typer.main.get_command(app)):
        parts += [f"## thecal {path}\n", " ".join((command.help or "").split()) + "\n"]
        rows = [row for parameter in command.params if (row := _row(parameter))]
        if rows:
            parts += ["| option or argument | what it is |\n|---|---|\n" + "\n".join(rows) + "\n"]
        if said := list(sentences(path)):
            parts += ["\n".join(f"- {one}" for one in said) + "\n"]
        if path in EXAMPLES:
            parts += ["\n".join(f"    {line}" for line in EXAMPLES[path]) + "\n"]
    return "\n".join(parts)


def commands(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its path."""
    parts: dict[str, Any] | None = getattr(command, "commands", None)
    if path and (parts is None or command.invoke_without_command):
        yield path, command
    for name, part in sorted((parts or {}).items()):
        yield from commands(part, f"{path} {name}".strip())


def _row(parameter: Any) -> str:
    if "--help" in parameter.opts:
        return ""
    names = ", ".join(parameter.opts) if parameter.param_type_name == "option" else parameter.name
    metavar = parameter.metavar or ""
    shown = f"{names} {metavar}".strip() if parameter.param_type_name == "option" else metavar or names
    text = " ".join((getattr(parameter, "help", "") or "").split()).replace("|", "\\|")
    required = " Required." if parameter.required else ""
    return f"| `{shown.replace('|', ' or ')}` | {text}{required} |"
