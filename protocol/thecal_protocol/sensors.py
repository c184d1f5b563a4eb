"""The part of the protocol about sensors; part of `messages`.

`SENSORS` has one row for each sensor. One with a reading names what it reads in, which readings are plausible
(what lies outside is a fault of the sensor, never "normal"), and how a person reads it: the format of a
thousand of these units. The board's attribute, the field of the answer and the key in JSON are one name, such
as `battery_mv`.
"""

# (number, name, unit of its reading, lowest and highest that is plausible, for people). No unit: no reading
SENSORS = (
    (TEMPERATURE := 1, "temperature", "mc", 10_000, 60_000, ".1f C"),  # thousandths of a degree Celsius
    (BATTERY := 2, "battery", "mv", 1_500, 5_600, ".2f V"),
    (UPSTREAM := 3, "upstream", "pa", -100_000, 200_000, ".1f kPa"),
    (DOWNSTREAM := 4, "downstream", "pa", -100_000, 200_000, ".1f kPa"),
    (MOTOR := 5, "motor", "", 0, 0, ""),
    (MOTOR_SUPPLY := 6, "motor_supply", "", 0, 0, ""),
)
NO_READING = -(1 << 29)  # of one that does not answer

# of those with a reading: (number, the board's attribute, lowest, highest)
READINGS = tuple([(row[0], row[1] + "_" + row[2], row[3], row[4]) for row in SENSORS if row[2]])

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
    (("sampled_s", "u32"),)
    + tuple([(row[1], "i64") for row in READINGS])
    + (
        ("states", (("sensor", "u8"), ("state", "u8"))),  # SENSORS, SENSOR_STATES
        ("missed_steps", "u32"),  # since boot: driven, and not seen to move
        ("missed_pl", "u64"),  # of the program's drug since its commit: driven, not seen to move
        ("eri_s", "u32"),  # when battery_eri came, 0xFFFFFFFF: it has not
    )
)
