"""Whole numbers with a name become numbers in the text that the emulated pump is compiled from, as in the
chip's (`bundler`): MicroPython looks a name up each time, at the price of a few additions.

A constant is a name in capitals that its module binds once, at its top, to a number or to a sum of such; who
imports it means the same number. Nothing else of the text changes, and lines stay where they are.
"""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

_CAPITALS = re.compile(r"_?[A-Z][A-Z0-9_]*")
_WITH: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: int.__add__,
    ast.Sub: int.__sub__,
    ast.Mult: int.__mul__,
    ast.LShift: int.__lshift__,
    ast.BitOr: int.__or__,
    ast.FloorDiv: int.__floordiv__,
}


class _Module:
    """One module: its tree, and what its names stand for."""

    def __init__(self, text: bytes):
        try:
            self.tree = ast.parse(text)
        except (SyntaxError, ValueError):  # mpy-cross says why
            self.tree = ast.Module([], [])
        self.numbers: dict[str, int] = {}
        self.modules: dict[str, _Module] = {}


def with_numbers(texts: Mapping[str, bytes]) -> dict[str, bytes]:
    """The texts, by dotted name of the module, with numbers in the place of constants."""
    found: dict[str, _Module] = {}
    for name in texts:
        _read(name, texts, found)
    return {name: _replaced(text, found[name]) for name, text in texts.items()}


def _read(name: str, texts: Mapping[str, bytes], found: dict[str, _Module]) -> _Module | None:
    if name in found or name not in texts:
        return found.get(name)
    module = found[name] = _Module(texts[name])
    bound = Counter(
        node.id if isinstance(node, ast.Name) else node.arg
        for node in ast.walk(module.tree)
        if isinstance(node, ast.arg) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    )
    for node in module.tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            _take_over(node, module, texts, found)
        elif isinstance(node, ast.Assign):
            for target, value in _pairs(node):
                number = _number(value, module)
                if number is not None and bound[target] == 1 and _CAPITALS.fullmatch(target):
                    module.numbers[target] = number
    return module


def _take_over(
    node: ast.Import | ast.ImportFrom, module: _Module, texts: Mapping[str, bytes], found: dict[str, _Module]
) -> None:
    origin = _read(node.module or "", texts, found) if isinstance(node, ast.ImportFrom) else None
    prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
    for alias in node.names:
        name = alias.asname or alias.name
        if origin is not None and alias.name in origin.numbers:
            module.numbers[name] = origin.numbers[alias.name]
        elif (of := _read(prefix + alias.name, texts, found)) is not None:
            module.modules[name] = of


def _pairs(node: ast.Assign) -> Iterator[tuple[str, ast.expr]]:
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for each, of in zip(target.elts, value.elts, strict=False):
            if isinstance(each, ast.Name):
                yield each.id, of
    elif isinstance(target, ast.Name):
        yield target.id, value


def _number(node: ast.expr, module: _Module) -> int | None:
    """What an expression of numbers and constants is."""
    match node:
        case ast.Constant(int(number)) if type(number) is int:
            return number
        case ast.Name(name):
            return module.numbers.get(name)
        case ast.Attribute(ast.Name(name), attribute) if name in module.modules:
            return module.modules[name].numbers.get(attribute)
        case ast.Call(ast.Name("const"), [value]):
            return _number(value, module)
        case ast.BinOp(left, how, right) if type(how) in _WITH:
            one, other = _number(left, module), _number(right, module)
            return None if one is None or other is None else _WITH[type(how)](one, other)
        case _:
            return None
    return None


def _replaced(text: bytes, module: _Module) -> bytes:
    lines = text.splitlines(keepends=True)
    places = [
        (node.lineno - 1, node.col_offset, node.end_col_offset or 0, number)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load)
        if (number := _number(node, module)) is not None
    ]
    for line, begin, end, number in sorted(places, reverse=True):
        old = lines[line]
        lines[line] = old[:begin] + b"%d" % number + old[end:]
    return b"".join(lines)
