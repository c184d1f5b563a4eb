"""What the chip looks up by name in every line: its globals lie in a table that is never nearly full."""

import ast

import pytest

from thecal.firmware_build import chip as chip_build
from thecal.firmware_build import minify

SIZES = minify._TABLE_SIZES


def program(globals_: int) -> ast.Module:
    """With so many globals, `__name__` and `__file__` among them, and attributes enough."""
    lines = [f"g{i} = {i}" for i in range(globals_ - 2)]
    return ast.parse("\n".join([*lines, *(f"g0.a{i}" for i in range(200))]))


def names_in(tree: ast.Module) -> set[str]:
    scope: dict[str, object] = {}
    body = [node for node in tree.body if not isinstance(node, ast.Expr)]
    exec(compile(ast.Module(body, []), "program", "exec"), scope)
    return set(scope) - {"__builtins__"} | {"__name__", "__file__"}


@pytest.mark.parametrize("count", [2, 100, 127, 249, 250, 270, 293, 294, 320, 389, 500])
def test_a_table_that_would_be_nearly_full_is_made_to_grow(count):
    tree = program(count)
    tree.body[:0] = minify.fillers(tree)
    held = len(names_in(tree))
    size = next(size for size in SIZES if size >= held)
    assert held == count or held > count >= 0.85 * max(s for s in SIZES if s < size)
    assert held < 0.85 * size


def test_what_is_often_used_of_what_is_built_in_becomes_the_programs_own():
    lines = [f"def f{i}(x: int) -> int:\n    return len(x)" for i in range(minify._OFTEN)]
    tree = ast.parse("\n".join([*lines, "max(1)", "def g():\n    raise ValueError"]))
    assert [ast.unparse(node) for node in minify._own_builtins(tree)] == ["len = len"]


def test_long_texts_that_are_words_become_names():
    tree = ast.parse("a = {'rate_pl_per_day': 1, 'no word at all': 2, 'short': 3}, 'rate_pl_per_day'")
    assert minify._long_words(tree) == ["rate_pl_per_day"]


def test_the_firmwares_own_table_is_not_nearly_full(monkeypatch):
    found: list[ast.Module] = []
    fillers = minify.fillers

    def seen(tree: ast.Module) -> list[ast.stmt]:
        more = fillers(tree)
        found.append(ast.Module([*more, *tree.body], []))
        return more

    monkeypatch.setattr(minify, "fillers", seen)
    own = chip_build.facts.chip().facts.modules
    texts = chip_build._chip_texts(chip_build.sources())
    chip_build._program(texts, chip_build.START, chip_build.NAMED, own.rare)
    assert [fillers(tree) for tree in found] == [[]]
