"""The part of the protocol about records of the log: who did what, which kinds there are, which ring each is
kept in; part of `thecal_protocol.messages`. What they mean in words: docs/reference/event-log.md.

A row names its number, and both firmware and host know it by that name: `events.MOTOR_STALLED`."""

ACTORS = (
    (PUMP := 0, "pump"),
    (OBSERVER := 1, "observer"),
    (PATIENT := 2, "patient"),
    (CLINICIAN := 3, "clinician"),
    (MANUFACTURER := 4, "manufacturer"),
    (HOST := 5, "host"),
)
ACTOR_COUNT = len(ACTORS)

# Which ring keeps a record: that of doses has places for so many a day (docs/reference/event-log.md).
RINGS = ((EVENTS := 0, "events"), (FAULTS := 1, "faults"), (DOSES := 2, "doses"))
TOLD = 0  # each by itself
TOLD_ONCE = 1  # repeats within an hour are counted, and told by one record ("repeated")

# (number, name, ring, whether repeats are told once)
RECORDS = (
    (BOOT := 1, "boot", EVENTS, TOLD),
    (SESSION_OPENED := 2, "session_opened", EVENTS, TOLD_ONCE),
    # a: version of its drug library, b: that one's digest, little endian
    (PROGRAM_COMMITTED := 3, "program_committed", DOSES, TOLD),
    (PROPOSAL_REFUSED := 4, "proposal_refused", EVENTS, TOLD_ONCE),
    (STOPPED := 5, "stopped", DOSES, TOLD),
    (RESUMED := 6, "resumed", DOSES, TOLD),
    # code: bolus kind, ref: its number, a: dose ng, b: duration us
    (BOLUS_STARTED := 7, "bolus_started", DOSES, TOLD),
    (BOLUS_DELIVERED := 8, "bolus_delivered", DOSES, TOLD),  # code: bolus kind, a: given pl
    (BOLUS_CUT_SHORT := 9, "bolus_cut_short", DOSES, TOLD),  # the same
    # code: bolus kind, b: refusal number, a: dose ng
    (BOLUS_REFUSED := 10, "bolus_refused", EVENTS, TOLD_ONCE),
    (CLOCK_SET := 11, "clock_set", DOSES, TOLD),
    (REFILLED := 12, "refilled", DOSES, TOLD),
    (FAULT := 13, "fault", FAULTS, TOLD),
    (ALARM_RAISED := 14, "alarm_raised", FAULTS, TOLD),  # code: ALARMS, a: its detail, b: 1 critical
    (ALARM_CLEARED := 15, "alarm_cleared", FAULTS, TOLD),  # code: ALARMS
    (COMMAND_REFUSED := 16, "command_refused", EVENTS, TOLD_ONCE),  # code: opcode, b: refusal number
    # a periodic one that fell into a stop, prime or bridge; code: bolus kind, a: dose ng
    (BOLUS_LEFT_OUT := 17, "bolus_left_out", DOSES, TOLD),
    (PLAN_STEP := 18, "plan_step", DOSES, TOLD),  # ref: index of the step that begins, a: its dose ng/day
    (IMPLANT_FLAG_SET := 19, "implant_flag_set", DOSES, TOLD),
    (PLAN_CANCELLED := 20, "plan_cancelled", DOSES, TOLD),  # ref: index of the step whose dose stays
    (BRIDGE_SKIPPED := 21, "bridge_skipped", DOSES, TOLD),
    # after a reset; ref: how many there were, a: steps on the ledger, code 1: exactly; b: pl of those that
    # were reserved and count as given, though nobody knows whether they were made
    (RESTORED := 22, "restored", DOSES, TOLD),
    (BOLUS_INTERRUPTED := 23, "bolus_interrupted", DOSES, TOLD),  # by a reset; code: bolus kind
    # code: what could not be trusted (pump.records.persistence)
    (RECORDS_DISTRUSTED := 24, "records_distrusted", FAULTS, TOLD),
    # local time by the pump's clock; code: 1 boot, 2 clock change, 3 daily; ref: days since 2000-01-01,
    # a: second of that day, b: microsecond
    (REFERENCE_TIME := 25, "reference_time", DOSES, TOLD),
    # code: 1 no room for them, 2 unreadable; ref: how many; those missing from a to b are meant
    (RECORDS_LOST := 26, "records_lost", FAULTS, TOLD),
    # code: 1 new, 2 with a new key, as the old one was unreadable, 3 the ring of doses, on a flash without
    # one; a: last number before
    (LOG_BEGUN := 27, "log_begun", DOSES, TOLD),
    (ALARM_CONFIRMED := 28, "alarm_confirmed", EVENTS, TOLD_ONCE),  # code: alarm
    (ALARMS_SILENCED := 29, "alarms_silenced", EVENTS, TOLD_ONCE),  # a: seconds
    (ALARM_TESTED := 30, "alarm_tested", EVENTS, TOLD_ONCE),  # code: 1 critical tone, b: 1 it was heard
    (SELF_TESTED := 31, "self_tested", EVENTS, TOLD_ONCE),  # code: SELF_TESTS, a: us it took
    # a: steps driven without motion so far since the commit, b: their volume, pl
    (MOTOR_STALLED := 32, "motor_stalled", FAULTS, TOLD),
    # the same: a and b are all that is missing since the commit
    (MOTOR_RECOVERED := 33, "motor_recovered", FAULTS, TOLD),
    (DELIVERY_HELD := 34, "delivery_held", FAULTS, TOLD),  # by an alarm; code: alarm, b: 1 hold, 2 stop
    (DELIVERY_RELEASED := 35, "delivery_released", FAULTS, TOLD),  # code: the alarm that cleared last
    (FAULT_LATCHED := 36, "fault_latched", FAULTS, TOLD),  # code: alarm, a: its detail
    (FAULT_CLEARED := 37, "fault_cleared", FAULTS, TOLD),  # code: alarm
    # code: 0 as counted, 1 off, 2 pocket fill; a: counted pl, b: measured pl
    (REFILL_CHECKED := 38, "refill_checked", DOSES, TOLD),
    (SENSOR_FAILED := 39, "sensor_failed", FAULTS, TOLD),  # code: SENSORS, ref: SENSOR_STATES
    (SENSOR_RECOVERED := 40, "sensor_recovered", FAULTS, TOLD),  # code: SENSORS
    (VALUE_DAMAGED := 41, "value_damaged", FAULTS, TOLD),  # code: which (pump.safety.critical)
    (WOKEN_LATE := 42, "woken_late", FAULTS, TOLD),  # a: by how many us
    # the program that was to follow did not come within a day
    (REFILL_LAPSED := 43, "refill_lapsed", DOSES, TOLD),
    # code: role, ref: how often in a row (at 1, 2, 4, 8...), b: refusal number
    (AUTHENTICATION_FAILED := 45, "authentication_failed", EVENTS, TOLD),
    # code: refusal number, ref: how many since boot (at 1, 2, 4, 8...)
    (FRAMES_REFUSED := 46, "frames_refused", EVENTS, TOLD),
    (PAIRING_BEGUN := 47, "pairing_begun", EVENTS, TOLD_ONCE),  # code: role
    (PAIRED := 48, "paired", EVENTS, TOLD),  # code: role, b: 1 when that revoked an older key
    (SESSION_ENDED := 49, "session_ended", EVENTS, TOLD_ONCE),  # code: 1 idle, 2 too old; ref: session
    # of the button: it released the request that waited for it; code: its opcode
    (PRESS_TAKEN := 60, "press_taken", EVENTS, TOLD),
    # a person confirmed it; code: SOFT_LIMITS, ref: which drug, from 1, a: value, b: limit
    (SOFT_LIMIT_PASSED := 68, "soft_limit_passed", DOSES, TOLD),
    # more of a record that is there (or, b 0, of several kinds), by the same actor with the same code;
    # ref: how many, a: second of the first of them, and of the last from bit 32 on (the pump's clock);
    # b: their kind, and from bit 8 on the refusal
    (REPEATED := 70, "repeated", EVENTS, TOLD),
    # boluses that the patient asked for within an hour; ref: how many, a: second at which the hour began, and
    # from bit 32 on how many were given; b: how many were refused
    (PATIENT_REQUESTS := 71, "patient_requests", EVENTS, TOLD),
    # what a program changed; code: PROGRAM_FIELDS, ref: that of its program_committed, a: old value and, from
    # bit 56 on, which entry of a group, b: new value and, from bit 56 on, 1 in the last one of the commit; 0:
    # there is none. A name in pieces of 7 bytes. Code 0: they could not be told
    (PROGRAM_FIELD := 72, "program_field", DOSES, TOLD),
    # right after filling; code: 1 pocket fill, a: injected pl, b: found pl
    (REFILL_MEASURED := 80, "refill_measured", DOSES, TOLD),
    # the program's library does not know it; ref: which drug, from 1
    (UNKNOWN_DRUG := 85, "unknown_drug", EVENTS, TOLD),
)

EVENT_KINDS = tuple([row[:2] for row in RECORDS])
FAULT_RECORDS = tuple([row[0] for row in RECORDS if row[2] == FAULTS])
DOSE_RECORDS = tuple([row[0] for row in RECORDS if row[2] == DOSES])
REPEATED_RECORDS = tuple([row[0] for row in RECORDS if row[3] == TOLD_ONCE])

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

# one record, in an answer to messages.EVENTS
EVENT = (
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
    ("tag", "bytes"),  # chains the record to the one before it in its ring (docs/reference/event-log.md)
)

# the answer to messages.LOG_STATE
LOG_STATE = (
    ("next_event", "u32"),  # number of the next record to reach the flash
    ("boot", "u16"),
    ("failing", "u8"),  # 1: what happens does not get onto flash at present
    ("heap_free", "u32"),  # bytes; here, as to count them takes a chip 8 ms
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
)
