"""Who may do what, by the rows of `messages`: what is in none, nobody may. The security page shows the table.

Opcodes without a session (hello, auth, pair) have no role that may send them.
"""

from thecal_protocol import messages
from thecal_protocol.events import CLINICIAN, MANUFACTURER, OBSERVER, PATIENT

# each by its number among the actors of the log
ROLES = (
    (OBSERVER, "observer"),
    (PATIENT, "patient"),
    (CLINICIAN, "clinician"),
    (MANUFACTURER, "manufacturer"),
)
BUTTON_S = 60
_LETTERS = " opcm"  # by number


def may(role: int, opcode: int) -> bool:
    """Whether this role may send this request. No for what is none."""
    return 0 < role < len(_LETTERS) and _LETTERS[role] in messages.command(opcode)[0]
