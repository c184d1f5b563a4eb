"""The pump's serial line on the unix board: a pty, opened by path or handed over as an open descriptor.

`serial=/dev/pts/3` opens the slave of somebody's pty; `serial=fd:5` takes the descriptor of a pty's master
that the host left open, non-blocking, for this process (what `thecal emulate` does, so that the slave is a
port for anyone). Whoever makes the pty makes it raw, with VMIN = VTIME = 0, so that reading never blocks.

Line noise (bench: inject link_noise) flips bits in both directions, from a generator of its own: the same
seed gives the same flips for the same bytes. Nothing here allocates.
"""

import array
import select

import micropython
from micropython import const

_SCRATCH_BYTES = const(512)


@micropython.viper
def _spoil(data: ptr8, size: int, state: ptr32, threshold: int) -> int:  # noqa: F821 - viper's own types
    """Flip each bit with probability threshold / 2^32 (xorshift32). Returns how many were flipped."""
    x = state[0]
    flipped = 0
    at = 0
    while at < size:
        bit = 1
        while bit < 256:
            x ^= (x << 13) & 0xFFFFFFFF
            x ^= x >> 17
            x ^= (x << 5) & 0xFFFFFFFF
            if x < threshold:
                data[at] ^= bit
                flipped += 1
            bit <<= 1
        at += 1
    state[0] = x
    return flipped


def open_line(where: str):
    """The stream for a `serial=` argument, or None without one."""
    if not where:
        return None
    if where.startswith("fd:"):
        return open(int(where[3:]), "r+b", 0)
    return open(where, "r+b", 0)


class PtyLine:
    """Board interface `serial`: `readinto(buffer) -> n`, `write(buffer)` and `listen(on)`. None blocks."""

    def __init__(self, stream, seed: int, poller):
        self._stream = stream
        self._poller = poller
        self._quiet = stream is None
        self._room = select.poll()
        if stream is not None:
            self._room.register(stream, select.POLLOUT)
        self._room.ipoll(0)  # makes its tuple now
        self._scratch = bytearray(_SCRATCH_BYTES)
        self._noise_state = array.array("I", [seed | 1])
        self._noise_threshold = 0
        self.noise_one_in = 0
        self._flood = b""  # bytes that nobody sent
        self._flood_at = 0
        self.flooded_bytes = 0
        self.flipped_bits = 0
        self.dropped_bytes = 0

    def hush(self, quiet: bool) -> None:
        """The clock looked and nothing was there: `readinto` needs no system call until it looks again."""
        self._quiet = (quiet or self._stream is None) and self._flood_at == len(self._flood)

    def flood(self, data) -> None:
        """For the bench: these bytes come in now, as from the line. What was not taken in time is lost."""
        self._flood = data
        self._flood_at = 0
        self.flooded_bytes += len(data)
        self._quiet = False

    def listen(self, on: bool) -> None:
        """Do bytes that come in end a wait? While the bench lets no time pass they do in any case."""
        self._poller.line_wakes = on
        self._poller.listen_to_line(on)

    def wakes(self) -> bool:
        """For the bench: whether it may wake the pump by its bytes."""
        return self._poller.line_wakes

    def set_noise(self, one_in: int) -> None:
        """One bit in `one_in` is flipped from now on; 0: none."""
        self.noise_one_in = one_in
        self._noise_threshold = (1 << 32) // one_in if one_in else 0

    def readinto(self, buffer) -> int:
        """Take what has come, at most len(buffer) bytes. 0 when there is nothing."""
        if self._quiet:
            return 0
        if self._flood_at < len(self._flood):
            return self._take_flood(buffer)
        return 0 if self._stream is None else self._take_line(buffer)

    def _take_line(self, buffer) -> int:
        try:
            size = self._stream.readinto(buffer)
        except OSError:  # the other end closed
            return 0
        if not size:
            return 0
        if self._noise_threshold:
            self.flipped_bits += _spoil(buffer, size, self._noise_state, self._noise_threshold)
        return size

    def _take_flood(self, buffer) -> int:
        data = self._flood
        size = min(len(buffer), len(data) - self._flood_at)
        for i in range(size):
            buffer[i] = data[self._flood_at + i]
        self._flood_at += size
        return size

    def write(self, data) -> None:
        """Send all of data, or drop it when nobody takes it. At most 512 bytes."""
        size = len(data)
        if size > _SCRATCH_BYTES:
            raise ValueError("serial write")
        if not self._has_room():
            self.dropped_bytes += size
            return
        if self._noise_threshold:
            scratch = self._scratch
            for at in range(size):
                scratch[at] = data[at]
            self.flipped_bits += _spoil(scratch, size, self._noise_state, self._noise_threshold)
            data = scratch
        try:
            sent = self._stream.write(data, size)
        except OSError:
            sent = 0
        self.dropped_bytes += size - (sent or 0)

    def _has_room(self) -> bool:
        if self._stream is None:
            return False
        for _, event in self._room.ipoll(0):
            return bool(event & select.POLLOUT)
        return False
