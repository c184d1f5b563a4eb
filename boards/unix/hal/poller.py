"""One look at both doors of the unix board: the pump's serial line and the bench (stdin).

`look` allocates nothing (ipoll hands out one tuple again and again). When the bench goes away the process
ends: an emulated pump never outlives the one who started it.
"""

import select
import sys

NOTHING = 0
SERIAL = 1
BENCH = 2

_GONE = select.POLLHUP | select.POLLERR


class Poller:
    """Waits for bytes on the serial stream (or None) and on stdin (when `bench`)."""

    def __init__(self, serial_stream, bench: bool):
        self._poll = select.poll()
        self._serial = serial_stream
        self._stdin = sys.stdin if bench else None
        self._listening = bench
        if serial_stream is not None:
            self._poll.register(serial_stream, select.POLLIN)
        if bench:
            self._poll.register(self._stdin, select.POLLIN)
        self._line = serial_stream is not None
        self.line_wakes = True
        self._poll.ipoll(0)  # makes its tuple at its first use

    def look(self, timeout_ms: int) -> int:
        """Wait at most timeout_ms (-1: without end) and return SERIAL | BENCH, whichever has bytes."""
        found = NOTHING
        serial_gone = False
        bench_gone = False
        for stream, event in self._poll.ipoll(timeout_ms):
            if stream is self._stdin:
                if event & select.POLLIN and self._listening:
                    found |= BENCH
                elif event & _GONE:
                    bench_gone = True
            else:
                if event & select.POLLIN:
                    found |= SERIAL
                if event & _GONE:
                    serial_gone = True
        if serial_gone:
            self._line = False
            self._poll.unregister(self._serial)  # for good: or it would wake the pump without end
        if bench_gone:
            sys.exit(0)
        return found

    def listen_to_line(self, listen: bool) -> None:
        """Whether bytes on the line are something to look at. They wait there otherwise."""
        if self._line:
            self._poll.modify(self._serial, select.POLLIN if listen else 0)

    def listen_to_bench(self, listen: bool) -> None:
        """Whether the next request may be taken. A bench that vanishes is noticed either way."""
        if self._stdin is not None:
            self._listening = listen
            self._poll.modify(self._stdin, select.POLLIN if listen else 0)
