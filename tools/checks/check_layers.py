#!/usr/bin/env python3
"""Who may import whom, checked over the syntax trees: the layering that keeps the dose path pure.

    thecal_protocol            imports nothing of ours
    pump.dosing, pump.therapy  import pump.units, each other, and the protocol's names (`NAMES`)
    rest of pump               imports pump and thecal_protocol; hardware is passed in
    firmware/main.py           wires pump, thecal_protocol and board together
    boards/*                   alone may touch machine, rp2, time, select, os
    host_tools/thecal          imports thecal_protocol, never pump or a board
    outside boards/            nothing asks whether it runs in a simulator

From outside, firmware may import only what `FIRMWARE_LIBRARY` lists: that keeps out what MicroPython lacks.
Run from the project's root, or name another root. Exceptions: see `findings`.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from findings import Finding, Source, permitted, report, sources

RULES = ("layer", "library", "simulator")
FOLDERS = ("firmware", "protocol", "boards", "host_tools")

OURS = frozenset({"thecal_protocol", "pump", "board", "boards", "main", "thecal"})
HARDWARE = frozenset({"machine", "rp2", "time", "select", "os"})
HARDWARE_ALIASES = frozenset({"umachine", "utime", "uselect", "uos", "uasyncio", "asyncio", "_thread"})
# What both MicroPython ports and CPython have, or what a guarded import may try.
FIRMWARE_LIBRARY = frozenset(
    "array binascii collections cryptolib errno gc hashlib micropython struct sys".split()
)
# In firmware no decision may rest on a name or text with such a word in it. The host, which has words like
# `simulated_s` for honest reasons, may not ask the question itself...
SIMULATOR_IN_FIRMWARE = re.compile(r"simulat|emulat|thecal-unix", re.IGNORECASE)
SIMULATOR_IN_HOST = re.compile(r"^((is|on|in)_)?(simulat|emulat)(or|ed|ion)$|^thecal-unix$", re.IGNORECASE)
# ... but in the rooms whose very purpose is the emulated pump.
SIMULATOR_OWNERS = ("host_tools/thecal/emulator/", "host_tools/thecal/simulation/")


@dataclass(frozen=True)
class Layer:
    """Files below one of `folders` may import, of ours, only what `allowed` names and what lies below it."""

    name: str
    folders: tuple[str, ...]
    allowed: tuple[str, ...]
    firmware: bool = True


# Tables of the protocol that only give numbers their names: no payload, no codec, nothing of the wire.
NAMES = (
    "thecal_protocol.alarms",
    "thecal_protocol.bolus_kinds",
    "thecal_protocol.events",
    "thecal_protocol.program",
    "thecal_protocol.states",
)

# The first layer that fits a file holds.
LAYERS = (
    Layer("thecal_protocol", ("protocol/thecal_protocol/",), ("thecal_protocol",)),
    Layer(
        "dosing and therapy",
        ("firmware/pump/dosing/", "firmware/pump/therapy/"),
        ("pump.units", "pump.dosing", "pump.therapy", *NAMES),
    ),
    Layer("units", ("firmware/pump/units.py",), ()),
    Layer("pump", ("firmware/pump/",), ("pump", "thecal_protocol")),
    Layer("main", ("firmware/main.py",), ("pump", "thecal_protocol", "board")),
    Layer("boards", ("boards/",), ("thecal_protocol", "pump", "board", "boards"), firmware=False),
    Layer("host", ("host_tools/",), ("thecal", "thecal_protocol"), firmware=False),
)


def check(source: Source) -> list[Finding]:
    """Every finding in one file."""
    layer = next((one for one in LAYERS if source.path.startswith(one.folders)), None)
    if layer is None:
        return [
            source.finding(
                1, "layer", "this file belongs to no layer: name it in tools/checks/check_layers.py"
            )
        ]
    found: list[Finding] = []
    for node, module in imported(source):
        found += _check_import(source, layer, node, module)
    if layer.name != "boards" and not _owns_simulator(source.path):
        found += _simulator_conditions(source)
    return permitted(source, found, RULES)


def imported(source: Source) -> Iterator[tuple[ast.AST, str]]:
    """Every module a file imports, wherever in the file. `from a import b` names `a.b`: b may be a module."""
    package = _package(source.path)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else []
            for alias in node.names:
                yield node, ".".join([*parents, *filter(None, [node.module]), alias.name])
        elif isinstance(node, ast.Call) and _called_name(node) in ("__import__", "import_module"):
            first = node.args[0] if node.args else None
            literal = isinstance(first, ast.Constant) and isinstance(first.value, str)
            yield node, str(first.value) if literal and isinstance(first, ast.Constant) else "a computed name"


def _check_import(source: Source, layer: Layer, node: ast.AST, module: str) -> Iterator[Finding]:
    top = module.split(".")[0]
    if top in OURS:
        if not any(module == one or module.startswith(one + ".") for one in layer.allowed):
            may = ", ".join(layer.allowed) or "nothing of ours"
            yield source.finding(node, "layer", f"{layer.name} must not import {module} (it may: {may})")
    elif layer.firmware and (top in HARDWARE or top in HARDWARE_ALIASES):
        yield source.finding(node, "layer", f"only boards/ may import {top}: time and hardware are passed in")
    elif layer.firmware and top not in FIRMWARE_LIBRARY:
        yield source.finding(node, "library", f"{module} is not in FIRMWARE_LIBRARY: not on every port")


def _package(path: str) -> list[str]:
    """The package a file belongs to, as names: firmware/pump/dosing/planner.py -> pump, dosing."""
    parts = path.split("/")[:-1]
    return parts[1:] if parts[0] in ("firmware", "protocol", "host_tools") else parts


def _called_name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _owns_simulator(path: str) -> bool:
    return path.startswith(SIMULATOR_OWNERS)


def _simulator_conditions(source: Source) -> Iterator[Finding]:
    words = SIMULATOR_IN_HOST if source.path.startswith("host_tools/") else SIMULATOR_IN_FIRMWARE
    for node in ast.walk(source.tree):
        for condition in _conditions(node):
            for word in _texts(condition):
                if words.search(word):
                    message = f"a decision on {word!r}: outside boards/ nothing may know of a simulator"
                    yield source.finding(node, "simulator", message)


def _conditions(node: ast.AST) -> list[ast.AST]:
    """The parts of a node that decide something."""
    if isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert):
        return [node.test]
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    if isinstance(node, ast.BoolOp):
        return list(node.values)
    if isinstance(node, ast.comprehension):
        return list(node.ifs)
    if isinstance(node, ast.Match):
        return [node.subject, *(case.pattern for case in node.cases)]
    return []


def _texts(condition: ast.AST) -> Iterator[str]:
    """Every name and string in an expression."""
    for node in ast.walk(condition):
        for value in (getattr(node, "id", None), getattr(node, "attr", None), getattr(node, "value", None)):
            if isinstance(value, str):
                yield value


def main(arguments: list[str]) -> int:
    """Check the project at the root named, or the current folder; the exit code."""
    root = Path(arguments[0] if arguments else ".")
    found: list[Finding] = []
    files = 0
    for source in sources(root, *FOLDERS):
        files += 1
        found += [source] if isinstance(source, Finding) else check(source)
    return report("layers", found, files)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
