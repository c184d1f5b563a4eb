"""Where this host keeps the keys of its pumps: one file for each pump and role, for nobody else's eyes.

    $THECAL_KEYS or ~/.config/thecal/link-keys (XDG_CONFIG_HOME counts)     folder, mode 0700
        SERIAL.ROLE.link                    lines of 32 hexadecimal digits, mode 0600 (`key_files`)

The first key is the one that last opened a session. Those below it are tried when a pump does not take it:
a pairing that was broken off, or made with a device that only says the same serial number, costs no key
(SEC-21). A key stands in no command line, no log and no exception. Pumps that live in this process have
theirs elsewhere: `key_lookup`.
"""

from pathlib import Path
from typing import NamedTuple

from thecal._io.file_names import name_of
from thecal.errors import ThecalError
from thecal.link.key_files import KeyFiles
from thecal_protocol.roles import ROLES

_SUFFIX = ".link"


class NoKey(ThecalError):
    """This host has no (usable) key for the pump and role."""


class Entry(NamedTuple):
    """One key that is kept here."""

    serial: str
    role: str
    path: Path


_FILES = KeyFiles("link-keys", _SUFFIX, "key", "remove it and pair anew, or restore it from a backup", NoKey)


def folder() -> Path:
    """Where the keys are."""
    return _FILES.folder()


def role_number(role: str) -> int:
    """The number of a role by name. NoKey when there is no such role."""
    for number, name in ROLES:
        if name == role:
            return number
    raise NoKey(f"there is no role {role!r}", f"roles are {', '.join(name for _, name in ROLES)}")


def role_name(number: int) -> str:
    """The name of a role by number."""
    return next(name for role, name in ROLES if role == number)


def path_of(serial: str, role: str) -> Path:
    """The file of the keys of this pump and role."""
    return _FILES.path_of(_name(serial, role))


def ready() -> None:
    """NoKey when no key could be kept here: said before anybody is asked for one."""
    _FILES.ready()


def keys(serial: str, role: str) -> list[bytes]:
    """The keys that are kept for this pump and role, the one that counts first. NoKey when the file is not
    safe to use."""
    return _FILES.keys(_name(serial, role))


def stored(serial: str, role: str) -> bytes | None:
    """The first of `keys`, if there is one."""
    return next(iter(keys(serial, role)), None)


def store(serial: str, role: str, key: bytes) -> Path:
    """Keep this key alone, in place of those before; the file. NoKey when that fails."""
    return _FILES.keep(_name(serial, role), [key])


def prefer(serial: str, role: str, key: bytes) -> Path:
    """Have this key be the first to be tried, and keep the others; the file. NoKey when that fails."""
    return _FILES.prefer(_name(serial, role), key)


def add(serial: str, role: str, key: bytes) -> Path:
    """Keep this key beside those that are kept; the file. NoKey when that fails."""
    return _FILES.add(_name(serial, role), key)


def drop(serial: str, role: str, key: bytes) -> None:
    """Forget this key, and none beside it."""
    _FILES.drop(_name(serial, role), key)


def remove(serial: str, role: str) -> bool:
    """Forget the keys; whether there were any."""
    try:
        path_of(serial, role).unlink()
    except FileNotFoundError:
        return False
    return True


def _name(serial: str, role: str) -> str:
    return f"{serial}.{role}"


def kept() -> list[Entry]:
    """What is kept here; no key is read."""
    entries: list[Entry] = []
    for path in sorted(folder().glob(f"*{_SUFFIX}")):
        serial, _, role = path.name.removesuffix(_SUFFIX).rpartition(".")
        if any(role == name for _, name in ROLES):
            entries.append(Entry(name_of(serial), role, path))
    return entries
