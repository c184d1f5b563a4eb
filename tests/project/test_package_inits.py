"""A package's `__init__` says what the package is and imports nothing: who wants one module pays for one."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The API's names, loaded when first used; and the command itself.
WITH_CODE = {"host_tools/thecal/__init__.py", "host_tools/thecal/cli/__init__.py"}
INITS = sorted(
    str(path.relative_to(ROOT))
    for room in ("host_tools", "protocol", "firmware")
    for path in (ROOT / room).rglob("__init__.py")
)


@pytest.mark.parametrize("name", sorted(set(INITS) - WITH_CODE))
def test_only_a_docstring(name: str):
    body = ast.parse((ROOT / name).read_text(encoding="utf-8")).body
    assert [type(node).__name__ for node in body] in (["Expr"], [])


def test_there_are_such_files():
    assert set(INITS) > WITH_CODE
    assert len(INITS) > 20
