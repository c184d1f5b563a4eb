"""Where this host keeps the keys of its pumps: one file for each pump and role, for nobody else's eyes.

    $THECAL_KEYS or ~/.config/thecal/link-keys (XDG_CONFIG_HOME counts)     folder, mode 0700
        SERIAL.ROLE.link                                                    32 hexadecimal digits, mode 0600

A file that others may read is not used. A key stands in no command line, no log and no exception. Pumps that
live in this process have theirs elsewhere: `key_lookup`.
"""

from dataclasses import dataclass
from pathlib import Path

from thecal.errors import ThecalError
from thecal.link.key_files import KeyFiles
from thecal_protocol.roles import ROLES

_SUFFIX = ".link"


class NoKey(ThecalError):
    """This host has no (usable) key for the pump and role."""


@dataclass(frozen=True)
class Entry:
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
    """The file of the key of this pump and role."""
    return _FILES.path_of(f"{serial}.{role}")


def stored(serial: str, role: str) -> bytes | None:
    """The key that is kept for this pump and role, if there is one. NoKey when the file is not safe to
    use."""
    return _FILES.read(f"{serial}.{role}")


def store(serial: str, role: str, key: bytes) -> Path:
    """Keep a key, in place of an older one; the file. NoKey when that fails."""
    return _FILES.write(f"{serial}.{role}", key)


def remove(serial: str, role: str) -> bool:
    """Forget a key; whether there was one."""
    try:
        path_of(serial, role).unlink()
    except FileNotFoundError:
        return False
    return True


def stored_or_none(serial: str, role: str) -> bytes | None:
    """As `stored`; None too when what is kept cannot be used."""
    try:
        return stored(serial, role)
    except NoKey:
        return None


def restore(serial: str, role: str, key: bytes | None) -> None:
    """Take a `store` back: keep what was kept before, if anything was."""
    if key is None:
        remove(serial, role)
    else:
        store(serial, role, key)


def kept() -> list[Entry]:
    """What is kept here; no key is read."""
    entries: list[Entry] = []
    for path in sorted(folder().glob(f"*{_SUFFIX}")):
        serial, _, role = path.name.removesuffix(_SUFFIX).rpartition(".")
        if any(role == name for _, name in ROLES):
            entries.append(Entry(serial, role, path))
    return entries
