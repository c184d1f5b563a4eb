"""Files of secret keys, 16 bytes each, for nobody else's eyes (SEC-21, SEC-22).

    folder, mode 0700     $THECAL_KEYS, or the user's configuration folder (XDG_CONFIG_HOME counts)
        NAME              lines of 32 hexadecimal digits, mode 0600

The first line is the key that counts; those below are kept beside it, until it is known that nobody needs
them any more. A file changes in one step. One that others may read, that is a link or another's, or that
lies in a folder that others may write to, is not used.
"""

import contextlib
import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

from thecal._io import atomic_write, input_file, paths, private
from thecal._io.file_names import file_name
from thecal.errors import FileError, ThecalError

KEY_SIZE = 16
VARIABLE = "THECAL_KEYS"
_NOT_IN_OLD_NAMES = re.compile(r"[^A-Za-z0-9._-]")
_LINE = re.compile(rf"[0-9A-Fa-f]{{{2 * KEY_SIZE}}}")
_MOST_BYTES = 4096
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class KeyFiles:
    """The files of one kind of key."""

    def __init__(self, folder_name: str, suffix: str, what: str, remedy: str, error: type[ThecalError]):
        """`what` the keys are and the `remedy` for a bad file stand in what is raised, an `error`."""
        self._folder_name = folder_name
        self._suffix = suffix
        self._what = what
        self._remedy = remedy
        self._error = error

    def folder(self) -> Path:
        """Where the files are."""
        named = os.environ.get(VARIABLE)
        return Path(named) if named else paths.config(VARIABLE) / "thecal" / self._folder_name

    def path_of(self, name: str) -> Path:
        """The file of the keys of this name."""
        return self.folder() / (file_name(name) + self._suffix)

    def ready(self) -> None:
        """Make the folder, if it is not there. The error given when no key could be kept in it."""
        folder = self.folder()
        try:
            private.folder(folder)
        except OSError as error:
            raise self._unwritable(folder, error) from None
        self._check_folder()
        if not os.access(folder, os.W_OK | os.X_OK):
            raise self._unwritable(folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))

    def keys(self, name: str) -> list[bytes]:
        """The keys of this name, the one that counts first. The error given when a file holds none, or is not
        safe to use."""
        self._check_folder()
        found = self._read(self.path_of(name))
        before = self.folder() / (_NOT_IN_OLD_NAMES.sub("_", name) + self._suffix)  # as 0.1.0 named it
        if before != self.path_of(name):
            found += [key for key in self._read(before) if key not in found]
        return found

    def keep(self, name: str, keys: Sequence[bytes]) -> Path:
        """Have these keys and no others; the file. The error given when that fails: those before stand
        then."""
        path = self.path_of(name)
        if not keys:
            path.unlink(missing_ok=True)
            return path
        self.ready()
        text = "".join(f"{key.hex()}\n" for key in keys)
        try:
            with atomic_write.whole(path) as draft:
                draft.write_text(text, encoding="ascii")
        except OSError as error:
            raise self._unwritable(path, error) from None
        return path

    def prefer(self, name: str, key: bytes) -> Path:
        """Have this key count, and keep what there was beside it; the file."""
        return self.keep(name, [key, *(other for other in self.keys(name) if other != key)])

    def add(self, name: str, key: bytes) -> Path:
        """Keep this key beside those there are; the file."""
        kept = self.keys(name)
        return self.path_of(name) if key in kept else self.keep(name, [*kept, key])

    def drop(self, name: str, key: bytes) -> None:
        """Forget this key alone."""
        self.keep(name, [other for other in self.keys(name) if other != key])

    def _check_folder(self) -> None:
        folder = self.folder()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found = folder.stat()
            if found.st_mode & private.WRITABLE or not private.ours(found):
                raise self._error(
                    f"others may write to the folder {folder}, so the keys in it may be theirs",
                    f"if nobody did: chmod 700 {folder}; otherwise name another folder with {VARIABLE}",
                )

    def _read(self, path: Path) -> list[bytes]:
        try:
            found = input_file.read_secret(path, _MOST_BYTES, self._remedy)
        except FileError as error:
            raise self._error(error.message, error.hint or "it should belong to you, mode 0600") from None
        if found is None:
            return []
        lines = found.decode("ascii", "replace").split()
        if not lines or not all(_LINE.fullmatch(line) for line in lines):
            raise self._error(f"{path} holds no {self._what}", self._remedy)
        return [bytes.fromhex(line) for line in lines]

    def _unwritable(self, path: Path, error: OSError) -> ThecalError:
        hint = (
            "make room, then try again"
            if error.errno in _NO_ROOM
            else f"set {VARIABLE} to a folder that you may write to"
        )
        return self._error(f"the {self._what} cannot be kept in {path}: {error.strerror}", hint)
