"""Keys of pumps' logs: each in a file of its own that nobody else may read, by the pump's serial number.

A pump tells its log key to clinicians and its manufacturer. What it told first is kept, below $THECAL_KEYS or
the user's configuration folder, and counts from then on: a log with another key does not verify. Called by
`log_command`.
"""

import os
import re
from pathlib import Path

from thecal.client import Client
from thecal.errors import Refused, ThecalError

KEY_SIZE = 16
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")


class NoLogKey(ThecalError):
    """The key of this pump's log is not known here, and the pump does not tell it to this role."""


def folder() -> Path:
    """Where the keys are."""
    named = os.environ.get("THECAL_KEYS")
    if named:
        return Path(named)
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "thecal" / "log-keys"


def path_of(serial: str) -> Path:
    """The file of this pump's key."""
    return folder() / (_NOT_IN_NAMES.sub("_", serial) + ".key")


def stored(serial: str) -> bytes | None:
    """The key that is kept for this pump, if there is one. NoLogKey when the file is not a key."""
    path = path_of(serial)
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_SIZE:
        raise NoLogKey(f"{path} holds no log key", "it is 32 hexadecimal digits: restore it from a backup")
    return key


def store(serial: str, key: bytes) -> Path:
    """Keep a pump's key, in place of an older one; the file."""
    path = path_of(serial)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key.hex() + "\n")
    draft.replace(path)
    return path


def learn(client: Client, serial: str) -> bytes | None:
    """Ask the pump for its log key and keep it; None when it does not tell."""
    try:
        key = client.log_key()
    except Refused:
        return None
    store(serial, key)
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
