"""The delivery interlock: the seam between dosing and the guard. Dosing tells it what it is about to do, and
no run of steps goes to the motor that it does not admit.

`Delivery` and the therapy controller call it; a pump's own is `pump.safety.supervisor`. In the order
of a command: `check_start`, `closing`, (`filled`,) `prescribe`, `therapy`, `refit`, `opening`; then, before
each run, `may_run` and `admits`. None of `closing`, `opening`, `may_run`, `admits`, `alarm` may allocate.
"""

# Whose fault ended delivery, and by which code.
FAULT_NONE = 0
FAULT_OF_FLOW = 1  # one of the codes below
FAULT_OF_GUARD = 2  # the code is a fatal alarm's number
PHASE = 1  # the motor's count is not what the accumulator owes
STORAGE = 2  # no more steps can be put on record

# What an alarm leaves of delivery.
FREE = 0
KEEP_OPEN = 1  # the keep-open rate (KVO), where that is less
HALTED = 2  # nothing


class OpenInterlock:
    """Stands where no guard is: everything passes."""

    def check_start(self, refill=None) -> None:
        """Therapy is to start, with `refill` where one comes with it. Raises Refused: it may not."""

    def prescribe(self, prescription) -> None:
        """A program is in force from here on, also after a reset."""

    def refit(self) -> None:
        """What a source may give has been prescribed anew: its volume, its duration."""

    def therapy(self, flows: bool) -> None:
        """Therapy is to flow, or not: by a command, or by the end of a timed stop."""

    def restricted(self, level: int) -> None:
        """Delivery is brought down to this level (`FREE`, `KEEP_OPEN`, `HALTED`), as an alarm asked."""

    def filled(self, refill, s: int, ref: int) -> None:
        """The reservoir was filled, at this second; `ref`: of the program that comes with it, or 0."""

    def closing(self, s: int, us: int) -> None:
        """A segment has ended at (s, us): what was to be made until then is known."""

    def opening(self, s: int) -> None:
        """The next segment begins, with the rate that the accumulator holds now."""

    def may_run(self) -> bool:
        """May steps be handed out at all? Asked before a run is planned."""
        return True

    def admits(self, run) -> bool:
        """May this run go to the motor?"""
        return True

    def alarm(self, s: int, us: int, number: int, stands: bool) -> None:
        """An alarm that dosing itself watches (a stop that lasts too long) comes or goes at (s, us)."""

    def failed(self, fault: int, code: int) -> None:
        """Delivery has ended for good: whose fault (`FAULT_OF_FLOW`, `FAULT_OF_GUARD`), and its code."""
