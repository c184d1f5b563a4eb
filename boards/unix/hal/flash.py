"""The pump's flash, held in a file: 352 blocks of 4096 bytes, as on the RP2040 image, with NOR semantics.

Programming can only clear bits, erasing sets a whole block to 0xFF. Every program and erase is in the file
when the call returns. The bench can break it (docs/reference/boards-unix.md): cut the power before, in the
middle of or after any operation, which ends the process there; wear blocks out, let bits stick, refuse every
write, let time pass during operations. Without a path the flash is an anonymous file that is gone with the
process. The documents on it are `store`'s matter. Nothing allocates but what the bench asks for.
"""

import array
import os
import struct

import micropython
from micropython import const

from torn_write import Rng, tear_erase, tear_program

BLOCKS = const(352)
BLOCK_BYTES = const(4096)
_EIO = const(5)

_IOCTL_BLOCK_COUNT = const(4)
_IOCTL_BLOCK_SIZE = const(5)
_IOCTL_ERASE = const(6)

BEFORE = const(0)
TORN = const(1)
AFTER = const(2)

_PAGE_BYTES = const(256)
_PAGE_US = const(700)
_ERASE_US = const(45_000)
_SLOW_ERASE_US = const(400_000)

# a record of the operations' log: program 1 or erase 2, block, offset, size, instant, steps made so far;
# the bytes of a program follow
_LOG = "<HHHHQQ"
_LOG_BYTES = const(24)
_PROGRAM = const(1)
_ERASE = const(2)


@micropython.viper
def _clear_bits(old: ptr32, new: ptr32, words: int):  # noqa: F821 - viper's own types
    at = 0
    while at < words:
        old[at] &= new[at]
        at += 1


def _size_of(path: str) -> int:
    """Bytes in the file; 0 when there is none."""
    try:
        return os.stat(path)[6]
    except OSError:
        return 0


class Flash:
    """MicroPython's block device, extended interface. `power_cut` is called when a planned cut is reached.

    ValueError when the file is not of the flash's size."""

    def __init__(self, path: str, power_cut):
        self._power_cut = power_cut
        self._scratch = bytearray(BLOCK_BYTES)
        self._erased = b"\xff" * BLOCK_BYTES
        self._cut_in = 0
        self._cut_when = TORN
        self._cut_seed = 0
        self._dead = False
        self._over = False
        self._fails = False
        self._worn = bytearray(BLOCKS)  # 1: erasing does nothing, 2: erasing fails
        self._stuck = []  # (offset in the flash, mask, value under it)
        self._rng = None  # with it, operations take time
        self._slow_one_in = 1
        self._clock = None
        self._motor = None
        self._log = None
        self._log_record = bytearray(_LOG_BYTES)
        self.programs = 0
        self.erases = 0
        self.erases_by_block = array.array("I", bytes(4 * BLOCKS))
        self._open(path)

    def _open(self, path: str) -> None:
        anonymous = not path
        if anonymous:
            path = "/tmp/thecal-flash-" + "".join("%02x" % byte for byte in os.urandom(12))
        size = _size_of(path)
        if size not in (0, BLOCKS * BLOCK_BYTES):
            raise ValueError(
                "the flash %s has %d bytes, not %d; name a pump's flash, or a file to be made"
                % (path, size, BLOCKS * BLOCK_BYTES)
            )
        self._file = open(path, "r+b" if size else "w+b", 0)
        self._seek = self._file.seek
        self._read = self._file.readinto
        if anonymous:
            os.remove(path)
        if not size:
            for _ in range(BLOCKS):
                self._file.write(self._erased)

    # --- what the bench does to it ---

    def attach(self, clock, motor) -> None:
        """Called once at setup: for the time that operations take, and the log."""
        self._clock = clock
        self._motor = motor

    def take_time(self, seed: int, slow_one_in: int) -> None:
        """From now on a page takes 0.7 ms to program, a block 45 ms to erase, now and then 400 ms."""
        self._rng = Rng(seed)
        self._slow_one_in = slow_one_in

    def plan_cut(self, operation: int, when: int, seed: int) -> None:
        """Cut the power before, within or after the operation-th program or erase from now (1: the next)."""
        self._cut_in = operation
        self._cut_when = when
        self._cut_seed = seed

    def wear_out(self, block: int, fails: bool) -> None:
        """From now on erasing this block does nothing, or fails."""
        self._worn[block] = 2 if fails else 1

    def stick(self, offset: int, bit: int, value: int) -> None:
        """From now on this bit always reads as `value`."""
        self._stuck.append((offset, 1 << bit, value << bit))

    def flip(self, offset: int, bit: int) -> None:
        """This bit turns over."""
        byte = bytearray(1)
        self._file.seek(offset)
        self._file.readinto(byte)
        byte[0] ^= 1 << bit
        self._file.seek(offset)
        self._file.write(byte)

    def fail(self, fails: bool) -> None:
        """From now on every program and erase fails, or (False) none does any more."""
        self._fails = fails

    def log_to(self, path) -> None:
        """Write down every operation from now on; None: no more."""
        if self._log is not None:
            self._log.close()
        self._log = open(path, "wb") if path else None

    def retire(self) -> None:
        """The process ends: what littlefs still closes while memory is given back reaches nothing."""
        self._over = True

    def die(self) -> None:
        """Without power nothing is written any more, whatever still runs while the process ends."""
        self._dead = True

    # --- block device ---

    def readblocks(self, block: int, buffer, offset: int = 0) -> int:
        if self._over:
            return -_EIO
        where = block * BLOCK_BYTES + offset
        self._seek(where)
        self._read(buffer)
        if self._stuck:
            self._read_stuck(where, buffer)
        return 0

    def _read_stuck(self, where: int, buffer) -> None:
        for stuck in self._stuck:
            at = stuck[0] - where
            if 0 <= at < len(buffer):
                buffer[at] = buffer[at] & ~stuck[1] | stuck[2]

    def writeblocks(self, block: int, buffer, offset: int = -1) -> int:
        """Program: the result is old AND new. Without an offset the block is erased first."""
        if self._over:
            return -_EIO
        if offset < 0:
            self._erase(block)
            offset = 0
        self.programs += 1
        if self._log is not None:
            self._note(_PROGRAM, block, offset, len(buffer))
            self._log.write(buffer)
        return self._program(block * BLOCK_BYTES + offset, buffer, self._cut_is_here())

    def _program(self, where: int, buffer, cut: bool) -> int:
        if self._fails:
            return -_EIO
        size = len(buffer)
        self._seek(where)
        self._read(self._scratch, size)
        if cut and self._cut_when == TORN:
            tear_program(self._scratch, buffer, size, self._cut_seed)
        else:
            _clear_bits(self._scratch, buffer, size >> 2)  # of whole pages
        self._put(where, self._scratch, size, cut)
        if self._rng is not None:
            self._clock.pass_time((size + _PAGE_BYTES - 1) // _PAGE_BYTES * _PAGE_US)
        return 0

    def ioctl(self, operation: int, argument: int) -> int:
        if self._over:
            return -_EIO
        if operation == _IOCTL_BLOCK_COUNT:
            return BLOCKS
        if operation == _IOCTL_BLOCK_SIZE:
            return BLOCK_BYTES
        if operation == _IOCTL_ERASE:
            return self._erase(argument)
        return 0

    def _erase(self, block: int) -> int:
        self.erases += 1
        self.erases_by_block[block] += 1
        if self._log is not None:
            self._note(_ERASE, block, 0, BLOCK_BYTES)
        cut = self._cut_is_here()
        if self._fails or self._worn[block] == 2:
            return -_EIO
        data = self._erased
        if cut and self._cut_when == TORN:
            data = self._scratch
            self.readblocks(block, data)
            tear_erase(data, self._cut_seed)
        if not self._worn[block]:
            self._put(block * BLOCK_BYTES, data, BLOCK_BYTES, cut)
        elif cut:
            self._power_cut()
        if self._rng is not None:
            self._clock.pass_time(_ERASE_US if self._rng.roll(self._slow_one_in) else _SLOW_ERASE_US)
        return 0

    def _put(self, where: int, data, size: int, cut: bool) -> None:
        if self._dead:
            self._power_cut()
        if not cut or self._cut_when != BEFORE:
            self._file.seek(where)
            self._file.write(data, size)
        if cut:
            self._power_cut()

    def _cut_is_here(self) -> bool:
        if self._cut_in:
            self._cut_in -= 1
            return not self._cut_in
        return False

    def _note(self, kind: int, block: int, offset: int, size: int) -> None:
        steps = self._motor.made_steps()
        struct.pack_into(_LOG, self._log_record, 0, kind, block, offset, size, self._clock.now_us, steps)
        self._log.write(self._log_record)
