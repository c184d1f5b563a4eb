"""The flash by itself: NOR semantics and the counts of operations. Ends with "good", or raises."""

import sys

from flash import BLOCK_BYTES, BLOCKS, Flash

ERASE = 6


def same(found, wanted):
    if found != wanted:
        raise ValueError("%r instead of %r" % (found, wanted))


def never():
    raise ValueError("power cut without a cause")


def main():
    path = sys.argv[1]
    flash = Flash(path, never)
    page = bytearray(256)
    same(flash.ioctl(4, 0), BLOCKS)
    same(flash.ioctl(5, 0), BLOCK_BYTES)

    flash.readblocks(BLOCKS - 1, page, BLOCK_BYTES - 256)  # the very last page: erased
    same(page, b"\xff" * 256)

    flash.writeblocks(3, b"\xf0" * 256, 256)
    flash.writeblocks(3, b"\x3c" * 256, 256)  # only clears bits
    flash.readblocks(3, page, 256)
    same(page, b"\x30" * 256)
    flash.writeblocks(3, b"\xff" * 256, 256)  # sets none
    flash.readblocks(3, page, 256)
    same(page, b"\x30" * 256)
    flash.readblocks(3, page, 0)  # the page before is as it was
    same(page, b"\xff" * 256)

    flash = Flash(path, never)  # as after a restart
    flash.readblocks(3, page, 256)
    same(page, b"\x30" * 256)
    flash.ioctl(ERASE, 3)
    flash.readblocks(3, page, 256)
    same(page, b"\xff" * 256)
    same((flash.programs, flash.erases), (0, 1))

    block = bytes(range(256)) * 16
    flash.writeblocks(7, block)  # the plain block protocol erases first
    flash.writeblocks(7, block)
    whole = bytearray(BLOCK_BYTES)
    flash.readblocks(7, whole)
    same(whole, block)
    same((flash.programs, flash.erases), (2, 3))
    print("good")


main()
