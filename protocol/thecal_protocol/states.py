"""The pump's states by number and name; part of `messages`. How one follows another: `pump.safety.states`."""

STATES = (
    (UNPROGRAMMED := 0, "unprogrammed"),
    (INFUSING := 1, "infusing"),
    (STOPPED := 2, "stopped"),
    (FAULT := 3, "fault"),
    (HELD := 4, "held"),  # at the minimum rate, by an alarm
    (HALTED := 5, "halted"),  # nothing flows, by an alarm; therapy goes on when it has cleared
    (SELF_TEST := 6, "self_test"),
)
COUNT = len(STATES)
