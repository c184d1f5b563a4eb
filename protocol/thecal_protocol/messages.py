"""The message table of protocol v3: the one definition that pump and host share.

Each message is ``(opcode, name, request fields, response fields)``. A field is ``(name, kind)``; the kinds
are those of `codec`; a kind that is itself a tuple of fields is a repeated group (u16 count, then the
entries). Units stand in the names: ng, pl (picolitres), us, s. Numbers here are never reused: a retired
opcode, refusal or event number stays as a comment.

`TABLE_HASH` (see `codec.table_hash`) covers everything in `SCHEMA`; the host refuses a pump whose
hash differs, so a changed table is a changed protocol by construction.
"""

from thecal_protocol.codec import UNKNOWN_NUMBER, WireError, table_hash
from thecal_protocol.guard import (
    ACTIONS,
    ALARMS,
    GUARD_MESSAGES,
    GUARD_REFUSALS,
    GUARD_STATES,
    REFILL_REASONS,
    SELF_TESTS,
    SENSOR_STATES,
    SENSORS,
)
from thecal_protocol.records import (
    ACTORS,
    DOSE_RECORDS,
    EVENT_KINDS,
    FAULT_RECORDS,
    PROGRAM_FIELDS,
    REPEATED_RECORDS,
    RINGS,
)
from thecal_protocol.therapy import (
    BASAL_MODES,
    BOLUS,
    CLOCK,
    LIBRARY_REFUSALS,
    PRIME,
    REFILL,
    REFILL_AND_PROGRAM,
    SCHEMA_VERSION,
    SOFT_LIMITS,
    THERAPY,
)

PROTOCOL_VERSION = 3  # 1 had neither keys nor roles, 2 two rings of records, and presses beforehand

_MORE_REFUSALS = GUARD_REFUSALS + LIBRARY_REFUSALS

HELLO = 0x01
STATUS = 0x02
LIMITS = 0x03
AUTH = 0x04
PAIR = 0x05
PROPOSE = 0x10
READING = 0x11
COMMIT = 0x12
ABORT = 0x13
PROGRAM = 0x14
STOP = 0x20
RESUME = 0x21
PATIENT_BOLUS = 0x22
IMPLANT = 0x23
CANCEL_PLAN = 0x24
SKIP_BRIDGE = 0x25
EVENTS = 0x30
ACCOUNTS = 0x31
LOG_STATE = 0x32
LOG_KEY = 0x33
LOG_CLEAR = 0x34

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

_EVENT = (
    ("sequence", "u32"),  # one over all rings, never repeated
    ("at_s", "u32"),  # pump's monotonic clock, which goes on over resets
    ("at_us", "u32"),
    ("kind", "u8"),  # EVENT_KINDS
    ("actor", "u8"),  # ACTORS
    ("code", "u8"),  # a refusal number, a bolus kind, an alarm number: by kind
    ("ref", "u16"),  # ties the records of one bolus together
    ("a", "u64"),
    ("b", "u64"),
    ("boot", "u16"),  # which boot of the pump, counted from 1
    ("ring", "u8"),  # RINGS
    ("tag", "bytes"),  # chains the record to the one before it in its ring (docs/event-log.md)
)

MESSAGES = (
    (
        HELLO,
        "hello",
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
    # in the offered session; its answer is the first secured frame of it (docs/protocol.md)
    (
        AUTH,
        "auth",
        (("role", "u8"), ("nonce", "bytes"), ("proof", "bytes")),
        (
            ("firmware", "str"),
            ("last_session", "u16"),  # the last command carried out before this session, to settle
            ("last_seq", "u16"),  # "did it happen?" after a broken connection
            ("last_opcode", "u8"),
        ),
    ),
    # X25519 public keys; refused as `pairing` until the pump has computed its part: ask again
    (PAIR, "pair", (("role", "u8"), ("public", "bytes")), (("public", "bytes"),)),
    (
        STATUS,
        "status",
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
            ("heap_free", "u32"),
        ),
    ),
    (
        LIMITS,
        "limits",
        (("first", "u16"),),  # index of the first one wanted
        (
            ("total", "u16"),
            ("limits", (("name", "str"), ("low", "u64"), ("high", "u64"))),
        ),
    ),
    (
        PROPOSE,
        "propose",
        (("kind", "u8"), ("total", "u16"), ("offset", "u16"), ("data", "bytes")),
        (
            ("received", "u16"),
            ("digest", "bytes"),  # empty until the last piece has arrived and was found good
            ("worst_case_24h", (("scheduled_ng", "u64"), ("worst_ng", "u64"))),  # per drug, in order
        ),
    ),
    (READING, "reading", (("offset", "u16"),), (("total", "u16"), ("data", "bytes"))),
    (COMMIT, "commit", (("digest", "bytes"),), (("at_s", "u32"), ("at_us", "u32"), ("ref", "u16"))),
    (ABORT, "abort", (), ()),
    (PROGRAM, "program", (("offset", "u16"),), (("total", "u16"), ("data", "bytes"))),
    # resume_after_s: 0 stops until a resume; else the stop ends by itself, at most the program's max_pause_s
    (STOP, "stop", (("resume_after_s", "u32"),), (("at_s", "u32"), ("at_us", "u32"))),
    (RESUME, "resume", (), (("at_s", "u32"), ("at_us", "u32"))),
    (PATIENT_BOLUS, "patient_bolus", (), (("ref", "u16"),)),
    (IMPLANT, "implant", (), (("at_s", "u32"), ("at_us", "u32"))),
    (CANCEL_PLAN, "cancel_plan", (), (("at_s", "u32"), ("at_us", "u32"))),
    (SKIP_BRIDGE, "skip_bridge", (), (("at_s", "u32"), ("at_us", "u32"))),
    (
        EVENTS,
        "events",
        (
            ("first", "u32"),
            ("last", "u32"),
            ("count", "u8"),  # at most so many, and never more than fit
            ("ring", "u8"),  # only those of this one of RINGS; 0: of all
        ),
        (("next", "u32"), ("events", _EVENT)),  # next: the number from which to go on
    ),
    (
        ACCOUNTS,
        "accounts",
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
    (
        LOG_STATE,
        "log_state",
        (),
        (
            ("next_event", "u32"),  # number of the next record to reach the flash
            ("boot", "u16"),
            ("failing", "u8"),  # 1: what happens does not get onto flash at present
            (
                "rings",  # in the order of RINGS
                (
                    ("first", "u32"),  # its oldest record that can be read; 0: none
                    ("last", "u32"),  # its newest
                    ("records", "u32"),  # how many it holds
                    ("before", "bytes"),  # tag before the oldest record
                    ("tag", "bytes"),  # tag of the newest
                ),
            ),
        ),
    ),
    (LOG_KEY, "log_key", (), (("key", "bytes"),)),
    # always refused: the log only grows, and gives way to newer records
    (LOG_CLEAR, "log_clear", (), ()),
) + GUARD_MESSAGES

# Why a request was refused: the result byte of every answer, 0 is "done". Numbers never change meaning.
REFUSALS = (
    (0, "ok"),
    (1, "unknown_opcode"),
    (2, "malformed"),
    (3, "no_session"),
    (4, "protocol_mismatch"),
    (5, "no_proposal"),
    (6, "digest_mismatch"),
    (7, "out_of_range"),
    (8, "inconsistent"),
    (9, "too_large"),
    (10, "not_programmed"),
    (11, "stopped"),
    (12, "not_stopped"),
    (13, "alarm"),
    (14, "bridge"),
    (15, "running"),
    (16, "lockout"),
    (17, "max_per_24h"),
    (18, "limit_24h"),
    (19, "max_rate"),
    (20, "reservoir"),
    (21, "not_prescribed"),
    (22, "busy"),
    (23, "internal"),
    (24, "drug_rule"),
    (25, "limit_1h"),
    (26, "refill_first"),
    (27, "running_therapy"),
    (28, "not_running"),
    (29, "implant_flag"),
    (30, "storage"),
    (31, "append_only"),
    # 32 was "programmed": the log's key is told by role now
    (45, "unauthenticated"),  # a command outside of a session
    (46, "wrong_key"),
    (47, "not_paired"),  # no key for this role
    (48, "slow_down"),  # after failed authentications; detail: seconds left
    (49, "session_expired"),  # idle or too old
    (50, "stale_counter"),
    (51, "truncated_tag"),
    (52, "not_authentic"),  # the tag is wrong
    (53, "wrong_role"),
    (54, "needs_button"),  # within 60 s from now, and the request again
    (55, "pairing"),  # under way: ask again
    (56, "bad_public_key"),
    (71, "too_many_sessions"),  # of this role; detail: seconds until there is another
    (72, "over_budget"),  # this role has used up its frames; detail: seconds until there are more
) + _MORE_REFUSALS

STATES = ((0, "unprogrammed"), (1, "infusing"), (2, "stopped"), (3, "fault")) + GUARD_STATES
BOLUS_KINDS = (
    (0, "basal"),
    (1, "clinician_bolus"),
    (2, "patient_bolus"),
    (3, "periodic_bolus"),
    (4, "extended_bolus"),
    (5, "prime"),
    (6, "bridge"),
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


def request_fields(opcode: int) -> "tuple[tuple[str, object], ...]":
    """The table of a request's payload."""
    for number, _, request, _ in MESSAGES:
        if number == opcode:
            return request
    raise WireError(UNKNOWN_NUMBER, "opcode")


def answer_fields(opcode: int) -> "tuple[tuple[str, object], ...]":
    """The table of the payload of an answer whose result is ok (of every other result: REFUSED)."""
    for number, _, _, answer in MESSAGES:
        if number == opcode:
            return answer
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
