#!/usr/bin/env python3
"""Are the fragments in changes/ well-formed? Their names, their text, and what towncrier makes of them.

A fragment is `+slug.type.md`, or `number.type.md` of an issue; the types are those of [tool.towncrier] in
pyproject.toml. Its text is one paragraph of whole sentences. Run from the project's root, or name another.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

_NAME = re.compile(r"(?:\+[a-z0-9][a-z0-9-]*|[1-9]\d*)\.(?P<type>[a-z]+)\.md")
_NOT_FRAGMENTS = {"README.md"}
_MOST_CHARACTERS = 400


def fragments(root: Path) -> list[Path]:
    """Every file of changes/ that ought to be one."""
    return sorted(path for path in (root / "changes").iterdir() if path.name not in _NOT_FRAGMENTS)


def types(root: Path) -> list[str]:
    """The types that there are."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return [one["directory"] for one in project["tool"]["towncrier"]["type"]]


def findings(root: Path) -> Iterator[str]:
    """What is wrong, a line each, with what would be right."""
    known = types(root)
    for path in fragments(root):
        name = f"changes/{path.name}"
        match = _NAME.fullmatch(path.name)
        if match is None:
            yield f"{name}: a fragment is called +slug.type.md, in lower case, or by its issue: 12.type.md"
            continue
        if match["type"] not in known:
            yield f'{name}: there is no type "{match["type"]}"; the types are {", ".join(known)}'
        yield from (f"{name}: {what}" for what in _wrong(path.read_text(encoding="utf-8")))


def _wrong(text: str) -> Iterator[str]:
    if not text.strip():
        yield "it is empty: say what somebody notices who uses thecal"
        return
    if not text.endswith(".\n") or text.endswith("\n\n"):
        yield "it ends with a whole sentence and one newline"
    if "\n\n" in text.strip() or re.search(r"^(#|[-*] )", text, re.MULTILINE):
        yield "it is one paragraph, without headings and lists"
    if len(text) > _MOST_CHARACTERS:
        yield f"it has {len(text)} characters, at most {_MOST_CHARACTERS} are read: the rest is for docs/"


def _unmade(root: Path) -> Iterator[str]:
    """Fragments that towncrier leaves out, or why it fails."""
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "next"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        yield f"towncrier: {done.stderr.strip()}"
    made = " ".join(done.stdout.split())
    for path in fragments(root):
        if done.returncode == 0 and " ".join(path.read_text(encoding="utf-8").split()) not in made:
            yield f"changes/{path.name}: towncrier leaves it out"


def main(arguments: list[str]) -> int:
    """The exit code."""
    root = Path(arguments[0]) if arguments else Path()
    found = list(findings(root)) or list(_unmade(root))
    for line in found:
        print(line, file=sys.stderr)
    print(f"changes: {len(found)} findings in {len(fragments(root))} fragments")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
