"""The part of the protocol about alarms; part of `messages`.

`ALARMS` is the one table of alarms: the pump acts by it (`pump.safety.alarms`), the page alarms.md is made
from it, the comment above each row included: its cause; how it clears (ALM-01). A row names its number, and
both firmware and host know it by that name: `alarms.MOTOR_STALL`."""

NONE = 0  # what an alarm does to delivery: nothing;
HOLD = 1  # therapy gives way to the minimum rate, or to nothing where that is higher than therapy itself;
STOP = 2  # nothing flows. When neither stands any longer, therapy goes on: what was missed is not given late.
FATAL = 3  # nothing flows until the fault is cleared by command: the first one latches (INT-08).
ACTIONS = ((NONE, "none"), (HOLD, "hold"), (STOP, "stop"), (FATAL, "fatal"))

# (number, name, class, action)
ALARMS = (
    # a stop or pause has lasted longer than the program allows; when therapy flows again
    (MAX_PAUSE := 1, "max_pause", "noncritical", NONE),
    # what happens does not get onto flash; when it does again
    (LOG_FAILING := 2, "log_failing", "noncritical", NONE),
    # flash refuses writes: what is on record is given, then therapy stops; when a write succeeds
    (STORAGE := 3, "storage", "critical", NONE),
    # the counted volume is at the program's low volume, or lasts no longer than its low days; by a refill
    (LOW_RESERVOIR := 4, "low_reservoir", "noncritical", NONE),
    # the counted volume is at 0.5 mL; by a refill
    (EMPTY_RESERVOIR := 5, "empty_reservoir", "critical", STOP),
    # 16 steps in a row were driven and not seen to move; when 4 in a row have moved again
    (MOTOR_STALL := 6, "motor_stall", "critical", HOLD),
    # more left the pump than was prescribed, by the motor's own count: above 114.5 % at once, above 110 % for
    # 15 min; by clearing the fault
    (OVER_INFUSION := 7, "over_infusion", "critical", FATAL),
    # less than 90 % of what was prescribed was seen to move for 15 min, and no motor_stall stands; when it is
    # more again. Critical where the program's library says that a drug's sudden end is dangerous, and for a
    # program that says nothing of its drugs
    (UNDER_INFUSION := 8, "under_infusion", "noncritical", NONE),
    # the pressure in the catheter is above 25 kPa; when it is below 12 kPa
    (OCCLUSION_DOWNSTREAM := 9, "occlusion_downstream", "critical", STOP),
    # the reservoir is under suction, below -40 kPa; when it is above -25 kPa
    (OCCLUSION_UPSTREAM := 10, "occlusion_upstream", "critical", STOP),
    # the body is below 35 or above 40 degrees C; when it is between 35.2 and 39.8 again
    (TEMPERATURE := 11, "temperature", "noncritical", NONE),
    # the body is above 42 degrees C; when it is below 41.5 again
    (TEMPERATURE_HIGH := 12, "temperature_high", "critical", STOP),
    # a sensor is silent, out of its range or stuck; when it gives sound readings again
    (SENSOR_FAULT := 13, "sensor_fault", "noncritical", NONE),
    # the battery is near its end: the pump has 90 days left; never
    (BATTERY_ERI := 14, "battery_eri", "noncritical", NONE),
    # 90 days after battery_eri, or the battery is below its last voltage; never
    (BATTERY_EOS := 15, "battery_eos", "critical", STOP),
    # nothing has flowed for 48 h; when therapy flows again
    (STOPPED_48H := 16, "stopped_48h", "critical", NONE),
    # the buzzer was not heard when it should have sounded: no therapy starts, a running one goes on; when it
    # sounds again
    (ANNUNCIATOR := 17, "annunciator", "noncritical", NONE),
    # a self test failed; by clearing the fault, which tests again
    (SELF_TEST := 18, "self_test", "critical", FATAL),
    # a critical value is not what was stored; by clearing the fault, which takes it from flash again
    (MEMORY := 19, "memory", "critical", FATAL),
    # the firmware on flash is not what was installed; when all of it is again. A file
    # is checked every 15 min, all of them within a day
    (CODE := 20, "code", "critical", NONE),
    # the same fault came and went 3 times in 10 min; by clearing the fault
    (REPEATED_FAULT := 21, "repeated_fault", "critical", FATAL),
    # a window of 1 h or 24 h holds more than its limit, by the motor's own count; by clearing the fault
    (DOSE_GUARD := 22, "dose_guard", "critical", FATAL),
    # motor and prescription have come apart, or the firmware failed; by clearing the fault
    (FAULT := 23, "fault", "critical", FATAL),
    # the drug's stability ends or the refill is due within the program's low days; by a refill
    (REFILL_DUE := 24, "refill_due", "noncritical", NONE),
    # at the last refill over 2 mL more or less than was counted came out; when it is confirmed, or by the
    # next refill
    (REFILL_RESIDUAL := 25, "refill_residual", "noncritical", NONE),
    # after filling, less was found in the reservoir than was injected: it may be beside the pump; by the next
    # refill
    (POCKET_FILL := 26, "pocket_fill", "critical", STOP),
    # the pump was reset, or without power, 3 times within an hour of its clock, which stands still meanwhile;
    # when an hour has passed without
    (RESETS := 27, "resets", "noncritical", NONE),
    # the records on flash are of another format, and this firmware could not take the program over: there
    # is none, and nothing flows; detail: that format. By a program, or with the firmware that wrote them
    (RECORDS_FORMAT := 28, "records_format", "critical", NONE),
)

# The same by number, as the pump looks them up; 0 is no alarm.
COUNT = 1 + len(ALARMS)
CRITICAL = bytes([0] + [row[2] == "critical" for row in ALARMS])
ACTION = bytes([NONE] + [row[3] for row in ALARMS])

# of an alarm in an answer
LIVE = 1  # its condition stands
CONFIRMED = 2  # somebody has taken note: it sounds no more until it is raised again

# to messages.ALARMS_LIST
ANSWER = (
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
            (
                "detail",
                "u64",
            ),  # what was measured, or how much is missing: by alarm (docs/reference/alarms.md)
        ),
    ),
)
