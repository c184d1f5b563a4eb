"""The part of the protocol about the reservoir; part of `messages`."""

REFILL_REASONS = (
    (UNKNOWN := 0, "unknown"),
    (LOW_RESERVOIR := 1, "low_reservoir"),
    (STABILITY := 2, "stability"),
    (BATTERY := 3, "battery"),
)

# to messages.RESERVOIR
ANSWER = (
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
)
