"""All modules of a program made into one: what the chip need not know any more is gone.

Names that a module takes from another of the program become names of the one module, whole numbers with a
name become numbers, and what nothing refers to is left out. `minify` then shortens the names. Nothing else
changes: the same statements in the same order (tests/boards/rp2040/test_built_firmware.py runs the result).

What it cannot follow is a `FlashError`, so that the sources stay as plain as they are: no star imports, no
own module used as a value, no name bound both outside and inside a comprehension.
"""

import ast
from collections.abc import Iterator, Mapping, Set

from thecal.errors import FlashError
from thecal.firmware_build import dead_code

GLOBAL = "G__"  # begins every name of the program's own module level
LOCAL = "L__"  # and every local one
LOADER = "rare"  # the module that brings what is not always in memory
LOAD = f"{GLOBAL}{LOADER}__load"
_SMALL = 1 << 30  # whole numbers of the chip are smaller
_SCOPES = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

Symbol = tuple[str, str]  # module, name


def merged(
    texts: Mapping[str, str],
    root: str,
    origins: dict[int, str] | None = None,
    rare: Set[str] = frozenset(),
    called: Set[str] = frozenset(),
) -> ast.Module:
    """One module out of those of `texts`, by dotted name, from `root` on. `origins` takes the module of each
    statement, by its identity. What the `rare` modules define is asked of the module that LOAD brings.
    `called`: methods that are found by their names. FlashError."""
    program = _Program(texts)
    program.visit(root)
    if rare & program.bound.keys():
        start = program.body.pop()
        program.visit(LOADER)
        program.body.append(start)
        _ask_for_the_rare(program, rare)
    imports = (ast.Import, ast.ImportFrom)
    once = {ast.unparse(node): node for node in program.body if isinstance(node, imports)}
    rest = [node for node in program.body if not isinstance(node, imports)]
    tree = ast.Module(body=[*once.values(), *rest], type_ignores=[])
    dead_code.drop(tree, GLOBAL, called)
    if origins is not None:
        origins.update(program.origins)
    return ast.fix_missing_locations(tree)


def _ask_for_the_rare(program: "_Program", rare: Set[str]) -> None:
    names = {
        word
        for node in program.body
        if program.origins.get(id(node)) in rare
        for word in dead_code.binds(node)
    }

    class Ask(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            if node.id not in names:
                return node
            return ast.Attribute(ast.Call(ast.Name(LOAD, ast.Load()), [], []), node.id, node.ctx)

    for node in program.body:
        if program.origins.get(id(node)) not in rare:
            Ask().visit(node)


def _refuse(module: str, what: str) -> FlashError:
    return FlashError(f"{module} cannot be built for the chip: {what}", "write it more plainly")


class _Program:
    def __init__(self, texts: Mapping[str, str]):
        self._texts = texts
        self.bound: dict[str, dict[str, Symbol]] = {}
        self.constants: dict[Symbol, ast.expr] = {}
        self.body: list[ast.stmt] = []
        self.origins: dict[int, str] = {}  # of statements, by their identity

    def visit(self, name: str) -> None:
        """Add a module, after those that it needs."""
        if name in self.bound:
            return
        bound = self.bound[name] = {}
        tree = ast.parse(self._texts[name])
        body = [node for node in tree.body if not _is_text(node)]
        for node in _statements(body):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._import(name, node)
        for node in _statements(body):
            for word in dead_code.binds(node):
                bound[word] = (name, word)
        self._find_constants(name, body)
        resolver = _Resolver(self, name)
        for node in body:
            done = resolver.visit(node)
            if done is not None:
                self.body.append(done)
                self.origins[id(done)] = name

    def is_own(self, name: str) -> bool:
        """Is this a module of the program?"""
        return name in self._texts

    def _import(self, module: str, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                raise _refuse(module, "a star import")
            if isinstance(node, ast.Import):
                target: Symbol = (alias.name, "") if self.is_own(alias.name) else ("", alias.name)
            elif self.is_own(f"{node.module}.{alias.name}"):
                target = (f"{node.module}.{alias.name}", "")
            elif node.module and self.is_own(node.module):
                target = (node.module, alias.name)
            else:
                target = (f"ext_{node.module}", alias.name)
            if self.is_own(target[0]):
                self.visit(target[0])
                if target[1]:
                    target = self.symbol(target)
            self.bound[module][alias.asname or alias.name] = target

    def symbol(self, symbol: Symbol) -> Symbol:
        """Where a name of another module was really defined. FlashError when it has none."""
        found = self.bound[symbol[0]].get(symbol[1])
        if found is None:
            raise _refuse(symbol[0], f"it has no {symbol[1]}")
        return found

    def _find_constants(self, module: str, body: list[ast.stmt]) -> None:
        """Whole numbers bound once. Those too big for the chip only where the source says `const`."""
        counts: dict[str, int] = {}
        for top in body:
            for node in ast.walk(top):
                if isinstance(node, ast.Global):
                    counts.update(dict.fromkeys(node.names, 2))
        for node in _statements(body):
            for word in dead_code.binds(node):
                counts[word] = counts.get(word, 0) + 1
        for node in body:
            if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name | ast.Tuple):
                continue
            pairs = _pairs(node.targets[0], node.value)
            for target, value in pairs:
                number = self._number(module, value)
                if number is None or counts[target.id] != 1:
                    continue
                if abs(number) < _SMALL or _is_const(value):
                    self.constants[module, target.id] = ast.Constant(number)

    def _number(self, module: str, node: ast.expr) -> int | None:
        """The whole number that an expression of numbers and constants is."""
        if isinstance(node, ast.Constant):
            return node.value if type(node.value) is int else None
        if _is_const(node):
            assert isinstance(node, ast.Call)
            return self._number(module, node.args[0])
        if isinstance(node, ast.Name | ast.Attribute):
            symbol = self.resolve(module, node)
            known = self.constants.get(symbol) if symbol else None
            return known.value if isinstance(known, ast.Constant) else None  # type: ignore[return-value]
        if isinstance(node, ast.BinOp):
            sides = (self._number(module, node.left), self._number(module, node.right))
            if None in sides:
                return None
            names: dict[str, object] = {"a": sides[0], "b": sides[1]}
            whole = ast.Expression(ast.BinOp(ast.Name("a", ast.Load()), node.op, ast.Name("b", ast.Load())))
            number = eval(compile(ast.fix_missing_locations(whole), "", "eval"), names)
            return number if type(number) is int else None
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            number = self._number(module, node.operand)
            return None if number is None else -number
        return None

    def resolve(self, module: str, node: ast.expr) -> Symbol | None:
        """The symbol that a name, or a name of an own module, stands for at module level."""
        if isinstance(node, ast.Name):
            return self.bound[module].get(node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found = self.bound[module].get(node.value.id)
            if found and found[0] and not found[1]:
                return self.symbol((found[0], node.attr))
        return None


class _Resolver(ast.NodeTransformer):
    """Rewrites one module's statements into the program's."""

    def __init__(self, program: _Program, module: str):
        self._program = program
        self._module = module
        self._locals: frozenset[str] = frozenset()
        self._depth = 0

    def _locals_of(self, function: ast.AST) -> frozenset[str]:
        shared = {name for n in ast.walk(function) if isinstance(n, ast.Global) for name in n.names}
        names = list(_bound_in(function, self._module))
        here = {name for name, inside in names if not inside}
        for name, inside in names:
            if inside and name not in here and name in self._program.bound[self._module]:
                raise _refuse(self._module, f"{name} is bound outside and in a comprehension")
        return frozenset({name for name, _ in names} - shared)

    def _named(self, symbol: Symbol, context: ast.expr_context) -> ast.expr:
        constant = self._program.constants.get(symbol)
        if constant is not None and isinstance(context, ast.Load):
            return constant
        if not symbol[1]:
            raise _refuse(self._module, f"{symbol[0]} used as a value")
        if not symbol[0]:
            return ast.Name(symbol[1], context)
        return ast.Name(mangled(symbol), context)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._locals:
            return ast.Name(LOCAL + node.id, node.ctx)
        symbol = self._program.bound[self._module].get(node.id)
        return self._named(symbol, node.ctx) if symbol else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        inner = node.value
        if not (isinstance(inner, ast.Name) and inner.id in self._locals):
            symbol = self._program.resolve(self._module, node)
            if symbol:
                return self._named(symbol, node.ctx)
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_Import(self, node: ast.Import) -> ast.stmt | None:
        names = [alias for alias in node.names if not self._program.is_own(alias.name)]
        return ast.Import(names) if names else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt | None:
        kept: list[ast.alias] = []
        for alias in node.names:
            symbol = self._program.bound[self._module][alias.asname or alias.name]
            if not self._program.is_own(node.module or "") and symbol[1]:
                kept.append(ast.alias(alias.name, mangled(symbol)))
        return ast.ImportFrom(node.module, kept, 0) if kept else None

    def visit_Global(self, node: ast.Global) -> ast.Global:
        return ast.Global([mangled((self._module, name)) for name in node.names])

    def visit_Assign(self, node: ast.Assign) -> ast.stmt | None:
        if not self._locals and not self._depth and all(self._is_constant(t) for t in node.targets):
            return None
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | None:
        if node.value is None:
            return None
        return self.visit_Assign(ast.Assign([node.target], node.value, lineno=node.lineno))

    def _is_constant(self, target: ast.expr) -> bool:
        if isinstance(target, ast.Tuple):
            return all(self._is_constant(each) for each in target.elts)
        return isinstance(target, ast.Name) and (self._module, target.id) in self._program.constants

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        if self._depth == 0:
            node.name = mangled((self._module, node.name))
        node.body = [each for each in node.body if not _is_text(each)] or [ast.Pass()]
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        native = bool(node.decorator_list)
        outer, depth = self._locals, self._depth
        if not outer:
            self._locals = self._locals_of(node)
        elif native or node.name in outer:
            raise _refuse(self._module, f"{node.name}, a function in a function")
        self._depth += 1
        if not native:
            node.returns = None
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.arg = LOCAL + argument.arg
                argument.annotation = argument.annotation if native else None
        node.args.defaults = [self.visit(each) for each in node.args.defaults]
        node.body = [self.visit(each) for each in node.body]
        self._locals, self._depth = outer, depth
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        outer = self._locals
        if not outer:
            self._locals = self._locals_of(node)
        for argument in node.args.args:
            argument.arg = LOCAL + argument.arg
        node.body = self.visit(node.body)
        self._locals = outer
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.ExceptHandler:
        self.generic_visit(node)
        if node.name:
            node.name = LOCAL + node.name
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        node.name = mangled((self._module, node.name))
        node.body = [each for each in node.body if not _is_text(each)] or [ast.Pass()]
        self._depth += 1
        node.bases = [self.visit(each) for each in node.bases]
        inside = {word for each in node.body for word in dead_code.binds(each)}
        body: list[ast.stmt] = []
        for each in node.body:
            if isinstance(each, ast.Assign):
                if any(isinstance(n, ast.Name) and n.id in inside for n in ast.walk(each.value)):
                    raise _refuse(self._module, "a name of a class used in the class's body")
                each.value = self.visit(each.value)
                body.append(each)
            else:
                body.append(self.visit(each))
        node.body = body
        self._depth -= 1
        return node


def mangled(symbol: Symbol) -> str:
    """The long name of a module's name in the program."""
    return GLOBAL + symbol[0].replace(".", "__") + "__" + symbol[1]


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_const(node: ast.expr) -> bool:
    called = node.func if isinstance(node, ast.Call) else None
    return isinstance(called, ast.Name) and called.id == "const"


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module level, those inside `if` and `try` too."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            yield from _statements(node.body)
            yield from _statements(node.orelse)
            for handler in getattr(node, "handlers", ()):
                yield from _statements(handler.body)


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.Name, ast.expr]]:
    if isinstance(target, ast.Name):
        return [(target, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return [(t, v) for t, v in zip(target.elts, value.elts, strict=True) if isinstance(t, ast.Name)]
    return []


def _bound_in(function: ast.AST, module: str) -> Iterator[tuple[str, bool]]:
    """Every name that a function binds, and whether a scope inside it does."""

    def walk(node: ast.AST, inside: bool) -> Iterator[tuple[str, bool]]:
        if isinstance(node, ast.arg):
            yield node.arg, inside
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node.id, inside
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name, inside
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom):
            raise _refuse(module, f"line {node.lineno}: a definition or an import inside a function")
        for each in ast.iter_child_nodes(node):
            yield from walk(each, inside or isinstance(node, _SCOPES))

    for each in ast.iter_child_nodes(function):
        yield from walk(each, False)
