"""The part of the protocol about alarms, sensors, self tests and the reservoir; part of `messages`.

`ALARMS` is the one table of alarms: the pump acts by it (`pump.safety.alarms`), docs/alarms.md is made
from it, the comment above each row included: its cause; how it clears (ALM-01)."""

NONE = 0  # what an alarm does to delivery: nothing;
HOLD = 1  # therapy gives way to the minimum rate, or to nothing where that is higher than therapy itself;
STOP = 2  # nothing flows. When neither stands any longer, therapy goes on: what was missed is not given late.
FATAL = 3  # nothing flows until the fault is cleared by command: the first one latches (INT-08).
ACTIONS = ((NONE, "none"), (HOLD, "hold"), (STOP, "stop"), (FATAL, "fatal"))

# (number, name, class, action)
ALARMS = (
    # a stop or pause has lasted longer than the program allows; when therapy flows again
    (1, "max_pause", "noncritical", NONE),
    # what happens does not get onto flash; when it does again
    (2, "log_failing", "noncritical", NONE),
    # flash refuses writes: what is on record is given, then therapy stops; when a write succeeds
    (3, "storage", "critical", NONE),
    # the counted volume is at the program's low volume, or lasts no longer than its low days; by a refill
    (4, "low_reservoir", "noncritical", NONE),
    # the counted volume is at 0.5 mL; by a refill
    (5, "empty_reservoir", "critical", STOP),
    # 16 steps in a row were driven and not seen to move; when 4 in a row have moved again
    (6, "motor_stall", "critical", HOLD),
    # more left the pump than was prescribed, by the motor's own count: above 114.5 % at once, above 110 % for
    # 15 min; by clearing the fault
    (7, "over_infusion", "critical", FATAL),
    # less than 90 % of what was prescribed was seen to move for 15 min, and no motor_stall stands; when it is
    # more again. Critical where the program's library says that a drug's sudden end is dangerous, and for a
    # program that says nothing of its drugs
    (8, "under_infusion", "noncritical", NONE),
    # the pressure in the catheter is above 25 kPa; when it is below 12 kPa
    (9, "occlusion_downstream", "critical", STOP),
    # the reservoir is under suction, below -40 kPa; when it is above -25 kPa
    (10, "occlusion_upstream", "critical", STOP),
    # the body is below 35 or above 40 degrees C; when it is between 35.2 and 39.8 again
    (11, "temperature", "noncritical", NONE),
    # the body is above 42 degrees C; when it is below 41.5 again
    (12, "temperature_high", "critical", STOP),
    # a sensor is silent, out of its range or stuck; when it gives sound readings again
    (13, "sensor_fault", "noncritical", NONE),
    # the battery is near its end: the pump has 90 days left; never
    (14, "battery_eri", "noncritical", NONE),
    # 90 days after battery_eri, or the battery is below its last voltage; never
    (15, "battery_eos", "critical", STOP),
    # nothing has flowed for 48 h; when therapy flows again
    (16, "stopped_48h", "critical", NONE),
    # the buzzer was not heard when it should have sounded: no therapy starts, a running one goes on; when it
    # sounds again
    (17, "annunciator", "noncritical", NONE),
    # a self test failed; by clearing the fault, which tests again
    (18, "self_test", "critical", FATAL),
    # a critical value is not what was stored; by clearing the fault, which takes it from flash again
    (19, "memory", "critical", FATAL),
    # the firmware on flash is not what was installed; when all of it is again. A file
    # is checked every 15 min, all of them within a day
    (20, "code", "critical", NONE),
    # the same fault came and went 3 times in 10 min; by clearing the fault
    (21, "repeated_fault", "critical", FATAL),
    # a window of 1 h or 24 h holds more than its limit, by the motor's own count; by clearing the fault
    (22, "dose_guard", "critical", FATAL),
    # motor and prescription have come apart, or the firmware failed; by clearing the fault
    (23, "fault", "critical", FATAL),
    # the drug's stability ends or the refill is due within the program's low days; by a refill
    (24, "refill_due", "noncritical", NONE),
    # at the last refill over 2 mL more or less than was counted came out; when it is confirmed, or by the
    # next refill
    (25, "refill_residual", "noncritical", NONE),
    # after filling, less was found in the reservoir than was injected: it may be beside the pump; by the next
    # refill
    (26, "pocket_fill", "critical", STOP),
    # the pump was reset, or without power, 3 times within an hour of its clock, which stands still meanwhile;
    # when an hour has passed without
    (27, "resets", "noncritical", NONE),
    # the records on flash are of another format, and this firmware could not take the program over: there
    # is none, and nothing flows; detail: that format. By a program, or with the firmware that wrote them
    (28, "records_format", "critical", NONE),
)

SELF_TESTS = (
    (0, "passed"),
    (1, "clock"),
    (2, "memory"),
    (3, "code"),
    (4, "records"),
    (5, "critical_values"),
    (6, "sensors"),
    (7, "battery"),
    (8, "tone"),
)
SENSORS = (
    (1, "temperature"),
    (2, "battery"),
    (3, "upstream"),
    (4, "downstream"),
    (5, "motor"),
    (6, "motor_supply"),
)
SENSOR_STATES = (
    (0, "good"),
    (1, "missing"),
    (2, "out_of_range"),
    (3, "stuck"),
    (4, "not_read"),
    (5, "not_fitted"),
)
REFILL_REASONS = ((0, "unknown"), (1, "low_reservoir"), (2, "stability"), (3, "battery"))

# of an alarm in ALARMS_LIST
LIVE = 1  # its condition stands
CONFIRMED = 2  # somebody has taken note: it sounds no more until it is raised again

ALARMS_LIST = 0x40
ALARM_CONFIRM = 0x41
ALARM_SILENCE = 0x42
ALARM_TEST = 0x43
SENSORS_READ = 0x44
SELF_TEST = 0x45
CLEAR_FAULT = 0x46
RESERVOIR = 0x47

_AT = (("at_s", "u32"), ("at_us", "u32"))

GUARD_MESSAGES = (
    (
        ALARMS_LIST,
        "alarms",
        (("first", "u16"),),  # index of the first one wanted
        (
            ("total", "u16"),  # how many stand
            ("announced", "u8"),  # the one that is announced, of the highest class; 0: none
            ("silent_s", "u16"),  # how long it still keeps silent
            ("fault", "u8"),  # the first fatal one since the last CLEAR_FAULT, 0: none
            ("fault_detail", "u32"),
            (
                "alarms",  # as many as there is room for
                (
                    ("alarm", "u8"),
                    ("critical", "u8"),  # its class now: 1 critical
                    ("state", "u8"),  # LIVE, CONFIRMED
                    ("raised_s", "u32"),
                    ("raised_us", "u32"),
                    ("detail", "u64"),  # what was measured, or how much is missing: by alarm (docs/alarms.md)
                ),
            ),
        ),
    ),
    # alarm 0: all of them. Silences until it is raised anew; never clears a condition (ALM-04)
    (ALARM_CONFIRM, "alarm_confirm", (("alarm", "u8"),), (("confirmed", "u16"),)),
    # for at most 2 min when a critical one stands, else 1 h (ALM-03)
    (ALARM_SILENCE, "alarm_silence", (), (("silent_s", "u16"),)),
    # critical 1: the tone of critical alarms; sounded 0: the buzzer was not heard
    (ALARM_TEST, "alarm_test", (("critical", "u8"),), (("sounded", "u8"),)),
    (
        SENSORS_READ,
        "sensors",
        (),
        (
            ("sampled_s", "u32"),
            ("temperature_mc", "i64"),  # thousandths of a degree Celsius
            ("battery_mv", "i64"),
            ("upstream_pa", "i64"),
            ("downstream_pa", "i64"),
            ("states", (("sensor", "u8"), ("state", "u8"))),  # SENSORS, SENSOR_STATES
            ("missed_steps", "u32"),  # since boot: driven, and not seen to move
            ("missed_pl", "u64"),  # of the program's drug since its commit: driven, not seen to move
            ("eri_s", "u32"),  # when battery_eri came, 0xFFFFFFFF: it has not
        ),
    ),
    (SELF_TEST, "self_test", (), (("failed", "u8"), ("took_us", "u32"))),  # SELF_TESTS
    # tests itself and takes the program from flash again; then the pump is stopped, or unprogrammed
    (CLEAR_FAULT, "clear_fault", (), _AT + (("state", "u8"),)),
    (
        RESERVOIR,
        "reservoir",
        (("first", "u16"),),  # index of the first check wanted, 0: the last refill
        (
            ("reservoir_pl", "u64"),  # counted
            ("filled_pl", "u64"),  # what the last filling put in
            ("missed_pl", "u64"),  # counted since then and not seen to move; messages.UNSEEN: not known
            ("low_pl", "u64"),
            ("low_days", "u16"),
            ("empty_pl", "u64"),
            ("to_low_s", "u32"),  # at the present program with every bolus it allows; 0xFFFFFFFF: never
            ("to_empty_s", "u32"),
            ("refill_day", "u16"),  # days since 2000-01-01 local time; 0: unknown
            ("refill_reason", "u8"),  # REFILL_REASONS
            ("lot", "str"),
            ("expiry_day", "u16"),  # last day of the drug's stability; 0: not said
            ("total", "u16"),  # checks that are kept
            (
                "checks",  # newest first
                (
                    ("at_s", "u32"),
                    ("day", "u16"),  # local, since 2000-01-01
                    ("filled_pl", "u64"),  # at the refill before it
                    ("counted_pl", "u64"),  # residual by the count
                    ("residual_pl", "u64"),  # as measured
                    ("ratio_ppm", "u32"),  # (filled - residual) / (filled - counted); 0xFFFFFFFF: not known
                ),
            ),
        ),
    ),
)

GUARD_REFUSALS = (
    (33, "fault_latched"),  # until CLEAR_FAULT the pump answers questions only; detail: the alarm
    (34, "self_test"),  # detail: the one that failed
    (35, "annunciator"),  # no new start while nobody would hear an alarm (ALM-05)
    (36, "still_present"),  # the condition stands
    (37, "no_alarm"),
    (38, "expired"),  # the drug's stability
    (39, "pocket_fill"),  # clinician's look at the patient is due: refill again
    (
        80,
        "motor_speed",
    ),  # max_rate is over half of what the motor follows; detail: the most there may be, pL/day
)

GUARD_STATES = (
    (4, "held"),  # at the minimum rate, by an alarm
    (5, "halted"),  # nothing flows, by an alarm; therapy goes on when it has cleared
    (6, "self_test"),
)

GUARD_EVENTS = (
    (28, "alarm_confirmed"),  # code: alarm
    (29, "alarms_silenced"),  # a: seconds
    (30, "alarm_tested"),  # code: 1 critical tone, b: 1 it was heard
    (31, "self_tested"),  # code: SELF_TESTS, a: us it took
    (32, "motor_stalled"),  # a: steps driven without motion so far since the commit, b: their volume, pl
    (33, "motor_recovered"),  # the same: a and b are all that is missing since the commit
    (34, "delivery_held"),  # by an alarm; code: alarm, b: 1 hold, 2 stop
    (35, "delivery_released"),  # code: the alarm that cleared last
    (36, "fault_latched"),  # code: alarm, a: its detail
    (37, "fault_cleared"),  # code: alarm
    (38, "refill_checked"),  # code: 0 as counted, 1 off, 2 pocket fill; a: counted pl, b: measured pl
    (39, "sensor_failed"),  # code: SENSORS, ref: SENSOR_STATES
    (40, "sensor_recovered"),  # code: SENSORS
    (41, "value_damaged"),  # code: which (pump.safety.critical)
    (42, "woken_late"),  # a: by how many us
    (43, "refill_lapsed"),  # the program that was to follow did not come within a day
    (80, "refill_measured"),  # right after filling; code: 1 pocket fill, a: injected pl, b: found pl
)
GUARD_FAULT_RECORDS = (32, 33, 34, 35, 36, 37, 39, 40, 41, 42)
