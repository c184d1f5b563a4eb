"""Saves of the ledger by the thousand, on the board's own store: prints how often each block was erased.

Arguments: a flash file, how many saves. The other documents are there too, as littlefs moves them along.
"""

import sys

from flash import Flash
from store import Store

LEDGER_BYTES = 232


def never():
    raise SystemExit(1)


def main():
    flash = Flash(sys.argv[1], never)
    store = Store(flash)
    for name, size in (("pump", 21), ("program-1", 170), ("fillings-1", 105), ("boluses", 776)):
        store.save(name, bytes(size))
    ledger = store.keep("ledger")
    record = bytearray(LEDGER_BYTES)
    for save in range(int(sys.argv[2])):
        record[0] = save & 0xFF
        record[1] = save >> 8 & 0xFF
        ledger.write(record)
    print(*flash.erases_by_block)


main()
