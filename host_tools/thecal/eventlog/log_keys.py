"""Keys of pumps' logs: each in a file of its own that nobody else may read, by the pump's serial number.

A pump tells its log key to clinicians and its manufacturer. What it told first is kept, below $THECAL_KEYS
or the user's configuration folder, and counts from then on: a log with another key does not verify.
"""

from pathlib import Path

from thecal.errors import Refused, ThecalError
from thecal.link.client import Client
from thecal.link.key_files import KeyFiles


class NoLogKey(ThecalError):
    """The key of this pump's log is not known here, and the pump does not tell it to this role."""


_FILES = KeyFiles(
    "log-keys", ".key", "log key", "it is 32 hexadecimal digits: restore it from a backup", NoLogKey
)


def path_of(serial: str) -> Path:
    """The file of this pump's key."""
    return _FILES.path_of(serial)


def keys(serial: str) -> list[bytes]:
    """What this pump ever told, its first key first. NoLogKey when the file is not safe to use."""
    return _FILES.keys(serial)


def stored(serial: str) -> bytes | None:
    """The key that this pump told first, if it told one."""
    return next(iter(keys(serial)), None)


def store(serial: str, key: bytes) -> Path:
    """Keep this key alone, in place of those before; the file. NoLogKey when that fails."""
    return _FILES.keep(serial, [key])


def drop(serial: str, key: bytes) -> None:
    """Forget this key, and none beside it."""
    _FILES.drop(serial, key)


def learn(client: Client, serial: str) -> bytes | None:
    """Ask the pump for its log key and keep it beside what it told before; None when it does not tell."""
    try:
        key = client.log_key()
    except Refused:
        return None
    _FILES.add(serial, key)
    return key


def obtain(client: Client, serial: str) -> bytes:
    """The pump's log key: as it is kept here, else from the pump. NoLogKey when neither."""
    key = stored(serial) or learn(client, serial)
    if key is None:
        raise NoLogKey(
            f"the key of this pump's log is not in {path_of(serial)}, and the pump tells it only to a"
            " clinician or its manufacturer",
            "use the key of such a role, or copy the file from a computer that has it",
        )
    return key
