"""Files of secret keys: one key of 16 bytes each, for nobody else's eyes.

    folder, mode 0700     $THECAL_KEYS, or the user's configuration folder (XDG_CONFIG_HOME counts)
        NAME              32 hexadecimal digits, mode 0600

A file that others may read is not used.
"""

import os
import re
from pathlib import Path

from thecal.errors import ThecalError

KEY_SIZE = 16
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")
_OTHERS = 0o077


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
        named = os.environ.get("THECAL_KEYS")
        if named:
            return Path(named)
        config = os.environ.get("XDG_CONFIG_HOME")
        return (Path(config) if config else Path.home() / ".config") / "thecal" / self._folder_name

    def path_of(self, name: str) -> Path:
        """The file of the key of this name."""
        return self.folder() / (_NOT_IN_NAMES.sub("_", name) + self._suffix)

    def read(self, name: str) -> bytes | None:
        """The key, if there is one. The error given when the file holds none or is not safe to use."""
        path = self.path_of(name)
        try:
            mode = path.stat().st_mode
            text = path.read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._error(
                f"{path} cannot be read: {error.strerror}", "it should belong to you, mode 0600"
            ) from None
        try:
            key = bytes.fromhex(text)
        except ValueError:
            key = b""
        if len(key) != KEY_SIZE:
            raise self._error(f"{path} holds no {self._what}", self._remedy)
        if mode & _OTHERS:
            raise self._error(
                f"others may read {path}", f"if nobody did: chmod 600 {path}; otherwise {self._remedy}"
            )
        return key

    def write(self, name: str, key: bytes) -> Path:
        """Keep a key, in place of an older one; the file. The error given when that fails: the older one
        stands then."""
        path = self.path_of(name)
        draft = path.with_suffix(f".{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(key.hex() + "\n")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            raise self._error(
                f"the {self._what} cannot be kept in {path}: {error.strerror}", "make room, then try again"
            ) from None
        return path
