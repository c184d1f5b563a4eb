"""The printed examples of the pages: a command behind `$ `, and what stands below it.

A line `...` stands for any lines, `...` within one for anything. What differs from run to run (times, dates,
serial numbers) is masked on both sides; every other letter must be what the command prints.
"""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_BLOCK = re.compile(
    r"^```(?:console|sh|shell|text)?\n(.*?)^```|(?<=\n\n)((?: {4}[^\n]*\n|\n(?= {4}))+)", re.S | re.M
)
_MASKS = (
    (re.compile(r"\b[A-Z][a-z]{2} \d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d)?)?"), "DATE"),
    (re.compile(r"in [\d.]+ s \([\d ]+ x real time\)"), "in N s (N x real time)"),
    (re.compile(r"UNIX-[0-9A-F]{8}"), "SERIAL"),
    (re.compile(r"firmware [^\s)]+"), "firmware N"),
    (re.compile(r"─+"), "---"),
    (re.compile(r" {2,}"), "  "),
)


class Printed(NamedTuple):
    """One example."""

    page: str
    command: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {self.command}"


def examples(root: Path) -> Iterator[Printed]:
    """Of every page, in order; those without output too."""
    for file in [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]:
        text = "\n" + file.read_text(encoding="utf-8")
        for fenced, indented in _BLOCK.findall(text):
            block = fenced or textwrap.dedent(indented)
            if block.startswith("$ "):
                for part in ("\n" + block).split("\n$ ")[1:]:
                    command, *lines = part.rstrip("\n").split("\n")
                    shown = tuple(line.rstrip() for line in lines if line.strip())
                    yield Printed(str(file.relative_to(root)), command, shown)


def differs(shown: tuple[str, ...], output: str) -> str:
    """The first line of an example that the output does not have in its place; "": none."""
    found = [line.rstrip() for line in output.split("\n") if line.strip()]
    return _differs([_masked(line) for line in shown], [_masked(line) for line in found])[1]


def _differs(shown: list[str], found: list[str]) -> tuple[int, str]:
    """How many lines of the example are left at the difference, and the difference."""
    if not shown:
        return (1, f"nothing, where it prints: {found[0]}") if found else (0, "")
    first, rest = shown[0], shown[1:]
    if first.strip() == "...":
        return min(_differs(rest, found[skip:]) for skip in range(len(found) + 1))
    pattern = ".*".join(map(re.escape, first.split("...")))
    if not found or not re.fullmatch(pattern, found[0]):
        return len(shown), f"{first!r}, where it prints: {found[0] if found else 'nothing'!r}"
    return _differs(rest, found[1:])


def _masked(line: str) -> str:
    for pattern, mask in _MASKS:
        line = pattern.sub(mask, line)
    return line
