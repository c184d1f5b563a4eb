"""What the bench of the emulated pump and the host call by the same names. No part of the pump's protocol."""

# Faults of the pump's own planning (docs/reference/boards-unix.md)
PLANNER_FAULTS = (
    "rate",
    "planner_rate",
    "runaway",
    "stuck_on",
    "stuck_off",
    "double_commit",
    "no_stop",
    "no_cancel",
    "past_change",
    "unledgered",
)
