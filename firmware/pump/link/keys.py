"""The keys of the roles, one each or none, in the document `link-keys` (docs/explanation/storage.md).

There is no default key, and none derived from anything that is known of a pump (SEC-07). What cannot be
read is no key.
"""

from pump.records.documents import Document, DocumentError
from thecal_protocol import events as event
from thecal_protocol.secure import KEY_SIZE

_NUMBER = 1
_SIZE = 4 * KEY_SIZE  # a key of zeros is none
UNREADABLE = 10  # code of event.RECORDS_DISTRUSTED


class Keys:
    """Keys by role, 1 to 4."""

    def __init__(self, store, persistence, log):
        self._persistence = persistence
        self._data = bytearray(_SIZE)
        try:
            if store.load("link-keys") is None:
                return
            self._data[:] = Document(store, "link-keys").read(_NUMBER, UNREADABLE)
            damaged = len(self._data) != _SIZE
        except (OSError, DocumentError):
            damaged = True
        if damaged:
            self._data = bytearray(_SIZE)
            log.note(event.RECORDS_DISTRUSTED, UNREADABLE, 0, 0, 0)

    def of(self, role: int) -> bytes:
        """The key of a role; empty: there is none."""
        if not 1 <= role <= 4:
            return b""
        key = bytes(self._data[(role - 1) * KEY_SIZE : role * KEY_SIZE])
        return key if any(key) else b""

    def put(self, role: int, key: bytes) -> bool:
        """Keep a role's key, on flash before anything else; True when that revoked another. Refused
        ("storage"): nothing was changed."""
        replaced = bool(self.of(role))
        data = bytearray(self._data)
        data[(role - 1) * KEY_SIZE : role * KEY_SIZE] = key
        self._persistence.write("link-keys", _NUMBER, data)
        self._data = data
        return replaced
