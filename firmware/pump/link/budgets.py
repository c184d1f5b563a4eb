"""How much a host with a key may ask for: frames and sessions, by role (SEC-19).

A key is a right to ask, not to drain the battery: 20,000 frames and 60 sessions in store, 5 frames a second
and one session a minute regained, on the pump's clock. So a whole log, eight hours of watching and a year
of commands fit, and a host that loops does not. What one role has used up takes nothing from another; the
clinician has more frames for `stop` alone. All of it is in memory: after a reset half is in store, on the
first boot of all the whole.

Nothing here allocates but a refusal.
"""

from pump.rate_limit import RateLimit
from pump.therapy.bounds import Refused
from thecal_protocol import roles
from thecal_protocol.messages import STOP

FRAMES = 20_000
FRAMES_A_S = 5
SESSIONS = 60
SESSION_S = 60
FOR_STOP = 100


class Budgets:
    """What each role has in store."""

    def __init__(self, s: int, first_boot: bool):
        self._frames = []
        self._sessions = []
        for role, _ in roles.ROLES:
            extra = FOR_STOP if role == roles.CLINICIAN else 0
            self._frames.append(RateLimit(FRAMES + extra, FRAMES_A_S, 1))
            self._sessions.append(RateLimit(SESSIONS, 1, SESSION_S))
        for limit in self._frames + self._sessions:
            limit.begin(s, first_boot)

    def take_session(self, role: int, s: int) -> None:
        """A session for this role; Refused, with the seconds until there is one again."""
        limit = self._sessions[role - 1]
        if not limit.take(s):
            raise Refused("too_many_sessions", str(limit.wait_s(s)))

    def take_frame(self, role: int, opcode: int, s: int) -> bool:
        """A frame with this request; False when the role has used up its own."""
        limit = self._frames[role - 1]
        kept = FOR_STOP if role == roles.CLINICIAN and opcode != STOP else 0
        return limit.has(s, kept + 1) and limit.take(s)
