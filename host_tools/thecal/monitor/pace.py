"""How soon who watches a pump looks again: in the long run it asks less than the pump gives a key.

A role has 20,000 requests in store and regains 5 a second (SEC-19). A look of the monitor is two, every
`status.SLOW_S` some more: with one look a second that is less than three a second. Whoever wants to look
more often may for a while; so may a pump whose ledger takes many requests to read.
"""

import time
from collections.abc import Callable

from thecal.link.client import Client

IN_STORE = 2000  # requests, as fast as they are wanted; the pump's own store is for commands
A_SECOND = 4  # from then on


class Pace:
    """Looks `interval_s` apart, and further where they would ask too much."""

    def __init__(
        self, client: Client, interval_s: float, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._interval_s = interval_s
        self._clock_s = clock_s
        self._spare: float = IN_STORE
        self._asked = client.asked
        self._at_s = clock_s()

    def wait_s(self) -> float:
        """Right after a look: how long until the next."""
        at_s, asked = self._clock_s(), self._client.asked
        regained = self._spare + (at_s - self._at_s) * A_SECOND
        self._spare = min(IN_STORE, regained) - (asked - self._asked)
        self._at_s, self._asked = at_s, asked
        return max(self._interval_s, -self._spare / A_SECOND)
