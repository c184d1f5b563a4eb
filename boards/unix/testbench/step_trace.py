"""The physical record of the bench: every step that the motor really made, one unsigned 64-bit little-endian
integer each, in microseconds since the bench's mark.

The motor writes times straight into `words` (two 32-bit words a step) and calls `flush` when they are full.
Only `start` allocates.
"""

import array

from micropython import const

CAPACITY_STEPS = const(2048)


class Trace:
    """A file of step times. `on` while one is being written; `mark_us` is its time zero."""

    def __init__(self):
        self.words = array.array("I", bytes(8 * CAPACITY_STEPS))
        self.capacity = CAPACITY_STEPS
        self.used = 0  # steps in `words` that are not in the file yet
        self.mark_us = 0
        self.on = False
        self.path = None  # of the file while it is written
        self._file = None

    def start(self, path: str, append: bool) -> None:
        """Write to the file at path, a new one or, to `append`, at the end of an old one. Raises OSError."""
        self.stop()
        self._file = open(path, "ab" if append else "wb", 0)
        self.path = path
        self.on = True

    def flush(self) -> None:
        """Move what is recorded into the file."""
        if self.used:
            self._file.write(self.words, 8 * self.used)
            self.used = 0

    def stop(self) -> None:
        """Complete the file and close it. Harmless when there is none."""
        if self.on:
            self.flush()
            self._file.close()
            self._file = None
            self.path = None
            self.on = False
