"""The part of the protocol about refusals; part of `messages`. Numbers never change meaning."""

# Why a request was refused: the result byte of every answer, 0 is "done".
REFUSALS = (
    (OK := 0, "ok"),
    (UNKNOWN_OPCODE := 1, "unknown_opcode"),
    (MALFORMED := 2, "malformed"),
    (NO_SESSION := 3, "no_session"),
    (PROTOCOL_MISMATCH := 4, "protocol_mismatch"),
    (NO_PROPOSAL := 5, "no_proposal"),
    (DIGEST_MISMATCH := 6, "digest_mismatch"),
    (OUT_OF_RANGE := 7, "out_of_range"),
    (INCONSISTENT := 8, "inconsistent"),
    (TOO_LARGE := 9, "too_large"),
    (NOT_PROGRAMMED := 10, "not_programmed"),
    (STOPPED := 11, "stopped"),
    (NOT_STOPPED := 12, "not_stopped"),
    (ALARM := 13, "alarm"),
    (BRIDGE := 14, "bridge"),
    (RUNNING := 15, "running"),
    (LOCKOUT := 16, "lockout"),
    (MAX_PER_24H := 17, "max_per_24h"),
    (LIMIT_24H := 18, "limit_24h"),
    (MAX_RATE := 19, "max_rate"),
    (RESERVOIR := 20, "reservoir"),
    (NOT_PRESCRIBED := 21, "not_prescribed"),
    (BUSY := 22, "busy"),
    (INTERNAL := 23, "internal"),
    (DRUG_RULE := 24, "drug_rule"),
    (LIMIT_1H := 25, "limit_1h"),
    (REFILL_FIRST := 26, "refill_first"),
    (RUNNING_THERAPY := 27, "running_therapy"),
    (NOT_RUNNING := 28, "not_running"),
    (IMPLANT_FLAG := 29, "implant_flag"),
    (STORAGE := 30, "storage"),
    (APPEND_ONLY := 31, "append_only"),
    # 32 was "programmed": the log's key is told by role now
    # until CLEAR_FAULT the pump answers questions only; detail: the alarm
    (FAULT_LATCHED := 33, "fault_latched"),
    (SELF_TEST := 34, "self_test"),  # detail: the one that failed
    (ANNUNCIATOR := 35, "annunciator"),  # no new start while nobody would hear an alarm (ALM-05)
    (STILL_PRESENT := 36, "still_present"),  # the condition stands
    (NO_ALARM := 37, "no_alarm"),
    (EXPIRED := 38, "expired"),  # the drug's stability
    (POCKET_FILL := 39, "pocket_fill"),  # clinician's look at the patient is due: refill again
    (UNAUTHENTICATED := 45, "unauthenticated"),  # a command outside of a session
    (WRONG_KEY := 46, "wrong_key"),
    (NOT_PAIRED := 47, "not_paired"),  # no key for this role
    (SLOW_DOWN := 48, "slow_down"),  # after failed authentications; detail: seconds left
    (SESSION_EXPIRED := 49, "session_expired"),  # idle or too old
    (STALE_COUNTER := 50, "stale_counter"),
    (TRUNCATED_TAG := 51, "truncated_tag"),
    (NOT_AUTHENTIC := 52, "not_authentic"),  # the tag is wrong
    (WRONG_ROLE := 53, "wrong_role"),
    (NEEDS_BUTTON := 54, "needs_button"),  # within 60 s from now, and the request again
    (PAIRING := 55, "pairing"),  # under way: ask again
    (BAD_PUBLIC_KEY := 56, "bad_public_key"),
    # 68 was "library_older": such a program needs a press now
    (LIBRARY_DIFFERS := 69, "library_differs"),
    (HARD_LIMIT := 70, "hard_limit"),
    (TOO_MANY_SESSIONS := 71, "too_many_sessions"),  # of this role; detail: seconds until there is another
    # this role has used up its frames; detail: seconds until there are more
    (OVER_BUDGET := 72, "over_budget"),
    # max_rate is over half of what the motor follows; detail: the most there may be, pL/day
    (MOTOR_SPEED := 80, "motor_speed"),
)
