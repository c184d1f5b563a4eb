"""The table of attacks in docs/reference/security.md names tests that exist, and all of
tests/system/security.
"""

import ast
import re
from pathlib import Path

NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def names_in(file: Path) -> set[str]:
    return {
        node.name
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_attack_has_its_test_and_every_test_its_attack(repo_root: Path):
    named = NAMED.findall((repo_root / "docs" / "reference" / "security.md").read_text())
    assert len(named) >= 20
    for file, test in named:
        assert test in names_in(repo_root / file), f"{file} has no {test}"
    for name in ("test_attacks.py", "test_fuzz.py"):
        path = f"tests/system/security/{name}"
        assert names_in(repo_root / path) == {test for file, test in named if file == path}
