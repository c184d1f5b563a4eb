"""What only starting needs: functions and methods that nothing calls any more once the pump's loop runs.

They are found by name alone, on the side of keeping: whatever has the name of something that the loop may
call stays, and so does what is passed about as a value, or called by the rarely loaded part or from outside.
The program forgets them when it is sealed: their code is a tenth of what lies in the chip's memory.
"""

import ast
from collections.abc import Iterator, Set

from thecal.firmware_build.dead_code import CALLED_FROM_OUTSIDE

LOOP = "run"  # what runs for ever once it is called
SEALED = "seal"  # called before it
_SCOPES = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

Unit = tuple[ast.ClassDef | None, ast.FunctionDef]


def units(tree: ast.Module) -> Iterator[Unit]:
    """Functions, and methods with their class."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield None, node
        elif isinstance(node, ast.ClassDef):
            for each in node.body:
                if isinstance(each, ast.FunctionDef):
                    yield node, each


def only_at_start(tree: ast.Module, rare: Set[int], keep: Set[str]) -> list[Unit]:
    """Those that may be forgotten. `rare`: identities of the statements that are not part of the program;
    `keep`: names that somebody else calls."""
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    everything = [unit for unit in units(tree) if id(unit[0] or unit[1]) not in rare]
    names = {LOOP, *CALLED_FROM_OUTSIDE, *keep}
    for node in tree.body:
        names.update(_called(node) if id(node) in rare else _values(node))
    live: set[int] = set()
    while True:
        before = len(live)
        for holder, function in everything:
            if id(function) not in live and _is_wanted(holder, function, names, classes):
                live.add(id(function))
                names.update(_called(function))
        if len(live) == before:
            return [unit for unit in everything if id(unit[1]) not in live]


def _is_wanted(
    holder: ast.ClassDef | None, function: ast.FunctionDef, names: Set[str], classes: dict[str, ast.ClassDef]
) -> bool:
    if holder is None or function.name != "__init__":
        return function.name in names or (function.name.startswith("__") and function.name.endswith("__"))
    return any(_comes_from(each, holder.name, classes) for each in names & classes.keys())


def _comes_from(name: str, ancestor: str, classes: dict[str, ast.ClassDef]) -> bool:
    """Is it that class, or made from it?"""
    if name == ancestor:
        return True
    bases = classes[name].bases if name in classes else []
    return any(isinstance(base, ast.Name) and _comes_from(base.id, ancestor, classes) for base in bases)


def _called(node: ast.AST, but: Set[int] = frozenset()) -> Iterator[str]:
    """Every name and attribute that is looked up. A class that is only asked for an attribute
    (`Base.fail(self)`) is not made by that."""
    asked = {id(each.value) for each in ast.walk(node) if isinstance(each, ast.Attribute)}
    for each in ast.walk(node):
        if (
            id(each) not in but
            and isinstance(each, ast.Name | ast.Attribute)
            and isinstance(each.ctx, ast.Load)
        ):
            if isinstance(each, ast.Attribute):
                yield each.attr
            elif id(each) not in asked:
                yield each.id


def _values(node: ast.AST) -> Iterator[str]:
    """Of these the ones that are not called at once: somebody may call them later."""
    not_values: set[int] = set()
    for each in ast.walk(node):
        if isinstance(each, ast.Call):
            not_values.add(id(each.func))
        elif isinstance(each, ast.ClassDef):
            not_values.update(id(base) for base in each.bases)
        elif isinstance(each, _SCOPES):
            yield from _called(each)
    yield from _called(node, not_values)


def forget_when_sealed(tree: ast.Module, pump: str, name: str) -> None:
    """Have the class `pump` import the module that does it when it is sealed, and drop that too. Where it
    cannot be read, all stays."""
    asked = (
        f"try:\n    __import__({name!r})\nexcept (ImportError, OSError, ValueError, MemoryError):\n    pass\n"
        f"sys.modules.pop({name!r}, None)\n"
    )
    for holder, function in units(tree):
        if function.name == SEALED and holder is not None and holder.name == pump:
            function.body[:0] = ast.parse(asked).body
    ast.fix_missing_locations(tree)


def text(found: list[Unit], program: str) -> str:
    """The module that forgets them; names as they are now. None in their place: MicroPython keeps what is
    deleted from a dictionary in the slot where it was."""
    lines = [f"import {program}"]
    for holder, function in found:
        owner = f"{program}.{holder.name}" if holder else program
        lines.append(f"{owner}.{function.name} = None")
    return "\n".join([*lines, ""])
