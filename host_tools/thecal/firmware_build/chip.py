"""The firmware for the chip: which files, compiled how, and the manifest that names them.

Three things are done to the text, which change nothing of what it does: tables of the protocol become text
(`tables`), all modules become one, without what nobody uses (`bundler`), and names become short (`minify`).
When it has started it forgets what only starting needs (`startup_code`). mpy-cross compiles it for the
board's processor. What is a board's own comes from its build.toml (`facts`).
"""

import ast
import dataclasses
import hashlib
import importlib
import subprocess
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path

from thecal._io import paths
from thecal.errors import FlashError
from thecal.firmware_build import bundler, dead_code, facts, minify, startup_code, tables
from thecal.firmware_build.cache import remembered
from thecal.firmware_build.compiled import mpy_cross
from thecal_protocol import messages, sensors

MANIFEST = "manifest"
# What the pump finds by a name of the protocol: methods for its commands, the board's readings of sensors.
NAMED = frozenset([*(name for _, name in messages.in_sessions()), *(row[1] for row in sensors.READINGS)])
_RARE_FILE = "thecal_rare"
_PUMP = ("pump.pump", "Pump")
_ONCE_FILE = "thecal_once"  # forgets what only starting needs
_LOADER = f"""
import sys
from pump.therapy.bounds import Refused


def load():
    try:
        return __import__("{_RARE_FILE}")
    except (ImportError, OSError, ValueError, MemoryError):
        raise Refused("internal", "code")
    finally:
        sys.modules.pop("{_RARE_FILE}", None)
"""
ON_DEMAND = (f"{_RARE_FILE}.mpy", f"{_ONCE_FILE}.mpy")  # not in memory for good
PROGRAM = "thecal"  # the one module with everything in it
START = "thecal_main"  # firmware/main.py, under a name that cannot hide MicroPython's own main.py
_MESSAGES = "thecal_protocol/messages"
_TABLES_ONLY = (ast.FunctionDef, ast.ClassDef)


def firmware_sources() -> dict[str, Path]:
    """Every module of firmware/ and protocol/: its path on the chip, without suffix, and its file."""
    names = {
        file: file.relative_to(root).with_suffix("").as_posix()
        for root in (paths.project_root() / "firmware", paths.project_root() / "protocol")
        for file in sorted(root.rglob("*.py"))
    }
    return {START if name == "main" else name: file for file, name in names.items()}


def sources(board: facts.Chip | None = None) -> dict[str, Path]:
    """Every module that goes onto the chip, the board's too. BoardError."""
    board = board or facts.chip()
    modules = board.facts.modules
    found = firmware_sources() | _boards_own(board)
    del found[modules.loader]
    for name in modules.bringup[-1:]:
        del found[name]
    names = {_dotted(name) for name in found}
    for name in modules.rare:
        if name not in names:
            raise facts.no_module(board.folder, f"modules.rare names {name}", "such module")
    return found


def _boards_own(board: facts.Chip) -> dict[str, Path]:
    """Every module of its folder, and of others what its build.toml names. BoardError."""
    modules = board.facts.modules
    found = {file.stem: file for file in sorted(board.folder.glob("*.py"))}
    for name in modules.common:
        found[name] = board.folder.parent / "common" / f"{name}.py"
    found["driver"] = board.folder.parent / "drivers" / f"{modules.driver}.py"
    for name in modules.bringup:
        if name not in found:
            raise facts.no_module(board.folder, f"modules.bringup names {name}", "such module")
    return found


def bringup(board: facts.Chip) -> dict[str, bytes]:
    """The modules of the bring-up, each compiled by itself, in the order in which they are sent. BoardError,
    FlashError."""
    found, own = _boards_own(board), board.facts
    files = {name: found[name] for name in own.modules.bringup}

    def make() -> dict[str, bytes]:
        texts = {name: file.read_text(encoding="utf-8") for name, file in files.items()}
        return _all_compiled(texts, own.mpy_cross.options)

    return remembered(["bringup", _read_all(files), _compiler(), dataclasses.asdict(own)], make)


def loader(board: facts.Chip | None = None) -> bytes:
    """What stands in `main.py` on the chip: chooses the firmware to start."""
    board = board or facts.chip()
    return (board.folder / f"{board.facts.modules.loader}.py").read_bytes()


def build(
    more: Mapping[str, str] | None = None, root: str = START, *, board: facts.Chip | None = None
) -> dict[str, bytes]:
    """The compiled firmware: path on the chip, below the slot's folder, and contents.

    One module holds all of it but what is rarely needed; another calls what it ends with, so that nothing of
    the first one's own code stays in memory; a third has what only starting needs forgotten. `more`: modules
    beside, by name; `root`: the one that it starts
    with. FlashError when mpy-cross is missing or refuses a file.
    """
    board = board or facts.chip()
    found, beside, own = sources(board), dict(more or {}), board.facts

    def make() -> dict[str, bytes]:
        texts = _program({**_chip_texts(found), **beside}, root, NAMED, own.modules.rare)
        return _all_compiled({**texts, "pins": _pins(board)}, own.mpy_cross.options)

    key = ["chip", _read_all(found), beside, root, _compiler(), dataclasses.asdict(own)]
    return remembered(key, make)


def build_for(folders: Iterable[Path]) -> dict[str, bytes]:
    """The firmware built as for the chip, for a board whose own files, in these folders, stay as they are:
    `main.py` and what it starts."""
    names: set[str] = set()
    for file in (file for folder in folders for file in folder.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.FunctionDef):
                names.add(node.name)
    found, own = firmware_sources(), facts.chip().facts

    def make() -> dict[str, bytes]:
        texts = _program(_chip_texts(found), START, names | NAMED, own.modules.rare)
        return {"main.py": texts.pop(START).encode(), **_all_compiled(texts, own.mpy_cross.options)}

    key = ["for", _read_all(found), sorted(names), _compiler(), dataclasses.asdict(own)]
    return remembered(key, make)


def _read_all(found: Mapping[str, Path]) -> dict[str, str]:
    return {name: file.read_text(encoding="utf-8") for name, file in found.items()}


def _compiler() -> list[object]:
    """What tells one mpy-cross from another."""
    compiler = mpy_cross()
    if compiler is None:
        return []
    about = compiler.stat()
    return [str(compiler), about.st_size, about.st_mtime_ns]


def _all_compiled(texts: Mapping[str, str], options: Sequence[str]) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="thecal-build-") as folder:
        return {f"{name}.mpy": compiled(name, text, Path(folder), options) for name, text in texts.items()}


def _program(texts: Mapping[str, str], root: str, keep: Set[str], on_demand: Iterable[str]) -> dict[str, str]:
    """The text of the modules that are compiled, by name."""
    origins: dict[int, str] = {}
    rarely = frozenset(on_demand)
    tree = bundler.merged({**texts, bundler.LOADER: _LOADER}, root, origins, rarely, NAMED)
    own = {word for node in tree.body if origins.get(id(node)) in rarely for word in dead_code.binds(node)}
    once: list[startup_code.Unit] = []
    if root == START:
        rare_ids = {id(node) for node in tree.body if origins.get(id(node)) in rarely}
        once = startup_code.only_at_start(tree, rare_ids, keep)
        startup_code.forget_when_sealed(tree, bundler.mangled(_PUMP), _ONCE_FILE)
    needed = {id(node): {w for n in ast.walk(node) for w in minify.words(n)} for node in tree.body}
    short = minify.shorten(tree, keep)
    rare = [node for node in tree.body if origins.get(id(node)) in rarely]
    body = [node for node in tree.body if origins.get(id(node)) not in rarely]
    start = body.pop()
    if not isinstance(start, ast.Expr):
        raise FlashError(f"{root} does not end with a call", "let its last statement start the program")
    called = ast.unparse(start)
    body[1:1] = minify.fillers(ast.Module(body, []))
    made = {
        PROGRAM: ast.unparse(ast.Module(body, [])),
        START: f"from {PROGRAM} import {called.partition('(')[0]}\n{called}\n",
    }
    if rare:
        words = {word for node in rare for word in needed[id(node)]} - own
        outside = {word for node in body if isinstance(node, ast.Import) for word in _imported(node)}
        taken = sorted({short[word] for word in words if word in short} | (words & outside))
        lines = [f"from {PROGRAM} import {', '.join(taken)}"] if taken else []
        made[_RARE_FILE] = "\n".join([*lines, ast.unparse(ast.Module(rare, []))])
    if once:
        made[_ONCE_FILE] = startup_code.text(once, PROGRAM)
    return made


def _pins(board: facts.Chip) -> str:
    """Of the table of pins, and of the driver, what the loader looks at. BoardError."""
    found = sources(board)
    lines: dict[str, str] = {}
    for module in ("pins", "driver"):
        for line in found[module].read_text(encoding="utf-8").splitlines():
            lines[line.split(" =")[0]] = line
    for name in board.facts.modules.loader_pins:
        if name not in lines:
            raise facts.no_module(board.folder, f"modules.loader_pins names {name}", "such pin")
    kept = [lines[name] for name in board.facts.modules.loader_pins]
    return "\n".join(["from micropython import const", *kept, ""])


def _imported(node: ast.Import) -> list[str]:
    return [alias.asname or alias.name for alias in node.names]


def _chip_texts(found: Mapping[str, Path]) -> dict[str, str]:
    """The text of every module by dotted name, with the protocol's tables as the chip holds them."""
    words = set(_words(found))
    return {_dotted(name): _chip_text(name, file, words) for name, file in found.items()}


def _dotted(name: str) -> str:
    return name.replace("/", ".").removesuffix(".__init__")


def manifest(files: Mapping[str, bytes], slot: str) -> bytes:
    """One line a file, `crc32 path`, sorted by path: what `code.check` compares the flash with."""
    lines = sorted(
        f"/{slot}/{name} {zlib.crc32(data):08x}" for name, data in files.items() if name != MANIFEST
    )
    return "".join(f"{line[-8:]} {line[:-9]}\n" for line in lines).encode()


def build_name(files: Mapping[str, bytes]) -> str:
    """Eight digits that name this build."""
    return hashlib.sha256(manifest(files, "")).hexdigest()[:8]


def _words(found: Mapping[str, Path]) -> Iterator[str]:
    """Every name that the firmware uses outside the protocol's tables."""
    for name, file in found.items():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        if name.startswith("thecal_protocol/") and (name == _MESSAGES or _is_tables(tree)):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                yield node.attr
            elif isinstance(node, ast.Name):
                yield node.id
            elif isinstance(node, ast.alias):
                yield node.name


def _chip_text(name: str, file: Path, words: set[str]) -> str:
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    if name == _MESSAGES:
        text = tables.messages_source(words)
        tree = ast.parse(text)
    elif name.startswith("thecal_protocol/") and _is_tables(tree):
        text = tables.tables_source(importlib.import_module(name.replace("/", ".")), words)
        tree = ast.parse(text)
    return text


def _is_tables(tree: ast.Module) -> bool:
    return (
        bool(tree.body)
        and not any(isinstance(node, _TABLES_ONLY) for node in tree.body[1:])
        and any(isinstance(node, ast.Assign) for node in tree.body)
    )


def compiled(name: str, text: str, folder: Path, options: Sequence[str]) -> bytes:
    """One module compiled with these options, by way of files in `folder`. FlashError."""
    source = folder / "module.py"
    source.write_text(text, encoding="utf-8")
    out = folder / "module.mpy"
    compiler = mpy_cross()
    if compiler is None:
        raise FlashError("there is no mpy-cross to compile the firmware with", "run `make setup`")
    command = [str(compiler), *options, "-s", name.rpartition("/")[2], "-o", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise FlashError(f"{name} does not compile: {last}", "run `make setup`, then `make lint`")
    return out.read_bytes()


def size_table() -> dict[str, int]:
    """Bytes of every file that goes onto the chip."""
    return {name: len(data) for name, data in build().items()}


def shares() -> dict[str, int]:
    """Bytes of every module's part of the program, compiled by itself: in all a little more than the whole,
    in which names and constants stand once."""
    found, own = sources(), facts.chip().facts
    key = ["shares", _read_all(found), _compiler(), dataclasses.asdict(own)]
    return {name: len(part) for name, part in remembered(key, lambda: _parts(found, own)).items()}


def _parts(found: Mapping[str, Path], own: facts.ChipFacts) -> dict[str, bytes]:
    """Every module's part of the program, compiled by itself."""
    origins: dict[int, str] = {}
    texts = {**_chip_texts(found), bundler.LOADER: _LOADER}
    tree = bundler.merged(texts, START, origins, frozenset(own.modules.rare), NAMED)
    minify.shorten(tree, NAMED)
    parts: dict[str, list[ast.stmt]] = {}
    for node in tree.body:
        if id(node) in origins:
            parts.setdefault(origins[id(node)], []).append(node)
    with tempfile.TemporaryDirectory(prefix="thecal-build-") as folder:
        return {
            name: compiled(name, ast.unparse(ast.Module(body, [])), Path(folder), own.mpy_cross.options)
            for name, body in parts.items()
        }
