"""Board interface: a folder of files that grow at their end. Same code for every board with littlefs."""

from micropython import const

_ENOENT = const(2)
_EEXIST = const(17)


def make_folder(fs, path: str) -> str:
    """Make the folder "name/" if it is not there; the path. OSError."""
    try:
        fs.mkdir(path[:-1])
    except OSError as error:
        if error.errno != _EEXIST:
            raise
    return path


class Folder:
    """The files of one folder, made when it is first needed. OSError when the flash fails."""

    def __init__(self, fs, name: str):
        self._fs = fs
        self._path = name + "/"

    def sizes(self):
        """Bytes by name of every file."""
        path = make_folder(self._fs, self._path)
        return {entry[0]: entry[3] for entry in self._fs.ilistdir(path[:-1])}

    def append(self, name: str):
        """Open a file, made when it is missing, to `write(buffer)` at its end. What was written since the
        last `flush()` is there as a whole or not at all after a power cut. Neither allocates. `close()`
        flushes."""
        return self._fs.open(self._path + name, "ab")

    def read(self, name: str):
        """Open a file to `seek(offset)`, `readinto(buffer)` -> n and `close()`."""
        return self._fs.open(self._path + name, "rb")

    def remove(self, name: str) -> None:
        """Remove a file; harmless when there is none."""
        try:
            self._fs.remove(self._path + name)
        except OSError as error:
            if error.errno != _ENOENT:
                raise
