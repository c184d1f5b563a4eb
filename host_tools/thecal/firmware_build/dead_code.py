"""What nothing of a program refers to."""

import ast
from collections.abc import Iterable, Iterator, Set

TABLE = "Rows"  # the class of the tables that `tables` makes of text


def binds(node: ast.stmt) -> Iterator[str]:
    """The names that a statement binds, imports apart."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.For):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            for each in ast.walk(target):
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                    yield each.id


class _Unread(ast.NodeTransformer):
    """Leaves out `NAME[key] = value` for globals that nothing reads: what is kept for a bench alone."""

    def __init__(self, tree: ast.Module, prefix: str):
        names = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id.startswith(prefix)]
        written = {id(n.value): n for n in ast.walk(tree) if isinstance(n, ast.Subscript)}
        self._unread = {n.id for n in names if id(n) in written}
        for name in names:
            subscript = written.get(id(name))
            if isinstance(name.ctx, ast.Load) and not (subscript and isinstance(subscript.ctx, ast.Store)):
                self._unread.discard(name.id)

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        target = node.targets[0]
        base = target.value if isinstance(target, ast.Subscript) else None
        return ast.Pass() if isinstance(base, ast.Name) and base.id in self._unread else node


def drop(tree: ast.Module, prefix: str, called: Set[str] = frozenset()) -> None:
    """Leave out functions, classes, methods and tables that nothing refers to, until nothing changes.
    `prefix` begins the names of globals; `called`: methods that are found by their names."""
    _Unread(tree, prefix).visit(tree)
    nodes = list(ast.walk(tree))
    while True:
        names = {*_loaded(nodes), *called}
        tree.body = [node for node in tree.body if _is_needed(node, names)]
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                node.body = [each for each in node.body if _is_used(each, names)] or [ast.Pass()]
        left = list(ast.walk(tree))
        if len(left) == len(nodes):
            return
        nodes = left


def _loaded(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield node.id if isinstance(node, ast.Name) else node.attr


def _is_needed(node: ast.stmt, names: set[str]) -> bool:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name in names
    if isinstance(node, ast.ImportFrom):
        node.names = [alias for alias in node.names if (alias.asname or alias.name) in names]
        return bool(node.names)
    if isinstance(node, ast.Assign):
        calls = [n for n in ast.walk(node) if isinstance(n, ast.Call)]
        if all(_makes_a_table(call) for call in calls):
            return any(word in names for word in binds(node))
    return True


def _makes_a_table(call: ast.Call) -> bool:
    """Of text, as `tables` writes it: making it does nothing else."""
    made = isinstance(call.func, ast.Name) and call.func.id.endswith(f"__{TABLE}")
    return made and all(isinstance(each, ast.Constant) for each in call.args)


def _is_used(node: ast.stmt, names: set[str]) -> bool:
    """Of a class: methods that MicroPython itself calls stay."""
    if isinstance(node, ast.FunctionDef):
        return node.name in names or node.name.startswith("__") or node.name in CALLED_FROM_OUTSIDE
    return True


CALLED_FROM_OUTSIDE = frozenset(("ioctl", "readblocks", "writeblocks", "readinto", "write", "read", "close"))
