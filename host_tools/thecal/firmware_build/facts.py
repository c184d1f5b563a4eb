"""A board's facts: what the host must know of it, from the `build.toml` in its folder.

    boards/rp2040/build.toml   a chip: how its firmware is compiled, and how it is put on
    boards/unix/build.toml     a process: how the emulated pump is compiled and started
    boards/browser/build.toml  a page: how the firmware is compiled for MicroPython for the web

A file must say all of a class below and no more, each of its type. What is wrong is one line of `BoardError`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from thecal._io import paths
from thecal.errors import BoardError

FILE = "build.toml"
CHIP = "rp2040"  # the board that `thecal flash` is for, where nobody names another
PROCESS = "unix"
PAGE = "browser"
COMMON = "boards/common"
DRIVERS = "boards/drivers"
Facts = TypeVar("Facts")


@dataclass(frozen=True)
class ChipModules:
    """`common`: modules of boards/common that go on. `loader`: the module that starts the firmware, which is
    no part of it; `loader_pins`: what it takes from pins.py and the driver. `driver`: the motor's, of
    boards/drivers. `rare`: modules that are loaded on demand. `bringup`: what `thecal bringup` sends, in this
    order; the last is its own and no part of the firmware. None: nobody can bring the board up so."""

    common: tuple[str, ...]
    loader: str
    loader_pins: tuple[str, ...]
    driver: str
    rare: tuple[str, ...]
    bringup: tuple[str, ...]


@dataclass(frozen=True)
class Compiler:
    """Arguments of mpy-cross."""

    options: tuple[str, ...]


@dataclass(frozen=True)
class MicroPython:
    """Which MicroPython the board runs. `oldest`, `newest`: version and subversion, both tried; `mpy`: format
    of compiled files; `image`: name of the stock image; `machine`: text in the name that the board gives
    itself; `refused`: texts that make it another board, for the reason `refused_why`."""

    oldest: tuple[int, int]
    newest: tuple[int, int]
    mpy: int
    image: str
    machine: str
    refused: tuple[str, ...]
    refused_why: str

    @property
    def versions(self) -> str:
        """For people."""
        oldest, newest = (".".join(map(str, each)) for each in (self.oldest, self.newest))
        if self.oldest == self.newest:
            return oldest
        next_to = self.oldest[0] == self.newest[0] and self.oldest[1] + 1 == self.newest[1]
        return f"{oldest} {'or' if next_to else 'to'} {newest}"

    def put_it_on(self) -> str:
        """For people: what to do to a board that has another."""
        return f"put MicroPython {self.versions} for {self.image} on it"


@dataclass(frozen=True)
class Usb:
    """Ids on USB: the vendor's, `maker` for people, and the product's of a board that runs MicroPython."""

    vendor: int
    maker: str
    micropython: int


@dataclass(frozen=True)
class ChipFlash:
    """`address` of its first byte in a UF2 file of this family; sizes in bytes."""

    address: int
    page_bytes: int
    block_bytes: int
    uf2_family: int


@dataclass(frozen=True)
class FileSystem:
    """The stock image's littlefs: bytes from the flash's beginning, blocks, version of its format."""

    offset: int
    blocks: int
    disk_version: int


@dataclass(frozen=True)
class ChipFacts:
    """A board with a chip of its own."""

    modules: ChipModules
    mpy_cross: Compiler
    micropython: MicroPython
    usb: Usb
    flash: ChipFlash
    file_system: FileSystem


@dataclass(frozen=True)
class ProcessModules:
    """`folders` of the board on MICROPYPATH; `scripts`: what MicroPython starts, which stays text;
    `multi_boot`: the one that boots the pump many times over."""

    folders: tuple[str, ...]
    scripts: tuple[str, ...]
    multi_boot: str


@dataclass(frozen=True)
class ProcessCompiler:
    """Arguments of mpy-cross; `march` by the machine's name for itself."""

    options: tuple[str, ...]
    march: Mapping[str, str]


@dataclass(frozen=True)
class EmulatedFlash:
    """Sizes of the flash that the emulated pump keeps in a file."""

    block_bytes: int
    blocks: int


@dataclass(frozen=True)
class Heap:
    """MicroPython's `-X heapsize`: for compiled firmware, for its text, for many boots in one process."""

    compiled: str
    text: str
    multi_boot: str


@dataclass(frozen=True)
class ProcessFacts:
    """A board that is a process on this computer."""

    modules: ProcessModules
    mpy_cross: ProcessCompiler
    flash: EmulatedFlash
    heap: Heap


@dataclass(frozen=True)
class PageModules:
    """`common`: modules of boards/common that go in."""

    common: tuple[str, ...]


@dataclass(frozen=True)
class PageFacts:
    """A board that is a page in a browser."""

    modules: PageModules
    mpy_cross: Compiler


@dataclass(frozen=True)
class Chip:
    """A chip's folder and its facts."""

    folder: Path
    facts: ChipFacts


def chip(name: str = CHIP) -> Chip:
    """The board of that folder of boards/. BoardError."""
    folder = _folder(name)
    facts = _read(folder, "chip", ChipFacts)
    modules = facts.modules
    wanted = [(f"modules.common names {module}", f"{COMMON}/{module}.py") for module in modules.common]
    wanted.append((f"modules.driver is {modules.driver}", f"{DRIVERS}/{modules.driver}.py"))
    wanted.append((f"modules.loader is {modules.loader}", f"boards/{name}/{modules.loader}.py"))
    for says, file in wanted:
        if not (folder.parents[1] / file).is_file():
            raise no_module(folder, says, file)
    return Chip(folder, facts)


def chips() -> list[Chip]:
    """Every board with a chip, by its name. BoardError."""
    found = sorted(file.parent.name for file in (paths.project_root() / "boards").glob(f"*/{FILE}"))
    return [chip(name) for name in found if name not in (PROCESS, PAGE)]


def process(root: Path | None = None) -> ProcessFacts:
    """The emulated pump's, of this tree or the project. BoardError."""
    folder = _folder(PROCESS, root)
    facts = _read(folder, "process", ProcessFacts)
    for name in facts.modules.folders:
        if not (folder / name).is_dir():
            raise no_module(folder, f"modules.folders names {name}", f"boards/{PROCESS}/{name}")
    for name in (*facts.modules.scripts, facts.modules.multi_boot):
        if not (folder / name).is_file():
            raise no_module(folder, f"modules names {name}", f"boards/{PROCESS}/{name}")
    return facts


def page(root: Path | None = None) -> PageFacts:
    """The page's, of this tree or the project. BoardError."""
    folder = _folder(PAGE, root)
    facts = _read(folder, "page", PageFacts)
    for name in facts.modules.common:
        file = f"{COMMON}/{name}.py"
        if not (folder.parents[1] / file).is_file():
            raise no_module(folder, f"modules.common names {name}", file)
    return facts


def _folder(name: str, tree: Path | None = None) -> Path:
    root = (tree or paths.project_root()) / "boards"
    folder = root / name
    if folder.parent != root or not (folder / FILE).is_file():
        known = ", ".join(sorted(file.parent.name for file in root.glob(f"*/{FILE}")))
        raise BoardError(f"there is no boards/{name}/{FILE}", f"name one of these boards: {known or 'none'}")
    return folder


def no_module(folder: Path, says: str, file: str) -> BoardError:
    """What a build.toml says of a module that is not there."""
    return BoardError(f"boards/{folder.name}/{FILE}: {says}, and there is no {file}", "mend it")


def _read(folder: Path, kind: str, facts: type[Facts]) -> Facts:
    """A file as the dataclass that it has to fill."""
    file = folder / FILE
    name = f"boards/{folder.name}/{FILE}"
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BoardError(f"cannot read {name}: {error.strerror}", "give it to this user to read") from error
    except ValueError as error:
        raise BoardError(f"{name} is no TOML: {error}", "mend it") from error
    found = document.pop("kind", None)
    if found != kind:
        raise BoardError(f'{name}: kind is {found!r}, not "{kind}"', "name a board of that kind")
    return _filled(facts, document, f"{name}: ", "")


def _filled(target: Any, value: object, name: str, where: str) -> Any:
    """A dataclass from a table with its fields, all of them and no others."""
    table = _table(value, name, where.removesuffix("."))
    types = get_type_hints(target)
    wanted = {each.name for each in fields(target)}
    for key in sorted(wanted ^ table.keys()):
        what = "is missing" if key in wanted else "is not known here"
        raise BoardError(f"{name}{where}{key} {what}", f"known are: {', '.join(sorted(wanted))}")
    return target(**{key: _value(types[key], table[key], name, where + key) for key in sorted(wanted)})


def _table(value: object, name: str, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _wrong(name, where, "a table", value)
    return cast("dict[str, object]", value)


def _value(kind: Any, value: object, name: str, where: str) -> Any:
    if is_dataclass(kind):
        return _filled(kind, value, name, where + ".")
    origin, inner = get_origin(kind), get_args(kind)
    if origin is tuple:
        many = inner[-1] is ...
        right = "a list" if many else f"a list of {len(inner)}"
        if not isinstance(value, list):
            raise _wrong(name, where, right, value)
        found = cast("list[object]", value)
        if not many and len(found) != len(inner):
            raise _wrong(name, where, right, found)
        return tuple(_value(inner[0], each, name, where) for each in found)
    if origin is not None:  # Mapping[str, str]
        return {
            key: _value(inner[1], each, name, f"{where}.{key}")
            for key, each in _table(value, name, where).items()
        }
    if kind is int and (type(value) is not int or value < 0):
        raise _wrong(name, where, "a whole number", value)
    if kind is str and (not isinstance(value, str) or not value):
        raise _wrong(name, where, "a text", value)
    return value


def _wrong(name: str, where: str, right: str, value: object) -> BoardError:
    return BoardError(f"{name}{where} is {value!r}, not {right}", "mend it")
