"""A stop of therapy: whether it ends by itself, and when it has lasted too long (ALM-06). Nothing here
allocates after construction."""

from pump.units import Instant
from thecal_protocol import alarms as alarm

_LONGEST_STOP_S = 2 * 86_400


class Pause:
    """Of one delivery."""

    def __init__(self):
        self.resume_at = Instant()  # a stop that ends by itself
        self.alarm_at = Instant()  # when a stop has lasted too long
        self.most_s = 0  # the program's limit
        self.too_long = False

    def begin(self, s: int, us: int, resume_after_s: int) -> None:
        """From this instant; 0: it does not end by itself."""
        self.resume_at.set_never()
        if resume_after_s:
            self.resume_at.set(s, us)
            self.resume_at.add(resume_after_s, 0)

    def watch(self, s: int, us: int, most_s: int) -> None:
        """It is an alarm when it lasts so long."""
        self.alarm_at.set(s, us)
        self.alarm_at.add(most_s, 0)

    def end(self, interlock, s: int, us: int) -> None:
        """The stop is over: its alarm clears."""
        self.resume_at.set_never()
        if self.lasts_two_days():
            interlock.alarm(s, us, alarm.STOPPED_48H, False)
        self.alarm_at.set_never()
        if self.too_long:
            self.too_long = False
            interlock.alarm(s, us, alarm.MAX_PAUSE, False)

    def run_on(self, interlock, s: int, us: int) -> None:
        """It lasts too long: first by the program's limit, then by two days (ALM-06)."""
        if self.too_long:
            self.alarm_at.set_never()
            interlock.alarm(s, us, alarm.STOPPED_48H, True)
            return
        self.too_long = True
        self.alarm_at.add(_LONGEST_STOP_S - self.most_s, 0)
        interlock.alarm(s, us, alarm.MAX_PAUSE, True)

    def lasts_two_days(self) -> bool:
        return self.too_long and self.alarm_at.is_never()
