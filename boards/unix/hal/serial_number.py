"""Who this pump is: its serial number, as the flash has it or as a new pump is given one.

A chip has a number of its own; here the flash is the pump. The number stands in the document `pump`, which
the firmware writes at its first start (docs/explanation/storage.md), so that a flash of any version keeps
its own.
"""

import struct

_DOCUMENT = "pump"
_LEDGER = "ledger"
_HEAD = "<II"  # number of the document, size of the data
_OF_0_1_0 = "UNIX-0001"  # every pump's until there were numbers


def serial_number_of(store, wanted: str, random_bytes) -> str:
    """The pump's number. ValueError when `wanted` ("": any) is not that of the pump on the flash.

    `random_bytes(4)`: what a new pump's number is made from, unless one is wanted.
    """
    found = _on(store)
    if found and wanted and found != wanted:
        raise ValueError(
            "the flash holds the pump %s, not %s; leave the serial number out, or name a new file"
            % (found, wanted)
        )
    if found or wanted:
        return found or wanted
    return "UNIX-%08X" % struct.unpack("<I", random_bytes(4))[0]


def _on(store) -> str:
    """The number of the pump on this flash; "" when it is a new one."""
    try:
        data = store.load(_DOCUMENT)
        if data is None:
            # The firmware writes its number before its ledger: whatever else a first start that was cut short
            # has left, without a ledger it is nobody yet.
            return "" if store.keep(_LEDGER).read() is None else _OF_0_1_0
        size = struct.unpack_from(_HEAD, data)[1]
        name = data[8 : 8 + size].decode()
    except (OSError, ValueError, UnicodeError):  # the firmware finds the same, and stops therapy
        return _OF_0_1_0
    return name if len(name) == size > 0 else _OF_0_1_0
