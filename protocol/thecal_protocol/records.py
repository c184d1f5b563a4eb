"""The part of the protocol about records of the log: who did what, which kinds there are, which ring each is
kept in; part of `thecal_protocol.messages`. What they mean in words: docs/event-log.md."""

from thecal_protocol.guard import GUARD_EVENTS, GUARD_FAULT_RECORDS
from thecal_protocol.therapy import LIBRARY_EVENTS

_MORE_EVENTS = GUARD_EVENTS + LIBRARY_EVENTS

ACTORS = ((0, "pump"), (1, "observer"), (2, "patient"), (3, "clinician"), (4, "manufacturer"), (5, "host"))
EVENT_KINDS = (
    (1, "boot"),
    (2, "session_opened"),
    (3, "program_committed"),  # a: version of its drug library, b: that one's digest, little endian
    (4, "proposal_refused"),
    (5, "stopped"),
    (6, "resumed"),
    (7, "bolus_started"),  # code: bolus kind, ref: its number, a: dose ng, b: duration us
    (8, "bolus_delivered"),  # code: bolus kind, a: given pl
    (9, "bolus_cut_short"),  # the same
    (10, "bolus_refused"),  # code: bolus kind, b: refusal number, a: dose ng
    (11, "clock_set"),
    (12, "refilled"),
    (13, "fault"),
    (14, "alarm_raised"),  # code: ALARMS, a: its detail, b: 1 critical
    (15, "alarm_cleared"),  # code: ALARMS
    (16, "command_refused"),  # code: opcode, b: refusal number
    # a periodic one that fell into a stop, prime or bridge; code: bolus kind, a: dose ng
    (17, "bolus_left_out"),
    (18, "plan_step"),  # ref: index of the step that begins, a: its dose ng/day
    (19, "implant_flag_set"),
    (20, "plan_cancelled"),  # ref: index of the step whose dose stays
    (21, "bridge_skipped"),
    # after a reset; ref: how many there were, a: steps on the ledger, code 1: exactly; b: pl of those that
    # were reserved and count as given, though nobody knows whether they were made
    (22, "restored"),
    (23, "bolus_interrupted"),  # by a reset; code: bolus kind
    (24, "records_distrusted"),  # code: what could not be trusted (pump.records.keeper)
    # local time by the pump's clock; code: 1 boot, 2 clock change, 3 daily; ref: days since 2000-01-01,
    # a: second of that day, b: microsecond
    (25, "reference_time"),
    # code: 1 no room for them, 2 unreadable; ref: how many; those missing from a to b are meant
    (26, "records_lost"),
    # code: 1 new, 2 with a new key, as the old one was unreadable, 3 the ring of doses, on a flash without
    # one; a: last number before
    (27, "log_begun"),
    # code: role, ref: how often in a row (at 1, 2, 4, 8...), b: refusal number
    (45, "authentication_failed"),
    (46, "frames_refused"),  # code: refusal number, ref: how many since boot (at 1, 2, 4, 8...)
    (47, "pairing_begun"),  # code: role
    (48, "paired"),  # code: role, b: 1 when that revoked an older key
    (49, "session_ended"),  # code: 1 idle, 2 too old; ref: session
    (60, "press_taken"),  # of the button: it released the request that waited for it; code: its opcode
    # more of a record that is there (or, b 0, of several kinds), by the same actor with the same code;
    # ref: how many, a: second of the first of them, and of the last from bit 32 on (the pump's clock);
    # b: their kind, and from bit 8 on the refusal
    (70, "repeated"),
    # boluses that the patient asked for within an hour; ref: how many, a: second at which the hour began, and
    # from bit 32 on how many were given; b: how many were refused
    (71, "patient_requests"),
    # what a program changed; code: PROGRAM_FIELDS, ref: that of its program_committed, a: old value and, from
    # bit 56 on, which entry of a group, b: new value and, from bit 56 on, 1 in the last one of the commit; 0:
    # there is none. A name in pieces of 7 bytes. Code 0: they could not be told
    (72, "program_field"),
) + _MORE_EVENTS

# Fields of a program, as `program_field` names them: those of `therapy.THERAPY`, of groups after the
# group's name. Not among them: its schema, digests (`program_committed` has the library's), confirmed soft
# limits (a record each).
PROGRAM_FIELDS = (
    (1, "name"),
    (2, "reservoir_pl"),
    (3, "fill_pl"),
    (4, "step_volume_pl"),
    (5, "pump_tubing_pl"),
    (6, "catheter_length_um"),
    (7, "catheter_pl_per_cm"),
    (8, "basal_mode"),
    (9, "basal_dose_ng_per_day"),
    (10, "max_rate_pl_per_day"),
    (11, "low_reservoir_pl"),
    (12, "low_reservoir_days"),
    (13, "max_pause_s"),
    (14, "start_delay_s"),
    (20, "drugs.name"),
    (21, "drugs.concentration_ng_per_ml"),
    (22, "drugs.max_dose_24h_ng"),
    (23, "drugs.max_dose_1h_ng"),
    (30, "basal_steps"),  # dose ng/day, from bit 32 on the days, from bit 40 the minute at which it starts
    (31, "periodic_boluses.dose_ng"),
    (32, "periodic_boluses.duration_us"),
    (33, "periodic_boluses.every_us"),
    (34, "periodic_boluses.first_us"),
    (41, "patient_bolus.dose_ng"),
    (42, "patient_bolus.duration_us"),
    (43, "patient_bolus.lockout_us"),
    (44, "patient_bolus.max_per_24h"),
    (51, "plan.after_us"),
    (52, "plan.dose_ng_per_day"),
    (61, "bridge.dose_ng_per_day"),
    (62, "bridge.concentration_ng_per_ml"),
    (71, "library.version"),
    (72, "library.drugs.max_concentration_ng_per_ml"),
    (73, "library.drugs.max_dose_24h_ng"),
    (74, "library.drugs.rules"),
)
PIECES = 8  # of a name: the piece's index is PIECES x its entry's + its own

# Kinds of which repeats within an hour are counted, and told by one record ("repeated")
REPEATED_RECORDS = (2, 4, 10, 16, 28, 29, 30, 31, 47, 49)
RINGS = ((0, "events"), (1, "faults"), (2, "doses"))
# Kinds that are kept in the ring of faults, and those for which the ring of doses has places (so many a day,
# docs/event-log.md); all others are in the ring of events.
FAULT_RECORDS = (13, 14, 15, 24, 26) + GUARD_FAULT_RECORDS
DOSE_RECORDS = (3, 5, 6, 7, 8, 9, 11, 12, 17, 18, 19, 20, 21, 22, 23, 25, 27, 38, 43, 68, 72, 80)
