"""The part of the protocol about self tests; part of `messages`."""

# in the order in which they are made; the first that fails is told
SELF_TESTS = (
    (PASSED := 0, "passed"),
    (CLOCK := 1, "clock"),
    (MEMORY := 2, "memory"),
    (CODE := 3, "code"),
    (RECORDS := 4, "records"),
    (CRITICAL_VALUES := 5, "critical_values"),
    (SENSORS := 6, "sensors"),
    (BATTERY := 7, "battery"),
    (TONE := 8, "tone"),
)
