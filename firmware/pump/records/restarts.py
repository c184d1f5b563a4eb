"""When the last resets were: three within an hour are an alarm (ALM-09).

In a document of its own, since the log may have lost them; by the pump's clock, which stands still without
power and falls back to the last save. Allocates at boot only."""

import struct

from pump.records.documents import Document, DocumentError

_HOUR_S = 3600
_TIMES = "<III"  # the newest first
_NEVER = 0xFFFFFFFF


class Restarts:
    """The last three resets."""

    def __init__(self, store):
        self._document = Document(store, "resets")
        self._last_s = 0
        self.too_many = False  # was this the third within an hour?

    def count(self, s: int) -> None:
        """One more, now. OSError when the flash fails."""
        try:
            last, before, _ = struct.unpack(_TIMES, self._document.read(1, 0))
        except (DocumentError, ValueError):  # the first, or not to be read
            last = before = _NEVER
        self._last_s = s
        self.too_many = before != _NEVER and s - before <= _HOUR_S
        self._document.write(1, struct.pack(_TIMES, s, last, before))

    def are_long_ago(self, s: int) -> bool:
        """Has an hour passed since the last one?"""
        return s - self._last_s > _HOUR_S
