"""Many boots of the emulated pump in one process: what power-cut campaigns run instead of main.py.

Starting a process costs ten times what booting the pump does. Here each life has a new `Board` and `Pump`, on
modules that stay loaded; a power cut ends the life and not the process. Stdin gives the settings of a life
as one JSON line, a list of "key=value"; then it is the bench's, as ever; the life's end is told as
{"ended": exit code}. That a life here is no other than one in a process of its own is tested, and every
failure is replayed that way.

What littlefs had open is kept, and never finalised: it belongs to a flash that has lost its power.
"""

import gc
import json
import sys

import board
import store
from flash import Flash
from pump.pump import Pump

_MOST_FILES = 16

_lines = {}  # the serial line by its name: closing it would close it for good
_flashes = []
_files = []  # of the present life
_open_files = []  # of the lives before
_open_line = board.open_line
_mounted = store._mounted


def _kept_line(where: str):
    if where not in _lines:
        _lines[where] = _open_line(where)
    return _lines[where]


class _MortalFlash(Flash):
    """A flash whose buffers can be given back when its life is over."""

    def __init__(self, path: str, power_cut):
        Flash.__init__(self, path, power_cut)
        _flashes.append(self)

    def bury(self) -> None:
        """Nobody asks it any more."""
        self._file.close()
        self.log_to(None)
        self._file = self._scratch = self._erased = self.erases_by_block = None
        self._clock = self._motor = self._power_cut = None


class _Recorder:
    """A file system that keeps what it opens."""

    def __init__(self, fs):
        self._fs = fs
        self.mkdir = fs.mkdir
        self.ilistdir = fs.ilistdir
        self.rename = fs.rename
        self.remove = fs.remove

    def open(self, name: str, mode: str):
        file = self._fs.open(name, mode)
        if len(_files) >= _MOST_FILES:
            _files[:] = [kept for kept in _files if _is_open(kept)]
        _files.append(file)
        return file


def _is_open(file) -> bool:
    """Also when looking disturbs a file system that was left in the middle of something."""
    try:
        file.tell()
    except ValueError:
        return False
    except (OSError, SystemExit):  # what a dead flash says
        return True
    return True


def _bury() -> None:
    """Give back what the dead life held, but for the files it had open."""
    for flash in _flashes:
        flash.die()
    for file in _files:
        if _is_open(file):
            _open_files.append(file)
    _files.clear()
    while _flashes:
        _flashes.pop().bury()
    gc.collect()


def _recorded(flash):
    return _Recorder(_mounted(flash))


def _live() -> int:
    """One life; the exit code it ends with."""
    try:
        pump = Pump(board.Board())
        pump.seal()
        pump.run()
    except SystemExit as end:
        return end.args[0]


def main() -> None:
    """Lives, until stdin closes."""
    board.open_line = _kept_line
    board.Flash = _MortalFlash
    store._mounted = _recorded
    while True:
        line = sys.stdin.readline()
        if not line:
            return
        if not line.startswith("["):
            continue  # a request to the life that has ended
        del sys.argv[1:]
        sys.argv.extend(json.loads(line))
        ended = _live()
        _bury()
        sys.stdout.write(json.dumps({"ok": False, "error": "the pump has ended", "ended": ended}) + "\n")


main()
