"""The message table of protocol v3: the one definition that pump and host share.

`MESSAGES` has one row for each command, and everything else about a command derives from it: who may send it
(`roles`), which method of the pump carries it out (`pump.link.commands`: the one of its name), whether the
pump takes it while a fault is latched, whether the host may repeat it, how its payloads are encoded. The row
names its opcode, and all know it by that name: `messages.STOP`.

A field is ``(name, kind)``; the kinds are those of `codec`; a kind that is itself a tuple of fields is a
repeated group (u16 count, then the entries). Units stand in the names: ng, pl (picolitres), us, s. Numbers
here are never reused: a retired opcode, refusal or event number stays as a comment.

`own_hash` (see `codec.table_hash`) covers everything in `SCHEMA`; the host refuses a pump whose
hash differs, so a changed table is a changed protocol by construction.
"""

from thecal_protocol import alarms, events, reservoir, sensors
from thecal_protocol.alarms import ACTIONS, ALARMS
from thecal_protocol.bolus_kinds import BOLUS_KINDS
from thecal_protocol.codec import UNKNOWN_NUMBER, WireError, table_hash
from thecal_protocol.events import (
    ACTORS,
    DOSE_RECORDS,
    EVENT_KINDS,
    FAULT_RECORDS,
    PROGRAM_FIELDS,
    REPEATED_RECORDS,
    RINGS,
)
from thecal_protocol.program import BASAL_MODES
from thecal_protocol.refusals import REFUSALS
from thecal_protocol.reservoir import REFILL_REASONS
from thecal_protocol.self_tests import SELF_TESTS
from thecal_protocol.sensors import SENSOR_STATES, SENSORS
from thecal_protocol.states import STATES
from thecal_protocol.therapy import (
    BOLUS,
    CLOCK,
    PRIME,
    REFILL,
    REFILL_AND_PROGRAM,
    SCHEMA_VERSION,
    SOFT_LIMITS,
    THERAPY,
)

PROTOCOL_VERSION = 3  # 1 had neither keys nor roles, 2 two rings of records, and presses beforehand

# What a proposal holds (the `kind` of PROPOSE); its blob is encoded by the table beside it.
PROPOSAL_PROGRAM = 1
PROPOSAL_BOLUS = 2
PROPOSAL_CLOCK = 3
PROPOSAL_REFILL = 4
PROPOSAL_PRIME = 5
PROPOSAL_REFILL_AND_PROGRAM = 6

PROPOSALS = (
    (PROPOSAL_PROGRAM, "program", THERAPY),
    (PROPOSAL_BOLUS, "bolus", BOLUS),
    (PROPOSAL_CLOCK, "clock", CLOCK),
    (PROPOSAL_REFILL, "refill", REFILL),
    (PROPOSAL_PRIME, "prime", PRIME),
    (PROPOSAL_REFILL_AND_PROGRAM, "refill_and_program", REFILL_AND_PROGRAM),
)

# of a volume not seen to move: the board has no feedback of the motor's steps
UNSEEN = 0xFFFFFFFFFFFFFFFF

# Roles, as letters: o observer, p patient, c clinician, m manufacturer. Who is not in a row may not send it.
NOBODY = ""  # outside of sessions: whoever is there
READERS = "ocm"
EVERYONE = "opcm"

BUTTON = 1  # somebody has to press the pump's button for it as well, within roles.BUTTON_S

# Kinds of commands.
OPENS = 0  # a session, or what one needs; in no session itself
READS = 1  # changes nothing: the host may repeat it, also in another session
ASKS = 2  # does something, and is taken at any time, a latched fault or not
CHANGES = 3  # changes therapy, or makes it go on: refused while a fault is latched (INT-08)
KIND = 3  # what of the column is the kind;
WEIGHED = 4  # beside it: a chip has to weigh it for seconds, and each try waits longer than the one before

_AT = (("at_s", "u32"), ("at_us", "u32"))

# (opcode, name, roles, button, kind, request fields, answer fields)
MESSAGES = (
    (
        HELLO := 0x01,
        "hello",
        NOBODY,
        0,
        OPENS,
        (("protocol", "u8"), ("table_hash", "bytes"), ("nonce", "u32")),
        (
            ("protocol", "u8"),
            ("table_hash", "bytes"),
            ("session", "u16"),  # offered
            ("model", "str"),
            ("serial", "str"),
            ("capabilities", "u32"),  # CAPABILITIES
            ("alarm", "u8"),  # the highest class of alarm that stands: 0 none, 1 noncritical, 2 critical
            ("challenge", "bytes"),  # never the same twice
        ),
    ),
    # in the offered session; its answer is the first secured frame of it (docs/reference/protocol.md)
    (
        AUTH := 0x04,
        "auth",
        NOBODY,
        0,
        OPENS,
        (("role", "u8"), ("nonce", "bytes"), ("proof", "bytes")),
        (
            ("firmware", "str"),
            ("last_session", "u16"),  # the last command carried out before this session, to settle
            ("last_seq", "u16"),  # "did it happen?" after a broken connection
            ("last_opcode", "u8"),
        ),
    ),
    # X25519 public keys; refused as `pairing` until the pump has computed its part: ask again
    (PAIR := 0x05, "pair", NOBODY, 0, OPENS, (("role", "u8"), ("public", "bytes")), (("public", "bytes"),)),
    (
        STATUS := 0x02,
        "status",
        EVERYONE,
        0,
        READS,
        (),
        (
            ("state", "u8"),  # STATES
            ("now_s", "u32"),
            ("now_us", "u32"),
            ("local_day", "u16"),  # days since 2000-01-01, pump local time
            ("local_s", "u32"),  # second of that day
            ("local_us", "u32"),
            ("clock_set", "u8"),  # 0: nobody has ever said what day it is; 1: it was set
            ("program_digest", "bytes"),  # empty: never programmed
            ("steps", "u64"),  # accounted since boot
            ("reservoir_pl", "u64"),
            ("rate_pl_per_day", "u64"),  # all sources, rounded down
            ("basal_ng_per_day", "u64"),
            ("next_change_s", "u32"),  # from now; 0xFFFFFFFF: none scheduled
            ("bolus", "u8"),  # BOLUS_KINDS of the one shown, 0: none
            ("bolus_given_pl", "u64"),
            ("bolus_left_us", "u64"),
            ("alarms", "u8"),  # how many stand
            ("alarm", "u8"),  # the one that is announced, of the highest class; 0: none
            ("missed_pl", "u64"),  # counted since the first program and not seen to move; UNSEEN: not known
            ("next_event", "u32"),  # sequence the next event will bear
        ),
    ),
    (
        LIMITS := 0x03,
        "limits",
        READERS,
        0,
        READS,
        (("first", "u16"),),  # index of the first one wanted
        (
            ("total", "u16"),
            ("limits", (("name", "str"), ("low", "u64"), ("high", "u64"))),
        ),
    ),
    (
        PROPOSE := 0x10,
        "propose",
        "c",
        0,
        CHANGES | WEIGHED,
        (("kind", "u8"), ("total", "u16"), ("offset", "u16"), ("data", "bytes")),
        (
            ("received", "u16"),
            ("digest", "bytes"),  # empty until the last piece has arrived and was found good
            ("worst_case_24h", (("scheduled_ng", "u64"), ("worst_ng", "u64"))),  # per drug, in order
        ),
    ),
    (READING := 0x11, "reading", "c", 0, READS, (("offset", "u16"),), (("total", "u16"), ("data", "bytes"))),
    (
        COMMIT := 0x12,
        "commit",
        "c",
        0,
        CHANGES | WEIGHED,
        (("digest", "bytes"),),
        (("at_s", "u32"), ("at_us", "u32"), ("ref", "u16")),
    ),
    (ABORT := 0x13, "abort", "c", 0, ASKS, (), ()),
    (
        PROGRAM := 0x14,
        "program",
        READERS,
        0,
        READS,
        (("offset", "u16"),),
        (("total", "u16"), ("data", "bytes")),
    ),
    # resume_after_s: 0 stops until a resume; else the stop ends by itself, at most the program's max_pause_s
    (STOP := 0x20, "stop", "c", 0, ASKS, (("resume_after_s", "u32"),), _AT),
    (RESUME := 0x21, "resume", "c", 0, CHANGES, (), _AT),
    (PATIENT_BOLUS := 0x22, "patient_bolus", "pc", 0, ASKS | WEIGHED, (), (("ref", "u16"),)),
    (IMPLANT := 0x23, "implant", "c", BUTTON, CHANGES, (), _AT),
    (CANCEL_PLAN := 0x24, "cancel_plan", "c", 0, CHANGES, (), _AT),
    (SKIP_BRIDGE := 0x25, "skip_bridge", "c", BUTTON, CHANGES, (), _AT),
    (
        EVENTS := 0x30,
        "events",
        READERS,
        0,
        READS,
        (
            ("first", "u32"),
            ("last", "u32"),
            ("count", "u8"),  # at most so many, and never more than fit
            ("ring", "u8"),  # only those of this one of RINGS; 0: of all
        ),
        (("next", "u32"), ("events", events.EVENT)),  # next: the number from which to go on
    ),
    (
        ACCOUNTS := 0x31,
        "accounts",
        READERS,
        0,
        READS,
        (("first_filling", "u16"),),  # index of the first filling wanted
        (
            ("steps", "u64"),
            ("step_volume_pl", "u32"),
            ("reservoir_pl", "u64"),
            ("missed_pl", "u64"),  # counted and not seen to move, primes too; UNSEEN: not known
            ("resets", "u32"),
            ("fillings_total", "u16"),
            # as many as there is room for, of what each filling gave, in steps; doses follow exactly:
            # steps x step volume x concentration
            (
                "fillings",
                (
                    ("filling", "u16"),
                    ("steps", "u64"),  # without those of a prime, which is no dose
                    ("step_volume_pl", "u32"),
                    ("tip_pl", "u64"),  # has left the catheter's tip, by plug flow
                    ("missed", "u32"),  # of its steps: not seen to move
                    ("drugs", (("name", "str"), ("concentration_ng_per_ml", "u64"))),
                ),
            ),
            # BOLUS_KINDS, 0: basal; none beside a filling of five drugs, which leaves no room: they are on
            # the page after the last filling
            ("sources", (("source", "u8"), ("volume_pl", "u64"))),
        ),
    ),
    (LOG_STATE := 0x32, "log_state", READERS, 0, READS, (), events.LOG_STATE),
    (LOG_KEY := 0x33, "log_key", "cm", 0, READS, (), (("key", "bytes"),)),
    # always refused: the log only grows, and gives way to newer records
    (LOG_CLEAR := 0x34, "log_clear", "cm", 0, ASKS, (), ()),
    # first: index of the first one wanted
    (ALARMS_LIST := 0x40, "alarms", EVERYONE, 0, READS, (("first", "u16"),), alarms.ANSWER),
    # alarm 0: all of them. Silences until it is raised anew; never clears a condition (ALM-04)
    (ALARM_CONFIRM := 0x41, "alarm_confirm", "c", 0, ASKS, (("alarm", "u8"),), (("confirmed", "u16"),)),
    # for at most 2 min when a critical one stands, else 1 h (ALM-03)
    (ALARM_SILENCE := 0x42, "alarm_silence", "pc", 0, ASKS, (), (("silent_s", "u16"),)),
    # critical 1: the tone of critical alarms; sounded 0: the buzzer was not heard
    (ALARM_TEST := 0x43, "alarm_test", "c", 0, ASKS, (("critical", "u8"),), (("sounded", "u8"),)),
    (SENSORS_READ := 0x44, "sensors", READERS, 0, READS, (), sensors.ANSWER),
    (SELF_TEST := 0x45, "self_test", "cm", 0, ASKS, (), (("failed", "u8"), ("took_us", "u32"))),  # SELF_TESTS
    # tests itself and takes the program from flash again; then the pump is stopped, or unprogrammed
    (CLEAR_FAULT := 0x46, "clear_fault", "c", 0, ASKS, (), _AT + (("state", "u8"),)),
    # first: index of the first check wanted, 0: the last refill
    (RESERVOIR := 0x47, "reservoir", READERS, 0, READS, (("first", "u16"),), reservoir.ANSWER),
)

# The payload of every refused answer: a hint at what was at fault, such as "basal_dose_ng_per_day" (may be
# empty); of protocol_mismatch the pump's own `thecal_protocol.codec.version_text`.
REFUSED = (("detail", "str"),)

# Bits of hello's capabilities.
CAPABILITIES = ((1, "paired"),)  # there is a clinician's key

SCHEMA = (
    (PROTOCOL_VERSION, SCHEMA_VERSION),
    (MESSAGES, REFUSED, PROPOSALS),
    (REFUSALS, STATES, BASAL_MODES, BOLUS_KINDS, ACTORS, EVENT_KINDS, ALARMS),
    (REPEATED_RECORDS, RINGS, FAULT_RECORDS, DOSE_RECORDS, PROGRAM_FIELDS),
    (ACTIONS, SELF_TESTS, SENSORS, SENSOR_STATES, REFILL_REASONS),
    (SOFT_LIMITS,),
)


def command(opcode: int) -> "tuple[str, int, int]":
    """Of a command: who may send it, whether it wants the button, its kind. Of none: nobody may."""
    for row in MESSAGES:
        if row[0] == opcode:
            return row[2], row[3], row[4]
    return NOBODY, 0, OPENS


def in_sessions() -> "list[tuple[int, str]]":
    """Opcode and name of every command of a session."""
    return [(row[0], row[1]) for row in MESSAGES if row[2] != NOBODY]


def request_fields(opcode: int) -> "tuple[tuple[str, object], ...]":
    """The table of a request's payload."""
    for row in MESSAGES:
        if row[0] == opcode:
            return row[5]
    raise WireError(UNKNOWN_NUMBER, "opcode")


def answer_fields(opcode: int) -> "tuple[tuple[str, object], ...]":
    """The table of the payload of an answer whose result is ok (of every other result: REFUSED)."""
    for row in MESSAGES:
        if row[0] == opcode:
            return row[6]
    raise WireError(UNKNOWN_NUMBER, "opcode")


def proposal_fields(kind: int) -> "tuple[tuple[str, object], ...]":
    """The table of what a proposal of this kind carries."""
    for number, _, fields in PROPOSALS:
        if number == kind:
            return fields
    raise WireError(UNKNOWN_NUMBER, "kind")


def own_hash() -> bytes:
    """The table's hash. A function, because the chip holds the tables as text and the hash ready-made."""
    return table_hash(SCHEMA)
