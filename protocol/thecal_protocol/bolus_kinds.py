"""The kinds of boluses: every source of flow beside the basal one. Part of `messages`.

`BOLUSES` has one row for each. From it follow its number and name in answers and records, who asks for it and
by which word of a clinician's proposal, what gives way to what, which place its records have in the log; in
reports, the store's FHIR and the campaigns, what it is called and whether it is a dose.
"""

# What a kind is
BY_CLINICIAN = 1  # proposed, with dose and duration; by the word of its row, where one is needed to tell it
GOES_FIRST = 2  # others of these kinds wait for it; asked for by the patient, under the program's lockout
GIVES_WAY = 4  # it waits meanwhile, to the microsecond
OFTEN = 8  # by the program or the patient: its records have places of their own in the ring of doses (REC-07)
ALONE = 16  # a volume and no dose: while it runs, nothing else flows

# (number, name, what it is, its word in a clinician's proposal)
BOLUSES = (
    (BASAL := 0, "basal", 0, ""),
    (CLINICIAN_BOLUS := 1, "clinician_bolus", BY_CLINICIAN, ""),
    (PATIENT_BOLUS := 2, "patient_bolus", GOES_FIRST | OFTEN, ""),
    (PERIODIC_BOLUS := 3, "periodic_bolus", OFTEN, ""),
    (EXTENDED_BOLUS := 4, "extended_bolus", BY_CLINICIAN | GIVES_WAY, "extended"),
    (PRIME := 5, "prime", ALONE, ""),
    (BRIDGE := 6, "bridge", ALONE, ""),
)

BOLUS_KINDS = tuple([row[:2] for row in BOLUSES])
PROPOSED = tuple([(row[0], row[3]) for row in BOLUSES if row[2] & BY_CLINICIAN])  # the plain one first
WORDS = tuple([row[3] for row in BOLUSES if row[3]])
GOING_FIRST = tuple([row[0] for row in BOLUSES if row[2] & GOES_FIRST])
GIVING_WAY = tuple([row[0] for row in BOLUSES if row[2] & GIVES_WAY])
COMING_OFTEN = tuple([row[0] for row in BOLUSES if row[2] & OFTEN])
NO_DOSE = tuple([row[0] for row in BOLUSES if row[2] & ALONE])
KINDS = len(BOLUSES)
