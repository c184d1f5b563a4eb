#!/usr/bin/env python3
"""Rules for code, checked over the syntax trees: what firmware must not contain, and how long things may be.

In firmware/ and boards/:
    float      no float literals, true division, float(), or float formats: single precision loses steps
    assert     safety checks are never asserts: mpy-cross -O drops them
    except     no bare, silent or broad `except`
    dynamic    no eval, exec or setattr; no match statement (MicroPython has none)
In firmware/ alone:
    io         no print, open or input: hardware is passed in
Everywhere but in tests/:
    length     files at most 400 lines, functions at most 40 of code, firmware/main.py under 80

Run from the project's root, or name another root. Exceptions: see `findings`.
"""

import ast
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from findings import Finding, Source, permitted, report, sources

RULES = ("float", "assert", "except", "dynamic", "io", "length")
FIRMWARE = ("firmware/", "boards/")
FOLDERS = ("firmware", "protocol", "boards", "host_tools", "tools", "benchmarks")

FILE_LINES = 400
FUNCTION_LINES = 40
MAIN = "firmware/main.py"
MAIN_LINES = 79

_FLOAT_FORMATS = set("efd")
_STRUCT_FUNCTIONS = frozenset({"pack", "pack_into", "unpack", "unpack_from", "calcsize"})
_BROAD = frozenset({"Exception", "BaseException"})
_DYNAMIC = frozenset({"eval", "exec", "compile", "setattr", "globals", "locals"})
_IO = frozenset({"print", "open", "input"})


def check(source: Source) -> list[Finding]:
    """Every finding in one file."""
    found = list(_lengths(source))
    if source.path.startswith(FIRMWARE):
        for node in ast.walk(source.tree):
            found += _floats(source, node)
            found += _excepts(source, node)
            found += _dynamic(source, node)
            if isinstance(node, ast.Assert):
                found.append(source.finding(node, "assert", "mpy-cross -O drops asserts: raise instead"))
    return permitted(source, found, RULES)


def _floats(source: Source, node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
        yield source.finding(node, "float", f"a float literal, {node.value!r}: use integers of a small unit")
    elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
        yield source.finding(node, "float", "true division gives a float: use // and say how it rounds")
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and _is_negative(node.right):
        yield source.finding(node, "float", "a negative power gives a float")
    elif isinstance(node, ast.Name) and node.id in ("float", "complex"):
        yield source.finding(node, "float", f"{node.id} has no place in firmware")
    elif isinstance(node, ast.Call) and _float_format(node):
        yield source.finding(node, "float", "a float format in struct or array")


def _is_negative(node: ast.AST) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def _float_format(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    first = call.args[0] if call.args else None
    if name not in _STRUCT_FUNCTIONS | {"array"} or not isinstance(first, ast.Constant):
        return False
    return isinstance(first.value, str) and bool(_FLOAT_FORMATS & set(first.value))


def _excepts(source: Source, node: ast.AST) -> Iterator[Finding]:
    if not isinstance(node, ast.ExceptHandler):
        return
    caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    if node.type is None:
        yield source.finding(node, "except", "a bare except: name what is caught")
    elif any(isinstance(one, ast.Name) and one.id in _BROAD for one in caught):
        yield source.finding(node, "except", "too broad: catch only what can be answered here")
    elif all(_does_nothing(statement) for statement in node.body):
        yield source.finding(node, "except", "a silent except: handle it, count it or let it rise")


def _does_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Pass | ast.Continue):
        return True
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _dynamic(source: Source, node: ast.AST) -> Iterator[Finding]:
    called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
    if called in _DYNAMIC:
        yield source.finding(node, "dynamic", f"{called}() hides what the code does")
    elif called in _IO and source.path.startswith("firmware/"):
        yield source.finding(node, "io", f"{called}() is for boards: hardware is passed in")
    elif isinstance(node, ast.Match):
        yield source.finding(node, "dynamic", "MicroPython has no match statement")


def _lengths(source: Source) -> Iterator[Finding]:
    limit = MAIN_LINES if source.path == MAIN else FILE_LINES
    if len(source.lines) > limit:
        yield source.finding(limit + 1, "length", f"the file has {len(source.lines)} lines, at most {limit}")
    for node, count in functions(source.tree, source.lines):
        if count > FUNCTION_LINES:
            message = f"{node.name}() has {count} lines of code, at most {FUNCTION_LINES}"
            yield source.finding(node, "length", message)


def functions(
    tree: ast.AST, lines: Sequence[str]
) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    """Each function and its lines of code: neither blank ones, nor comments, nor its docstring."""
    blank = {number for number, line in enumerate(lines, 1) if line.strip()[:1] in ("", "#")}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, len(_span(node) - blank - _docstring(node))


def _span(node: ast.stmt) -> set[int]:
    return set(range(node.lineno, (node.end_lineno or node.lineno) + 1))


def _docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[int]:
    return _span(node.body[0]) if ast.get_docstring(node) is not None else set()


def main(arguments: list[str]) -> int:
    """Check the project at the root named, or the current folder; the exit code."""
    root = Path(arguments[0] if arguments else ".")
    found: list[Finding] = []
    files = 0
    for source in sources(root, *FOLDERS):
        files += 1
        found += [source] if isinstance(source, Finding) else check(source)
    return report("code rules", found, files)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
