"""So many in store, so many regained with time: what bounds how often something may happen.

Time is the pump's clock, so nothing is regained while it is off. Nothing here allocates.
"""


class RateLimit:
    """`left` in store, never more than `most`; `gain` more every `every_s`."""

    def __init__(self, most: int, gain: int, every_s: int):
        self.most = most
        self.left = most >> 1  # a reset is no refill: `fill` says where there was none
        self._gain = gain
        self._every_s = every_s
        self._since_s = -1  # until it is known what time it is, nothing is regained

    def begin(self, s: int, full: bool) -> None:
        """Once: it is known what time it is, and whether this is the first boot of all."""
        self._since_s = s
        if full:
            self.left = self.most

    def has(self, s: int, count: int) -> bool:
        """Are so many in store at this second?"""
        if self._since_s >= 0:
            spans = (s - self._since_s) // self._every_s
            if spans > 0:
                self._since_s += spans * self._every_s
                if spans > self.most:
                    spans = self.most
                self.left += spans * self._gain
                if self.left > self.most:
                    self.left = self.most
        return self.left >= count

    def take(self, s: int) -> bool:
        """One of them, if there is one."""
        if self.has(s, 1):
            self.left -= 1
            return True
        return False

    def wait_s(self, s: int) -> int:
        """Seconds until more is regained."""
        return self._since_s + self._every_s - s
