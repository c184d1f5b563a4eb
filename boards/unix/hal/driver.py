"""The motor driver of the simulated motor (docs/reference/board-interface.md, The motor driver)."""


class Driver:
    """One motor; off until `enable`. `feedback`: does anybody see whether it moves? `least_gap_us`: as stated
    to the firmware; this motor itself keeps none. Nothing allocates."""

    def __init__(self, feedback: bool = True, least_gap_us: int = 0):
        self.feedback = feedback
        self.least_gap_us = least_gap_us
        self.on = False  # for the motor

    def enable(self) -> None:
        """Steps move the motor."""
        self.on = True

    def disable(self) -> None:
        """It does not move, whatever steps come."""
        self.on = False
