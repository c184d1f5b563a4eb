"""What the bench has arranged for later instants: a condition ends, a burst of noise comes.

Allocates: with the heap unlocked only.
"""

from clock import FOREVER_US


class EventQueue:
    """Actions by time since boot; those of one instant in the order in which they were arranged."""

    def __init__(self):
        self._entries = []
        self.next_us = FOREVER_US

    def at(self, at_us: int, action) -> None:
        """`action()` is to happen at the instant."""
        i = len(self._entries)
        while i and self._entries[i - 1][0] > at_us:
            i -= 1
        self._entries.insert(i, (at_us, action))
        self.next_us = self._entries[0][0]

    def drop(self, action) -> None:
        """It shall not happen."""
        self._entries = [entry for entry in self._entries if entry[1] is not action]
        self.next_us = self._entries[0][0] if self._entries else FOREVER_US

    def happen(self, now_us: int) -> None:
        """Everything due by now."""
        while self.next_us <= now_us:
            action = self._entries.pop(0)[1]
            self.next_us = self._entries[0][0] if self._entries else FOREVER_US
            action()
