"""Who may do what: the one table that pump, host and docs/security.md share. What is not in it, nobody may.

`ACCESS` has a row for each opcode of a session: `(opcode, roles, button)`. Roles are letters: o observer,
p patient, c clinician, m manufacturer; `button` is 1 where somebody has to press the pump's button for the
request as well, within `BUTTON_S` seconds of it. Opcodes without a session (hello, auth, pair) have no row.
"""

from thecal_protocol import guard, messages

OBSERVER = 1
PATIENT = 2
CLINICIAN = 3
MANUFACTURER = 4
ROLES = (
    (OBSERVER, "observer"),
    (PATIENT, "patient"),
    (CLINICIAN, "clinician"),
    (MANUFACTURER, "manufacturer"),
)
BUTTON_S = 60
_LETTERS = " opcm"  # by number

_EVERYONE = "opcm"
_READERS = "ocm"

ACCESS = (
    (messages.STATUS, _EVERYONE, 0),
    (messages.LIMITS, _READERS, 0),
    (messages.PROPOSE, "c", 0),
    (messages.READING, "c", 0),
    (messages.COMMIT, "c", 0),  # of a prime, and of some programs: with a press (pump.therapy.press)
    (messages.ABORT, "c", 0),
    (messages.PROGRAM, _READERS, 0),
    (messages.STOP, "c", 0),
    (messages.RESUME, "c", 0),
    (messages.PATIENT_BOLUS, "pc", 0),
    (messages.IMPLANT, "c", 1),
    (messages.CANCEL_PLAN, "c", 0),
    (messages.SKIP_BRIDGE, "c", 1),
    (messages.EVENTS, _READERS, 0),
    (messages.ACCOUNTS, _READERS, 0),
    (messages.LOG_STATE, _READERS, 0),
    (messages.LOG_KEY, "cm", 0),
    (messages.LOG_CLEAR, "cm", 0),  # always refused, by name
    (guard.ALARMS_LIST, _EVERYONE, 0),
    (guard.ALARM_CONFIRM, "c", 0),
    (guard.ALARM_SILENCE, "pc", 0),
    (guard.ALARM_TEST, "c", 0),
    (guard.SENSORS_READ, _READERS, 0),
    (guard.SELF_TEST, "cm", 0),
    (guard.CLEAR_FAULT, "c", 0),
    (guard.RESERVOIR, _READERS, 0),
)


def may(role: int, opcode: int) -> bool:
    """Whether this role may send this request. No for what is not in the table."""
    for row in ACCESS:
        if row[0] == opcode:
            return 0 < role < len(_LETTERS) and _LETTERS[role] in row[1]
    return False


def needs_button(opcode: int) -> bool:
    """Whether this request always needs a press as well."""
    for row in ACCESS:
        if row[0] == opcode:
            return row[2] != 0
    return True
