"""What a program says in numbers: modes of the basal flow, rules of a drug; part of `therapy`."""

BASAL_MODES = (
    (BASAL_STOPPED := 0, "stopped"),
    (BASAL_CONTINUOUS := 1, "continuous"),
    (BASAL_FLEX := 2, "flex"),
    (BASAL_MINIMUM := 3, "minimum"),  # the lowest flow that the motor holds evenly
)

# bits of a drug's `rules`
NO_PATIENT_BOLUS = 1
WITHDRAWAL = 2  # its sudden end is dangerous: under-infusion is critical
UNKNOWN_DRUG = 4  # no rule: the library does not know it, which is put on record
DEMANDS = NO_PATIENT_BOLUS | WITHDRAWAL  # those that forbid or demand something
