"""What the checkers share: finding Python files, reporting findings, and the one way to permit an exception.

A finding may be permitted where it stands, and only with a reason:

    self.scale = 1 / speed  # allow: float - bench side only, never on the pump

The comment names the rule it permits. One without a reason, or one that permits nothing, is itself a finding.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_ALLOW = re.compile(r"#\s*allow:\s*(?P<rule>[a-z-]*)(?:\s+-\s+(?P<reason>.*))?")
_SHORTEST_REASON = 10  # characters: "because" alone is not a reason


@dataclass(frozen=True, order=True)
class Finding:
    """One broken rule, printed as `path:line: rule: message`."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


@dataclass(frozen=True)
class Source:
    """A parsed file; `path` is relative to the project's root, with forward slashes."""

    path: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def finding(self, node: ast.AST | int, rule: str, message: str) -> Finding:
        """A finding of `rule` in this file, at a node or a line number."""
        line = node if isinstance(node, int) else getattr(node, "lineno", 1)
        return Finding(self.path, line, rule, message)


def sources(root: Path, *folders: str) -> Iterator[Source | Finding]:
    """Every Python file below the folders, in a fixed order; a file that does not parse is a finding."""
    for folder in folders:
        for file in sorted((root / folder).rglob("*.py")):
            path = file.relative_to(root).as_posix()
            text = file.read_text(encoding="utf-8")
            try:
                yield Source(path, text, ast.parse(text, filename=path))
            except SyntaxError as error:
                yield Finding(path, error.lineno or 1, "syntax", error.msg)


def permitted(source: Source, found: Iterable[Finding], rules: Iterable[str]) -> list[Finding]:
    """The findings left after the `# allow:` comments of the file; `rules` are those the caller checks."""
    rules = set(rules)
    comments = {line: match for line, match in _allow_comments(source.text) if match["rule"] in rules}
    used: set[int] = set()
    left: list[Finding] = []
    for finding in found:
        match = comments.get(finding.line)
        if match is not None and match["rule"] == finding.rule:
            used.add(finding.line)
        else:
            left.append(finding)
    for line, match in comments.items():
        if len((match["reason"] or "").strip()) < _SHORTEST_REASON:
            left.append(source.finding(line, "allow", "an exception needs a reason: # allow: rule - why"))
        elif line not in used:
            left.append(source.finding(line, "allow", f"nothing here breaks the rule {match['rule']}"))
    return left


def _allow_comments(text: str) -> Iterator[tuple[int, re.Match[str]]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and (match := _ALLOW.search(token.string)):
            yield token.start[0], match


def report(name: str, found: Iterable[Finding], files: int) -> int:
    """Print findings and a closing line; the exit code: 1 for findings, 2 when there was nothing to check."""
    found = sorted(set(found))
    for finding in found:
        print(finding)
    if files == 0:
        print(f"{name}: no files found, so nothing was checked")
        return 2
    print(f"{name}: {len(found)} findings in {files} files")
    return 1 if found else 0
