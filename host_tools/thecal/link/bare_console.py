"""Who answers where no pump does: a board on which MicroPython alone runs.

MicroPython formats its disk at a start at which it cannot mount it, before any of the pump's firmware runs:
what is left is a board that shows its prompt. It is asked no more than whether there is a main.py; nothing
that would stop a pump at its start (Ctrl-C) is sent.
"""

import time

from thecal.errors import LinkError, PortError
from thecal.link.transport import Link, Transport

_PATIENCE_S = 3.0  # where nothing is said, which is where no MicroPython is, and on a busy computer
_IN_ALL = 2  # times that, for a console that says each thing late
_FRIENDLY = b"\x02\r"  # Ctrl-B: out of the raw console, into the one for people
_RAW = b"\x01"
_PROMPT = b">>> "
# Frames that were sent before are text to a console, and what it says to those may come at any time: only
# these answers count, and no echo of the question has one in it.
_ASK = b"import os\nprint('main.py' in os.listdir('/'), 'the' + 'cal')\x04"
_ANSWERED, _THERE, _GONE = b" thecal", b"True thecal", b"False thecal"


def found_on(link: Link) -> LinkError | None:
    """What to say of the console there; None: there is none."""
    if not isinstance(link, Transport):
        return None
    try:
        said = _asked(link)
    except (LinkError, PortError):
        return None
    if _GONE in said:
        return LinkError(
            f"the board on {link.name} has no firmware; its records are gone",
            "MicroPython formats a disk that it cannot mount; bring the firmware onto it (`thecal flash`), "
            "pair and program it anew. What was downloaded is in the store: `thecal history`",
            "garbage",
        )
    if _THERE not in said:
        return None
    return LinkError(
        f"on {link.name} MicroPython's console answers, not the pump",
        "its button was held while the power came, or its start was interrupted: reset the board",
        "garbage",
    )


def _asked(line: Transport) -> bytes:
    """What it says to the question; nothing where there is no prompt."""
    until = time.monotonic() + _IN_ALL * _PATIENCE_S

    def said_to(data: bytes, end: bytes) -> bytes:
        return line.dialogue(data, end, min(_PATIENCE_S, until - time.monotonic()))

    if _PROMPT not in said_to(_FRIENDLY, _PROMPT):
        return b""
    said_to(_RAW, b"\n>")
    said = said_to(_ASK, _ANSWERED)
    said_to(_FRIENDLY, _PROMPT)
    return said
