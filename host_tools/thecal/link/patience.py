"""How long a device may keep a host waiting in all: who answers late again and again is no pump (HOST-25).

Each try of a request has its time-out, but a device that takes nearly all of it, for each page of a list
without end, would hold a command for hours. So what is waited for comes out of a store of seconds; each
answer, and time in which nothing is asked, puts some back. A pump never comes near its end: it answers within
some 20 ms, on a line of 115,200 baud within 50.
"""

import time


class Patience:
    """The store of one session, full at first."""

    def __init__(self, most_s: float, fair_s: float) -> None:
        self._most_s = self.left_s = most_s
        self._fair_s = fair_s
        self._ended_s = time.monotonic()

    def begin(self) -> None:
        """A request is about to be sent."""
        self._put_back(time.monotonic() - self._ended_s)

    def end(self) -> None:
        """It was answered, or is given up."""
        self._put_back(self._fair_s)
        self._ended_s = time.monotonic()

    def waited(self, since_s: float, at_most_s: float) -> None:
        """One try was waited for. Never more than was planned: who slept longer was this computer."""
        self.left_s -= min(time.monotonic() - since_s, at_most_s)

    def _put_back(self, seconds: float) -> None:
        self.left_s = min(self._most_s, self.left_s + seconds)
