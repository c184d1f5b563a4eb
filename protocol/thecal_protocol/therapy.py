"""What a proposal carries: therapy, bolus, clock and refill as tables of fields (see `codec`).

Doses are integer ng (or ng/day), concentrations ng/mL, volumes pL, times us or s: an amount that is not a
whole number of its unit cannot be said on the wire. An optional section is a group of none or one entry.
A limit of 0 means "no limit of this kind".
"""

from thecal_protocol.bolus_kinds import WORDS

SCHEMA_VERSION = 1

THERAPY = (
    ("schema", "u8"),
    ("name", "str"),
    ("reservoir_pl", "u64"),
    ("fill_pl", "u64"),
    ("step_volume_pl", "u32"),
    ("pump_tubing_pl", "u64"),
    ("catheter_length_um", "u32"),
    ("catheter_pl_per_cm", "u64"),
    (
        "drugs",  # the first is primary: doses are of it
        (
            ("name", "str"),
            ("concentration_ng_per_ml", "u64"),
            ("max_dose_24h_ng", "u64"),
            ("max_dose_1h_ng", "u64"),
        ),
    ),
    ("basal_mode", "u8"),  # program.BASAL_MODES
    ("basal_dose_ng_per_day", "u64"),  # continuous only, else 0
    ("basal_steps", (("start_min", "u16"), ("days", "u8"), ("dose_ng_per_day", "u64"))),  # days: bit 0 Monday
    (
        "periodic_boluses",
        (("dose_ng", "u64"), ("duration_us", "u64"), ("every_us", "u64"), ("first_us", "u64")),
    ),
    (
        "patient_bolus",
        (("dose_ng", "u64"), ("duration_us", "u64"), ("lockout_us", "u64"), ("max_per_24h", "u16")),
    ),
    ("max_rate_pl_per_day", "u64"),
    ("low_reservoir_pl", "u64"),
    ("low_reservoir_days", "u16"),
    ("max_pause_s", "u32"),
    ("start_delay_s", "u32"),  # infusion begins so long after the commit
    # taper or titration: from so long after the commit
    ("plan", (("after_us", "u64"), ("dose_ng_per_day", "u64"))),
    # the old filling in the catheter, before the program's own rate: its dose and concentration
    ("bridge", (("dose_ng_per_day", "u64"), ("concentration_ng_per_ml", "u64"))),
    # the drug library that it was made with: its version and the first 8 bytes of its digest (HOST-05), what
    # it says of each drug, and the soft limits that a person passed knowingly (SEC-12)
    (
        "library",
        (
            ("version", "u32"),
            ("digest", "bytes"),
            (
                "drugs",  # as many as the therapy has; hard limits
                (("max_concentration_ng_per_ml", "u64"), ("max_dose_24h_ng", "u64"), ("rules", "u8")),
            ),
            ("confirmed", (("drug", "u8"), ("what", "u8"), ("value", "u64"), ("limit", "u64"))),
        ),
    ),
)

LIBRARY_DIGEST_SIZE = 8
# `what` of a confirmed soft limit, and its unit
SOFT_LIMITS = ((1, "dose_24h"), (2, "concentration"), (3, "step"))  # ng, ng/mL, ng/day

# a clinician's: the plain one, or the kind whose word is 1
BOLUS = (("dose_ng", "u64"), ("duration_us", "u64")) + tuple([(word, "u8") for word in WORDS])

CLOCK = (("absolute", "u8"), ("day", "u16"), ("second", "u32"), ("us", "u32"), ("offset_us", "i64"))

REFILL = (
    ("volume_pl", "u64"),  # injected
    ("residual_pl", "u64"),  # came out before
    ("lot", "str"),  # of the drug, at most 24 bytes
    ("expiry_day", "u16"),  # last day of its stability in the pump, days since 2000-01-01; 0: not said
    ("checked", "u8"),  # 1: measured_pl was found in the reservoir after filling (pocket fill)
    ("measured_pl", "u64"),
)

# A refill and the program of what was filled in, at one instant: the fields of both, the program's bytes last
REFILL_AND_PROGRAM = REFILL + THERAPY

# dry 1: the whole dead volume; 0: the catheter's only, the pump having been primed before
PRIME = (("dry", "u8"),)
