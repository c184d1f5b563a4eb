"""Short names for everything that is the program's own: a name costs the chip its letters, in every file.

A name stays as it is when MicroPython or the world outside may know it: builtins, modules and their
contents, what their objects are asked for. So no class of the firmware may have a method called as one of
those are and mean another; the names below say which those are.
"""

import array
import ast
import builtins
import collections
import hashlib
import io
import itertools
import keyword
import string
from collections.abc import Callable, Iterator, Set

from thecal.errors import FlashError
from thecal.firmware_build import dead_code
from thecal.firmware_build.bundler import GLOBAL, LOCAL
from thecal.firmware_build.dead_code import CALLED_FROM_OUTSIDE

# What objects of MicroPython are asked for and CPython's are not.
_OF_THE_CHIP = """
ALT ALT_PIO0 IN IRQ_FALLING IRQ_RISING ONE_SHOT OUT PERIODIC POLLIN POLLOUT PULL_DOWN PULL_UP
WDT_RESET active addressof any buffer channel chdir config const decrypt deinit disable_irq duty_u16
enable_irq encrypt feed file_system freq getcwd heap_lock heap_unlock idle ilistdir init ioctl ipoll
irq kbd_intr mem32 mem_alloc mem_free mkdir modify mount native off on open pack_ctrl poll read_u16
rename reset_cause rmdir rxbuf schedule sleep_ms sleep_us stat statvfs threshold ticks_add
ticks_diff ticks_ms ticks_us timeout_char toggle txbuf umount unique_id unregister urandom value
viper
""".split()
_ONE_BYTE = 120
_OFTEN = 5
_TABLE_SIZES = (127, 167, 223, 293, 389, 521, 691, 919)  # of MicroPython's dictionaries
_FULL = 0.85
_INTERNED = 10  # letters of the longest text that MicroPython makes a name by itself
_TYPES = (int, str, bytes, bytearray, memoryview, list, dict, tuple, set, frozenset, object, OSError, range)
_FILES = (io.FileIO, io.BufferedRandom, io.TextIOWrapper, array.array)


def _outside() -> frozenset[str]:
    found: set[str] = {*_OF_THE_CHIP, *CALLED_FROM_OUTSIDE}
    for kind in (*_TYPES, *_FILES):
        found.update(dir(kind))
    found.update(dir(hashlib.sha256()))
    return frozenset(found)


OUTSIDE = _outside()


def shorten(tree: ast.Module, keep: Set[str] = frozenset()) -> dict[str, str]:
    """Give every global, local and attribute of the program a short name, but for attributes to `keep`;
    the globals' names. FlashError when one might clash.

    Names are shared: an attribute, a global and a local may be called alike, and so may private attributes of
    classes that have nothing to do with each other."""
    own = _own_attributes(tree) - keep
    _check_keywords(tree, own)
    pool = list(itertools.islice(_pool(_taken(tree, own)), 4000))
    private = _private(tree, own)
    count = _counted(tree, _attribute_words)
    public = dict(zip((word for word in count if word in own and word not in private), pool, strict=False))
    attributes = public | _short_private(tree, private, pool[len(public) :])
    beyond = [name for name in pool if name not in set(attributes.values())]
    in_classes = _loaded_in_classes(tree)
    globals_ = dict(zip(sorted(in_classes), beyond, strict=False))
    count = [word for word in _counted(tree, words) if word.startswith(GLOBAL) and word not in in_classes]
    globals_ |= dict(zip(count, (name for name in pool if name not in set(globals_.values())), strict=False))
    for node in tree.body:
        for function in node.body if isinstance(node, ast.ClassDef) else [node]:
            _shorten_locals(function, globals_, pool)
    _Renamer(globals_, attributes).visit(tree)
    tree.body[:0] = [_first_names(tree), *_own_builtins(tree)]
    ast.fix_missing_locations(tree)
    return globals_


def _counted(tree: ast.Module, words: Callable[[ast.AST], Iterator[str]]) -> list[str]:
    """Words, the most frequent first."""
    count = collections.Counter(word for node in ast.walk(tree) for word in words(node))
    return [word for word, _ in count.most_common()]


def _first_names(tree: ast.Module) -> ast.stmt:
    """Never carried out. The first names of a module take one byte each time, the others two: so these
    should be those that come up most."""
    stay = {name for name in dir(builtins) if name.startswith("__")}
    first = [word for word in _counted(tree, _used_words) if word not in stay and not keyword.iskeyword(word)]
    return ast.parse(f"if len(''): len.{'.'.join([*first[:_ONE_BYTE], *_long_words(tree)])}").body[0]


def _own_builtins(tree: ast.Module) -> list[ast.stmt]:
    """`len = len`: as a global of the program it is found at once; else MicroPython looks for it among all of
    them first, and then through the list of all that it has built in."""
    annotations = {id(node) for each in ast.walk(tree) for node in _annotations(each)}
    count = collections.Counter(
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in annotations
    )
    often = (name for name, times in count.items() if times >= _OFTEN and hasattr(builtins, name))
    named = sorted(name for name in often if name != "range" and not _is_exception(name))
    return [ast.parse(f"{name} = {name}").body[0] for name in named]


def fillers(tree: ast.Module) -> list[ast.stmt]:
    """Names that nobody asks for, when the table of globals would else be nearly full: MicroPython's grows
    only when its last slot is taken, and what is not in it (everything built in) is looked for in most of the
    others first. They are attributes' names: those are there anyway."""
    held = {"__name__", "__file__"}
    for node in tree.body:
        held.update(dead_code.binds(node))
        if isinstance(node, ast.Import | ast.ImportFrom):
            held.update(alias.asname or alias.name for alias in node.names)
    size = next((size for size in _TABLE_SIZES if size >= len(held)), 0)
    if len(held) < size * _FULL:
        return []
    beside = sorted({node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} - held)
    more = [name for name in beside if not name.startswith("__") and not hasattr(builtins, name)][
        : max(0, size + 1 - len(held))
    ]
    return [ast.parse(f"{' = '.join(more)} = None").body[0]] if more else []


def _annotations(node: ast.AST) -> Iterator[ast.AST]:
    for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
        if isinstance(part, ast.AST):
            yield from ast.walk(part)


def _is_exception(name: str) -> bool:
    found = getattr(builtins, name)
    return isinstance(found, type) and issubclass(found, BaseException)


def _long_words(tree: ast.Module) -> list[str]:
    """Texts that are words, such as the fields of a message. As names MicroPython keeps each once and finds
    it by its address; short ones it makes names by itself."""
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    words = (text for text in texts if isinstance(text, str) and text.isascii() and text.isidentifier())
    return sorted(word for word in words if len(word) > _INTERNED and not keyword.iskeyword(word))


def _used_words(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name | ast.FunctionDef | ast.ClassDef | ast.Global):
        yield from words(node)
    yield from _attribute_words(node)


def _classes(tree: ast.Module) -> dict[str, str]:
    """Of every class the one that it, in the end, comes from."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            base = node.bases[0].id if node.bases and isinstance(node.bases[0], ast.Name) else ""
            found[node.name] = found.get(base, node.name)
    return found


def _private(tree: ast.Module, own: set[str]) -> set[str]:
    """Attributes with an underscore that are only ever asked of `self`."""
    found = {word for word in own if word.startswith("_")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            asked = node.value
            if not (isinstance(asked, ast.Name) and asked.id == LOCAL + "self"):
                found.discard(node.attr)
    return found


def _short_private(tree: ast.Module, private: set[str], pool: list[str]) -> dict[str, str]:
    """Private attributes by family of classes, renamed at once: the map is that of one name over all of them
    where families share it."""
    families: dict[str, set[str]] = {}
    classes = _classes(tree)
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            words = {w for n in ast.walk(node) for w in _attribute_words(n) if w in private}
            families.setdefault(classes[node.name], set()).update(words)
    clashes: dict[str, set[str]] = collections.defaultdict(set)
    for words in families.values():
        for word in words:
            clashes[word] |= words - {word}
    short: dict[str, str] = {}
    for word in sorted(private, key=lambda each: (-len(clashes[each]), each)):
        taken = {short[other] for other in clashes[word] if other in short}
        short[word] = next(name for name in pool if name not in taken)
    return short


def _pool(taken: set[str]) -> Iterator[str]:
    letters = string.ascii_letters + "_"
    for size in (1, 2, 3):
        for each in itertools.product(letters, repeat=size):
            name = "".join(each)
            if name not in taken and not keyword.iskeyword(name):
                yield name


def _taken(tree: ast.Module, own: set[str]) -> set[str]:
    """Names that mean something already."""
    found = set(dir(builtins)) | set(OUTSIDE)
    for node in ast.walk(tree):
        found.update(word for word in words(node) if not word.startswith((GLOBAL, LOCAL)))
        found.update(word for word in _attribute_words(node) if word not in own)
    return found


def words(node: ast.AST) -> Iterator[str]:
    """The names, attributes apart, that a node gives or uses."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.alias):
        yield node.asname or node.name
    elif isinstance(node, ast.Global):
        yield from node.names
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name


def _attribute_words(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.ClassDef):
        for each in node.body:
            if isinstance(each, ast.FunctionDef):
                yield each.name
            elif isinstance(each, ast.Assign):
                yield from (target.id for target in each.targets if isinstance(target, ast.Name))


def _own_attributes(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            found.update(_attribute_words(node))
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            found.add(node.attr)
    return {word for word in found - OUTSIDE - _of_modules(tree) if not word.startswith("__")}


def _of_modules(tree: ast.Module) -> set[str]:
    """What the program takes out of modules that are not its own."""
    outside = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in outside
    }


def _check_keywords(tree: ast.Module, own: set[str]) -> None:
    """Arguments of own functions are not given by name: their names change."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.keywords:
            function = node.func
            named = isinstance(function, ast.Name) and function.id.startswith(GLOBAL + "pump")
            if named or (isinstance(function, ast.Attribute) and function.attr in own):
                raise FlashError(
                    f"cannot be built for the chip: {ast.unparse(node)}", "give the arguments by position"
                )


def _loaded_in_classes(tree: ast.Module) -> set[str]:
    """Globals that a class's body looks at itself: there, the class's own names come first."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            for each in node.body:
                parts = [each.args, *each.decorator_list] if isinstance(each, ast.FunctionDef) else [each]
                for part in parts:
                    found.update(w for n in ast.walk(part) for w in words(n) if w.startswith(GLOBAL))
    return found


def _shorten_locals(function: ast.AST, globals_: dict[str, str], pool: list[str]) -> None:
    named = list(dict.fromkeys(word for node in ast.walk(function) for word in words(node)))
    used = {globals_[word] for word in named if word in globals_}
    own = [word for word in named if word.startswith(LOCAL)]
    short = dict(zip(own, (name for name in pool if name not in used), strict=False))
    _Renamer(short, {}).visit(function)


class _Renamer(ast.NodeTransformer):
    def __init__(self, names: dict[str, str], attributes: dict[str, str]):
        self._names = names
        self._attributes = attributes

    def visit(self, node: ast.AST) -> ast.AST:
        names = self._names
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
        elif isinstance(node, ast.arg):
            node.arg = names.get(node.arg, node.arg)
        elif isinstance(node, ast.alias):
            node.asname = names.get(node.asname or "", node.asname)
        elif isinstance(node, ast.Global):
            node.names = [names.get(name, name) for name in node.names]
        elif isinstance(node, ast.ExceptHandler):
            node.name = names.get(node.name or "", node.name)
        elif isinstance(node, ast.Attribute):
            node.attr = self._attributes.get(node.attr) or names.get(node.attr, node.attr)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            node.name = names.get(node.name, node.name)
            if isinstance(node, ast.ClassDef):
                self._class(node)
        return self.generic_visit(node)

    def _class(self, node: ast.ClassDef) -> None:
        for each in node.body:
            if isinstance(each, ast.FunctionDef):
                each.name = self._attributes.get(each.name, each.name)
            elif isinstance(each, ast.Assign):
                for target in each.targets:
                    if isinstance(target, ast.Name):
                        target.id = self._attributes.get(target.id, target.id)
