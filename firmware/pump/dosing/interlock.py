"""The delivery interlock, between the flow and the motor: what the flow tells and asks whoever guards it.

The pump's guard is `pump.safety.supervisor`.
"""


class OpenInterlock:
    """Stands where a pump has its guard (`pump.safety.supervisor`): everything passes."""

    def prescribe(self, prescription) -> None: ...

    def refit(self) -> None: ...

    def therapy(self, flows: bool) -> None: ...

    def restricted(self, level: int) -> None: ...

    def check_start(self, refill=None) -> None: ...

    def filled(self, refill, s: int, ref: int) -> None: ...

    def closing(self, s: int, us: int) -> None: ...

    def opening(self, s: int) -> None: ...

    def admits(self, run) -> bool:
        return True

    def may_run(self) -> bool:
        return True

    def failed(self, fault: int) -> None: ...
