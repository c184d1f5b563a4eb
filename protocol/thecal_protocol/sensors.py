"""The part of the protocol about sensors; part of `messages`."""

SENSORS = (
    (TEMPERATURE := 1, "temperature"),
    (BATTERY := 2, "battery"),
    (UPSTREAM := 3, "upstream"),
    (DOWNSTREAM := 4, "downstream"),
    (MOTOR := 5, "motor"),
    (MOTOR_SUPPLY := 6, "motor_supply"),
)
SENSOR_STATES = (
    (GOOD := 0, "good"),
    (MISSING := 1, "missing"),
    (OUT_OF_RANGE := 2, "out_of_range"),
    (STUCK := 3, "stuck"),
    (NOT_READ := 4, "not_read"),
    (NOT_FITTED := 5, "not_fitted"),
)

# to messages.SENSORS_READ
ANSWER = (
    ("sampled_s", "u32"),
    ("temperature_mc", "i64"),  # thousandths of a degree Celsius
    ("battery_mv", "i64"),
    ("upstream_pa", "i64"),
    ("downstream_pa", "i64"),
    ("states", (("sensor", "u8"), ("state", "u8"))),  # SENSORS, SENSOR_STATES
    ("missed_steps", "u32"),  # since boot: driven, and not seen to move
    ("missed_pl", "u64"),  # of the program's drug since its commit: driven, not seen to move
    ("eri_s", "u32"),  # when battery_eri came, 0xFFFFFFFF: it has not
)
