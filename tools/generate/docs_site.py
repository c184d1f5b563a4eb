"""Hook of MkDocs (mkdocs.yml): the page of every command from the code; the pump in its page; plain links.

Links that leave docs/ have no page in the site: their text stays.

The page reference/commands.md exists only in the site: nobody has to keep it up to date. So does the live
page of the pump (`browser_pump`), where npm can be had.
"""

import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from mkdocs.structure.files import File, Files

from thecal.cli.app import app
from thecal.cli.declare import EXAMPLES
from thecal.cli.option_rules import sentences

sys.path.insert(0, str(Path(__file__).parent))  # mkdocs loads this file alone

import browser_pump

PAGE = "reference/commands.md"
PUMP_PAGE = "pump.md"
LIVE = "pump-live.html"
_LIVE_MARK = "<!-- the pump -->"
_OUTSIDE = re.compile(
    r"\[([^\]]+)\]\((?:\.\./)+(?!docs/)(?:README\.md|CONTRIBUTING\.md|SECURITY\.md|examples|boards|tests|LICENSE)[^)]*\)"
)
_FOLDER = re.compile(r"\[([^\]]+)\]\((?:\.\./)*decisions/?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the generated page."""
    files.append(File.generated(config, PAGE, content=page()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:
    """Links to files outside docs/ and to folders have no page in the site: their text stays."""
    if page.file.src_uri == PUMP_PAGE:
        markdown = markdown.replace(_LIVE_MARK, shown())
    return _FOLDER.sub(r"\1", _OUTSIDE.sub(r"\1", markdown))


def on_post_build(config: Any) -> None:
    """The live page stands beside the one that shows it."""
    text, _ = live()
    if text:
        (Path(config.site_dir) / LIVE).write_text(text, encoding="utf-8")


@functools.cache
def live() -> tuple[str, str]:
    """The pump's page, or why there is none."""
    try:
        return browser_pump.page(), ""
    except browser_pump.Unavailable as error:
        print(f"docs: built without the pump in a page: {error}")
        return "", str(error)


def shown() -> str:
    """What the docs' page has of it."""
    text, why = live()
    if not text:
        return f"*This site was built without it: {why}.*"
    frame = f'<iframe src="{LIVE}" title="The pump" style="width: 100%; height: 80vh; border: 0"></iframe>'
    return f'{frame}\n\n<a href="{LIVE}">The pump on a page of its own</a>: one file, which can be kept.'


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
